// `--session` of run and chat, as processes.

import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const main = fileURLToPath(new URL('./main.ts', import.meta.url));
const engineFlags = ['--max-model-len', '512', '--kv-cache-memory-bytes', '16M', '--threads', '1'];

async function octavo(args: readonly string[], input = ''): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', main, ...args, ...engineFlags], {
    env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  child.stdin.end(input);
  const code = await new Promise<number>((resolve) => child.on('close', (status) => resolve(status ?? -1)));
  return { code, stdout, stderr };
}

describe('--session', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'octavo-cli-session-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('run goes on where the run before it ended', async () => {
    const file = join(folder, 'story');
    const greedy = ['--temperature', '0', '--json'];
    const begin = 'Once upon a time there was a little girl who had a dog and a cat and a very red ball';
    const first = JSON.parse((await octavo(['run', begin, '--session', file, '--max-tokens', '40', ...greedy])).stdout);
    const more = ' Then she saw a bird';
    const second = JSON.parse((await octavo(['run', more, '--session', file, '--max-tokens', '20', ...greedy])).stdout);
    expect(second.usage.promptTokens).toBeGreaterThan(first.usage.promptTokens + first.usage.completionTokens);
    const whole = first.usage.promptTokens + first.usage.completionTokens - 1;
    expect(second.usage.cachedTokens).toBe(Math.floor(whole / 16) * 16);

    const other = await octavo(['run', more, '--session', file, '--block-size', '8']);
    expect(other).toMatchObject({ code: 1, stdout: '' });
    expect(other.stderr).toMatch(/blocks of 16 tokens[\s\S]*--block-size/);
    await truncate(file, 1000);
    const cut = await octavo(['run', more, '--session', file]);
    expect(cut).toMatchObject({ code: 1, stdout: '' });
    expect(cut.stderr).toContain('Delete it');
    expect((await octavo(['run', more, '--session', file, '--chat'])).code).toBe(2);
    const absent = await octavo(['run', more, '--session', join(folder, 'no', 'folder'), '--max-tokens', '1']);
    expect(absent.code).toBe(1);
    expect(absent.stderr).toContain('ENOENT');
  }, 120_000);

  it('chat keeps the conversation over processes', async () => {
    const file = join(folder, 'chat');
    const greedy = ['--temperature', '0', '--max-tokens', '30', '--session', file];
    const first = await octavo(['chat', ...greedy], 'Tell me about a dog and a red ball, please.\nAnd then?\n');
    expect(first.code).toBe(0);
    expect(first.stderr).not.toContain('error');
    const second = await octavo(['chat', ...greedy], 'What happened next?\n');
    expect(second.code).toBe(0);
    const [, tokens, loaded] = /session of (\d+) tokens, (\d+) of them loaded/.exec(second.stdout)!.map(Number);
    expect(loaded).toBeGreaterThan(tokens - 34);
    const [, promptTokens, cached] = /(\d+) prompt tokens, (\d+) of them cached/.exec(second.stdout)!.map(Number);
    expect(promptTokens).toBeGreaterThan(tokens);
    expect(cached).toBeGreaterThan(0);
    expect((await readFile(file)).includes('What happened next?')).toBe(true);
  }, 120_000);
});
