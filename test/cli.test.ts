// The `octavo` command as a process: help, wrong flags, run, chat, inspect, synth, and serve with its signals.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readRecording } from '../src/index.ts';
import { runCli, startCli } from './support/cli.ts';
import { post } from './support/http.ts';
import { startTestHub } from './support/hub.ts';
import { bundledModelPath } from './support/server.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'octavo-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('help', () => {
  test.each([
    [[], 'Usage: octavo'],
    [['serve'], '--kv-cache-memory-bytes'],
    [['run'], '--temperature'],
    [['chat'], '/clear'],
    [['inspect'], '--json'],
    [['synth'], 'llama-3.2-1b'],
  ])('octavo %j --help shows flags, defaults and an example', async (command, expected) => {
    const { code, stdout } = await runCli([...command, '--help']);
    expect(code).toBe(0);
    expect(stdout).toContain(expected);
    expect(stdout).toContain('Examples:');
    if (command.length > 0) expect(stdout).toMatch(/\(default: /);
  });

  test('--version is the version of the package', async () => {
    const { code, stdout } = await runCli(['--version']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+/);
  });
});

describe('a wrong command line exits with 2 and says what was expected', () => {
  test.each([
    [[], 'Usage'],
    [['fly'], "unknown command 'fly'"],
    [['serve', '--port', '70000'], 'from 0 to 65535'],
    [['serve', '--port', 'http'], 'from 0 to 65535'],
    [['serve', '--block-size', '0'], 'from 1 to 256'],
    [['serve', '--kv-cache-memory-bytes', '5X'], 'such as'],
    [['serve', '--eviction-policy', 'oldest'], 'Allowed choices'],
    [['serve', '--host-tier-bytes', '0'], 'such as'],
    [['serve', '--host-tier-form', 'zip'], 'Allowed choices'],
    [['serve', '--tenant-quota', '2'], 'from 0.0001 to 1'],
    [['serve', '--max-step-stretch', '1'], 'from 1.01'],
    [['serve', '--backend', 'gpu'], 'Allowed choices'],
    [['serve', '--no-such-flag'], 'unknown option'],
    [['serve', '--log-level', 'loud'], 'is not one of'],
    [['serve', '--record-events'], 'needs --record FILE'],
    [['serve', '--record', 'x.jsonl', '--record-limit', '100'], 'at least 64K'],
    [['serve', '--explain-requests', '-1'], 'from 0 to 1000000'],
    [['run'], 'A prompt is needed'],
    [['run', 'model.gguf'], 'the prompt is missing'],
    [['run', 'Hello', '--temperature', '5'], 'from 0 to 2'],
    [['inspect'], 'missing required argument'],
    [['synth', 'out.gguf'], '--shape'],
    [['synth', 'out.gguf', '--shape', 'gpt-5'], 'Allowed choices'],
  ])('octavo %j', async (args, expected) => {
    const { code, stdout, stderr } = await runCli(args);
    expect(stderr + stdout).toContain(expected);
    expect(code).toBe(2);
    expect(stderr).not.toContain('    at ');
  });
});

describe('what cannot work exits with 1, in a line or two', () => {
  test.each([
    [['inspect', 'nowhere.gguf'], 'nowhere.gguf'],
    [['serve', 'nowhere'], 'Hugging Face id'],
    [['run', bundledModelPath(), 'Hi', '--kv-cache-memory-bytes', '1'], '--kv-cache-memory-bytes'],
    [['run', bundledModelPath(), 'Hi', '--max-model-len', '1000000'], '--max-model-len'],
  ])('octavo %j', async (args, expected) => {
    const { code, stderr } = await runCli(args);
    expect(stderr).toContain(expected);
    expect(stderr.trim().split('\n').length).toBeLessThanOrEqual(3);
    expect(code).toBe(1);
  });

  test('a file that is no model', async () => {
    const path = join(folder, 'broken.gguf');
    writeFileSync(path, 'GGUF, but not really');
    const { code, stderr } = await runCli(['inspect', path]);
    expect(code).toBe(1);
    expect(stderr).toContain('broken.gguf');
    expect(stderr).not.toContain('    at ');
    expect((await runCli(['inspect', path, '--verbose'])).stderr).toContain('    at ');
  });
});

describe('run and chat', () => {
  test('one argument is a prompt for the bundled model; the same seed gives the same text', async () => {
    const args = ['run', 'Once upon a time', '--max-tokens', '20', '--seed', '5'];
    const [one, two] = [await runCli(args), await runCli(args)];
    expect(one.code).toBe(0);
    expect(one.stdout.length).toBeGreaterThan(20);
    expect(two.stdout).toBe(one.stdout);
    const json = await runCli([...args, '--json']);
    const answer = JSON.parse(json.stdout);
    expect(`${answer.text}\n`).toBe(one.stdout);
    expect(answer.usage.completionTokens).toBeLessThanOrEqual(20);
  });

  test('pages in a folder serve the next process', async () => {
    const tiers = ['--file-tier-path', join(folder, 'pages'), '--file-tier-bytes', '64M', '--host-tier-bytes', '16M'];
    const prompt = 'Once upon a time there was a little cat who lived in a house by the sea with an old man. '.repeat(
      4,
    );
    const args = ['run', prompt, '--max-tokens', '8', '--temperature', '0', '--json', ...tiers];
    const [one, two] = [await runCli(args), await runCli(args)];
    expect([one.code, two.code], one.stderr + two.stderr).toEqual([0, 0]);
    const [first, second] = [JSON.parse(one.stdout), JSON.parse(two.stdout)];
    expect(second.text).toBe(first.text);
    expect(first.usage.cachedTokens).toBe(0);
    expect(second.usage.cachedTokens).toBeGreaterThan(32);
  });

  test('a prompt from standard input, a model by path, a chat template', async () => {
    const args = ['run', bundledModelPath(), '-', '--chat', '--max-tokens', '10', '--temperature', '0', '--json'];
    const { code, stdout } = await runCli(args, 'Tell me a story.\n');
    expect(code).toBe(0);
    expect(JSON.parse(stdout).usage.promptTokens).toBeGreaterThan(4);
  });

  test('chat answers line by line, and finds the conversation so far in the cache', async () => {
    const input = 'Tell me a story about a dog.\n/help\nWhat happens next?\n/clear\n/exit\n';
    const { code, stdout } = await runCli(['chat', '--max-tokens', '24', '--seed', '1'], input);
    expect(code).toBe(0);
    const cached = [...stdout.matchAll(/(\d+) of them cached/g)].map(([, count]) => Number(count));
    expect(cached).toHaveLength(2);
    expect(cached[1]).toBeGreaterThan(cached[0]);
    expect(stdout).toContain('/clear   forget');
    expect(stdout).toContain('forgotten');
  });
});

describe('synth and inspect', () => {
  test('a synthesised file is described', async () => {
    const path = join(folder, 'tiny.gguf');
    const synth = await runCli(['synth', '--shape', 'tiny-llama', '--type', 'f32', path]);
    expect(synth.code).toBe(0);
    expect(synth.stdout).toContain('tiny-llama in f32');
    const { code, stdout } = await runCli([
      'inspect',
      path,
      '--json',
      '--kv-cache-memory-bytes',
      '1M',
      '--max-model-len',
      '64',
    ]);
    expect(code).toBe(0);
    const report = JSON.parse(stdout);
    expect(report.architecture).toBe('llama');
    expect(report.memory.maxModelLen).toBe(64);
    expect(report.memory.kvBytesPerToken).toBe(2 * report.layerCount * report.kvHeadCount * report.headSize * 4);
    expect(report.memory.fullSequences).toBe(Math.floor(report.memory.blockCount / 4));
    const types = report.tensors.map((group: { dtype: string }) => group.dtype);
    expect(types).toContain('f32');
    const text = await runCli(['inspect', path]);
    expect(text.stdout).toMatch(/sequences of [\d,]+ tokens fit/);
    expect(text.stdout).toContain('chat template');
  });
});

describe('a Hugging Face id', () => {
  test('is fetched once with HF_TOKEN into HF_HOME from HF_ENDPOINT', async () => {
    const hub = await startTestHub('owner/stories', 'stories-Q8_0.gguf', bundledModelPath(), 'hf_secret');
    const env = { HF_ENDPOINT: hub.url, HF_HOME: join(folder, 'hf') };
    try {
      const refused = await runCli(['inspect', 'owner/stories:q8_0'], '', env);
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain('HF_TOKEN');
      const withToken = { ...env, HF_TOKEN: 'hf_secret' };
      for (let round = 0; round < 2; round++) {
        const { code, stdout } = await runCli(['inspect', 'owner/stories:q8_0', '--json'], '', withToken);
        expect(code).toBe(0);
        expect(JSON.parse(stdout).path).toContain(join('hf', 'hub', 'models--owner--stories', 'snapshots'));
      }
      expect(hub.downloadCount).toBe(1);
      const missing = await runCli(['run', 'owner/nothing', 'Hello'], '', withToken);
      expect(missing.code).toBe(1);
      expect(missing.stderr).toContain('Check the name');
    } finally {
      await hub.close();
    }
  });
});

/** Starts `octavo serve` on a free port and waits until it says where. */
async function serve(args: readonly string[], env: Record<string, string> = {}) {
  const child = startCli(['serve', '--port', '0', '--threads', '1', ...args], env);
  let output = '';
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve));
  const url = await new Promise<string>((resolve, reject) => {
    const read = (data: Buffer) => {
      output += data.toString();
      const match = /http:\/\/127\.0\.0\.1:\d+/.exec(output);
      if (match !== null && output.includes('Ctrl-C')) resolve(match[0]);
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
    void exited.then((code) => reject(new Error(`serve exited with ${code}: ${output}`)));
  });
  return { child, url, exited, output: () => output };
}

describe('serve', () => {
  test('SIGTERM lets a running stream finish, refuses a new request with 503, and exits with 0', async () => {
    const { child, url, exited, output } = await serve([]);
    expect(output()).toMatch(/KV cache .*blocks of 16/);
    const response = await fetch(`${url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: 'Once upon a time', max_tokens: 800, ignore_eos: true, stream: true }),
    });
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = (await reader.read()).value ?? '';
    child.kill('SIGTERM');
    const refused = await expect
      .poll(async () => (await post(url, '/v1/completions', { prompt: 'a', max_tokens: 1 })).status, { interval: 5 })
      .toBe(503)
      .then(() => post(url, '/v1/completions', { prompt: 'a' }));
    expect(refused.json.error.type).toBe('service_unavailable_error');
    expect((await fetch(`${url}/health`)).status).toBe(503);
    for (let part = await reader.read(); !part.done; part = await reader.read()) text += part.value;
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
    expect(text).toContain('"finish_reason":"length"');
    expect(await exited).toBe(0);
  });

  test('a second signal stops at once', async () => {
    const { child, url, exited } = await serve([]);
    const response = await fetch(`${url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        prompt: Array(32).fill('Once upon a time'),
        max_tokens: 400,
        ignore_eos: true,
        stream: true,
      }),
    });
    const reader = response.body!.getReader();
    await reader.read();
    child.kill('SIGINT');
    await expect.poll(async () => (await fetch(`${url}/health`)).status).toBe(503);
    child.kill('SIGINT');
    expect(await exited).toBe(130);
    await reader.cancel().catch(() => undefined);
  });

  test('flags and environment reach the server', async () => {
    const { child, url, exited } = await serve(
      ['--served-model-name', 'me', '--max-model-len', '64', '--max-num-seqs', '2'],
      {
        OCTAVO_API_KEY: 'secret',
      },
    );
    expect((await fetch(`${url}/v1/models`)).status).toBe(401);
    const response = await fetch(`${url}/v1/models`, { headers: { authorization: 'Bearer secret' } });
    const { data } = (await response.json()) as { data: { id: string; max_model_len: number }[] };
    expect(data[0]).toMatchObject({ id: 'me', max_model_len: 64 });
    child.kill('SIGTERM');
    expect(await exited).toBe(0);
  });

  test('records a run, explains a request to who has the admin key, and replaces no file', async () => {
    const path = join(folder, 'run.jsonl');
    const flags = ['--record', path, '--record-events', '--show-text', '--max-model-len', '64', '--max-num-seqs', '2'];
    const { child, url, exited } = await serve(flags, { OCTAVO_ADMIN_KEY: 'admin' });
    const answer = await post(url, '/v1/completions', { prompt: 'Once upon a time', max_tokens: 4, ignore_eos: true });
    const explain = `${url}/v1/requests/${answer.json.id}/explain`;
    expect((await fetch(explain)).status).toBe(401);
    const explained = await fetch(explain, { headers: { authorization: 'Bearer admin' } });
    expect(await explained.json()).toMatchObject({ steps: { count: 4 }, text: { prompt: 'Once upon a time' } });
    child.kill('SIGTERM');
    expect(await exited).toBe(0);
    const text = readFileSync(path, 'utf8');
    expect(text).not.toContain('Once');
    const kinds = new Map<string, number>();
    for await (const { kind } of readRecording(text.split('\n'))) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    expect(kinds.get('request')).toBe(1);
    expect(kinds.get('event')).toBeGreaterThan(8);
    expect(kinds.get('end')).toBe(1);
    const { code, stderr } = await runCli(['serve', '--record', path]);
    expect([code, stderr]).toEqual([1, expect.stringContaining('exists already')]);
  });

  test('a port in use is said so', async () => {
    const blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve));
    const address = blocker.address();
    const port = address !== null && typeof address === 'object' ? address.port : 0;
    const { code, stderr } = await runCli(['serve', '--port', String(port)]);
    blocker.close();
    expect(code).toBe(1);
    expect(stderr).toContain(`Port ${port} on 127.0.0.1 is in use`);
  });
});
