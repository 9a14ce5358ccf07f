// `octavo plan` and `octavo report` as processes: what they print and write, wrong input, and the commands of docs/planning.md.

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCli } from './support/cli.ts';
import { bundledModelPath } from './support/server.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'octavo-plan-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('plan', () => {
  test('prints a table with a verdict, and one line of JSON', async () => {
    const args = ['plan', 'llama-13b', '--budget', '40gb', '--max-num-seqs', '8'];
    const { code, stdout } = await runCli(args);
    expect(code).toBe(0);
    for (const part of ['800 KiB (819,200 B)', 'Contiguous, power of two', 'It fits: 10 sequences of 2,048 tokens']) {
      expect(stdout).toContain(part);
    }
    const json = await runCli([...args, '--json']);
    const lines = json.stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0])).toMatchObject({ verdict: 'fits', fullSequences: 10, kvBytesPerToken: 819_200 });
    const chinese = await runCli([...args, '--lang', 'zh']);
    expect(chinese.stdout).toContain('可容纳的最长序列数');
  });

  test('predicts the pool that serve and inspect take', async () => {
    const flags = ['--max-model-len', '128', '--max-num-seqs', '2'];
    const plan = JSON.parse((await runCli(['plan', ...flags, '--json'])).stdout);
    const inspected = JSON.parse((await runCli(['inspect', bundledModelPath(), ...flags, '--json'])).stdout);
    expect(plan.pool.blockCount).toBe(inspected.memory.blockCount);
    expect(plan.weightBytes).toBe(inspected.memory.weightBytes);
  });

  test('writes a page and drawings', async () => {
    const [html, svg, png] = ['p.html', 'p.svg', 'p.png'].map((name) => join(folder, name));
    const { code } = await runCli(['plan', '--budget', '64M', '--html', html, '--svg', svg, '--png', png]);
    expect(code).toBe(0);
    expect(readFileSync(html, 'utf8')).toContain(`octavo plan --budget 64M --html ${html}`);
    expect(readFileSync(svg, 'utf8')).toMatch(/^<svg xmlns=.*<\/svg>\n$/s);
    expect(readFileSync(png).subarray(1, 4).toString()).toBe('PNG');
  });

  test('help names flags, defaults and examples', async () => {
    for (const command of ['plan', 'report']) {
      const { code, stdout } = await runCli([command, '--help']);
      expect(code).toBe(0);
      expect(stdout).toContain('Examples:');
      expect(stdout).toMatch(/\(default: /);
    }
  });
});

describe('report', () => {
  test('--list names them', async () => {
    const { code, stdout } = await runCli(['report', '--list']);
    expect(code).toBe(0);
    expect(stdout.trim().split('\n')).toHaveLength(10);
    expect(stdout).toMatch(/^memory-scaling +Memory by context length$/m);
  });

  test('writes the files that were asked for, with how they were measured', async () => {
    const out = join(folder, 'pages');
    const { code, stdout } = await runCli([
      'report',
      'batch-limits',
      '--quick',
      '--out',
      out,
      '--format',
      'html,svg,png,json',
    ]);
    expect(code).toBe(0);
    const names = readdirSync(out).sort();
    expect(
      stdout
        .trim()
        .split('\n')
        .map((path) => path.slice(out.length + 1))
        .sort(),
    ).toEqual(names);
    expect(names).toContain('batch-limits-card-24.svg');
    const { data, command, machine, date } = JSON.parse(readFileSync(join(out, 'batch-limits.json'), 'utf8'));
    expect(command).toContain('octavo report batch-limits --quick');
    expect(machine).toContain('Node');
    expect(Date.parse(date)).toBeGreaterThan(0);
    const page = readFileSync(join(out, 'batch-limits.html'), 'utf8');
    // What the page shows and what the JSON says are the same.
    const embedded = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(page)![1];
    expect(JSON.parse(embedded)).toEqual(data);
    expect(page).toContain(`>${data.sweeps[0].rows[0].sequences.paged}<`);
  });
});

describe('wrong input is one line and exit code 2', () => {
  const trace = (content: string, name: string): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };
  const good = '{"timestamp": 1, "input_length": 5, "output_length": 2, "hash_ids": [1]}';

  test.each<[string, () => string[], string]>([
    ['a negative budget', () => ['plan', '--budget', '-5'], 'not "-5"'],
    ['an unknown card', () => ['plan', '--budget', '12 cards'], '141gb, this-machine'],
    ['an unknown shape', () => ['plan', 'gpt-5'], 'llama-13b'],
    ['a file that is not there', () => ['plan', 'nowhere.gguf'], 'nowhere.gguf: does not exist'],
    ['a file that is no model', () => ['plan', trace('GGUF?', 'broken.gguf')], 'broken.gguf'],
    ['a config.json that is none', () => ['plan', trace('{', 'config.json')], 'is not JSON'],
    [
      'a context that the model does not have',
      () => ['plan', 'llama-7b', '--max-model-len', '4096'],
      '--max-model-len',
    ],
    ['a negative context', () => ['plan', 'llama-7b', '--max-model-len', '-4'], 'at least 2'],
    ['an unknown KV type', () => ['plan', 'llama-7b', '--kv-cache-dtype', 'int3'], '--kv-cache-dtype'],
    ['a negative price', () => ['plan', '--price-per-gb', '-1'], 'from 0'],
    ['lengths that are none', () => ['plan', '--sequence-tokens', '5,x'], 'such as 100,250,900'],
    ['a length beyond the context', () => ['plan', 'llama-7b', '--sequence-tokens', '5000'], '--sequence-tokens'],
    ['a page that cannot be written', () => ['plan', '--html', join(folder, 'no', 'p.html')], 'cannot be written'],
    ['no report', () => ['report'], 'name of a report is missing'],
    ['an unknown report', () => ['report', 'everything'], 'memory-scaling, feasibility'],
    ['an unknown format', () => ['report', 'traffic', '--format', 'pdf'], 'html,svg,png,json'],
    ['a model that is none', () => ['report', 'traffic', '--model', 'gpt-5', '--out', folder], 'llama-13b'],
    ['a trace that is not there', () => ['report', 'eviction', '--trace', 'nowhere.jsonl'], 'there is no such file'],
    [
      'a malformed trace, with its line',
      () => ['report', 'eviction', '--trace', trace(`${good}\n${good}\n{"timestamp": 1`, 'bad.jsonl')],
      'bad.jsonl, line 3: is not JSON',
    ],
    [
      'a folder that cannot be made',
      () => ['report', 'traffic', '--out', join(trace('x', 'file'), 'out')],
      'cannot be made',
    ],
  ])('%s', async (_what, args, expected) => {
    const { code, stdout, stderr } = await runCli(args());
    expect(stderr).toContain(expected);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).not.toContain('    at ');
    // Commander's own errors add a hint.
    expect(stderr.trim().split('\n').length).toBeLessThanOrEqual(3);
  });
});

describe('docs/planning.md', () => {
  const root = fileURLToPath(new URL('..', import.meta.url));
  const document = readFileSync(join(root, 'docs/planning.md'), 'utf8');
  const commands = [...document.matchAll(/^npx octavo (.+)$/gm)].map(([, command]) => command);

  test.each(commands)('octavo %s', async (command) => {
    // Files go where nothing is in the way.
    const args = command.split(' ').map((arg) => (/^(plan\.\w+|pages)$/.test(arg) ? join(folder, arg) : arg));
    const { code, stderr } = await runCli(args);
    expect(code, stderr).toBe(0);
    for (const [i, arg] of args.entries()) {
      if (['--html', '--svg', '--png', '--out'].includes(arg)) expect(existsSync(args[i + 1])).toBe(true);
    }
  });

  test('names every report', async () => {
    const { stdout } = await runCli(['report', '--list']);
    for (const [name] of stdout.matchAll(/^\S+/gm)) expect(document).toContain(`\`${name}\``);
  });
});
