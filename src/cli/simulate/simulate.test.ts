// `octavo simulate` as it is typed: the same bytes for the same seed, one line and exit code 2 for what cannot be.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CommanderError } from 'commander';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { bundledModelPath } from '../bundled-model.ts';
import { CliError } from '../cli-error.ts';
import { createProgram } from '../program.ts';

const folder = mkdtempSync(join(tmpdir(), 'octavo-simulate-'));
afterAll(() => rmSync(folder, { recursive: true }));
const mooncake = fileURLToPath(new URL('../../simulation/fixtures/mooncake.jsonl', import.meta.url));

let written = '';
beforeEach(() => {
  written = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    written += String(text);
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
});
afterEach(() => vi.restoreAllMocks());

async function simulate(line: string): Promise<string> {
  written = '';
  const args = line.split(' ').filter((word) => word !== '');
  await createProgram().parseAsync(['node', 'octavo', 'simulate', ...args]);
  return written;
}

const calibration = {
  format: 'octavo-calibration',
  version: 2,
  date: '2026-01-01T00:00:00.000Z',
  model: { name: 'another model', fingerprint: 'f', vocabSize: 100 },
  machine: { processor: 'p', cores: 2, memoryBytes: 1 },
  backend: 'b',
  build: 'cpu 0',
  threads: 2,
  blockSize: 16,
  kvCacheDtype: 'f16',
  blockBytes: 65536,
  limits: { maxNumSeqs: 64, maxNumBatchedTokens: 512, maxContextTokens: 512 },
  step: { step: 0.01, tokens: 0.0002 },
  server: null,
  pageSeconds: 0.0001,
  fit: { steps: 1, medianError: 0, p90Error: 0, maxError: 0, spread: 0, rounds: 1, server: null },
};
const calibrationFile = join(folder, 'calibration.json');
writeFileSync(calibrationFile, JSON.stringify(calibration));

describe('octavo simulate', () => {
  it.each([
    `--trace ${mooncake} --limit 12 --capacity-blocks 4000`,
    '--generate gamma --cv 2 --rate 5 --requests 60 --turns uniform:1-4 --prefix-tree 2x64 --capacity-blocks 300 --preemption swap --timeline',
    `--calibration ${calibrationFile} --generate poisson --rate 4 --requests 40 --goodput ttft:900 --sweep pool-tokens=3000,9000 --sweep policy=lru,arc`,
  ])('%s: the same seed gives the same bytes', async (line) => {
    const first = await simulate(`${line} --json --seed 3`);
    expect(await simulate(`${line} --json --seed 3`)).toBe(first);
    const report = JSON.parse(first);
    expect(report.seed).toBe(3);
    const { figures } = report.sweep?.[0] ?? report;
    expect(figures.outputTokensPerSecond).toBeGreaterThan(0);
  });

  it('takes sizes in bytes from a calibration, and writes a page', async () => {
    const html = join(folder, 'page.html');
    const text = await simulate(
      `--calibration ${calibrationFile} --generate poisson --rate 4 --requests 40 --sweep max-num-seqs=4,16 --kv-cache-memory-bytes 16M --html ${html}`,
    );
    expect(text).toContain('16.0 MiB');
    const page = readFileSync(html, 'utf8');
    expect(page).toContain('id="front"');
    expect(page).toContain('id="best-requests"');
    expect(page).not.toMatch(/(src|href)="https?:/);
    await simulate(`--trace ${mooncake} --limit 12 --capacity-blocks 4000 --html ${html}`);
    expect(readFileSync(html, 'utf8')).toContain('id="latency"');
  });

  it('replays many requests on two threads, with the same results', async () => {
    const many =
      '--generate poisson --rate 50 --requests 2000 --input-tokens 40 --output-tokens 2 --prefix-tree 4x32 --json';
    const both = JSON.parse(await simulate(`${many} --capacity-blocks 60`));
    for (const kind of ['cache', 'serving']) {
      const alone = JSON.parse(await simulate(`${many} --capacity-blocks 60 --replay ${kind}`));
      expect(alone[kind].finishedRequests).toBe(2000);
      expect(both[kind]).toEqual(alone[kind]);
    }
    const error = await simulate(`${many} --capacity-blocks 1`).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CliError);
    expect((error as Error).message).toContain('holds none of the requests');
  });

  const generate = '--generate poisson --rate 2 --requests 5';
  it.each([
    ['', 'either --trace or --generate is needed'],
    [`--trace ${mooncake} ${generate} --capacity-blocks 9`, 'either --trace or --generate is needed, and not both'],
    [generate, '--capacity-blocks is needed'],
    [`${generate} --kv-cache-memory-bytes 1G`, '--kv-cache-memory-bytes needs --calibration'],
    [`${generate} --capacity-blocks 1`, 'holds none of the requests'],
    [`${generate} --capacity-blocks 99 --cv 2`, '--cv is for --generate gamma'],
    [`${generate} --capacity-blocks 99 --concurrency 2`, '--rate and --concurrency exclude each other'],
    [`${generate} --capacity-blocks 99 --input-tokens uniform:9-1`, '--input-tokens must be'],
    [`${generate} --capacity-blocks 99 --prefix-tree 4`, 'prefixTree must be levels'],
    [`${generate} --capacity-blocks 99 --goodput ttfb:5`, 'is not of the form ttft:ms'],
    [`${generate} --sweep pool=5,x`, '--sweep pool=5,x: x is none of'],
    [`${generate} --capacity-blocks 99 --sweep policy=mru`, 'mru is none of'],
    [`${generate} --capacity-blocks 99 --model x`, '--model needs --calibration'],
    [`${generate} --capacity-blocks 99 --calibration ${folder}/none`, 'there is no such file'],
    [`${generate} --capacity-blocks 99 --calibration ${mooncake}`, 'is not JSON'],
    [`${generate} --capacity-blocks 99 --calibration ${calibrationFile} --step-seconds 1`, 'exclude --calibration'],
    [
      `${generate} --capacity-blocks 99 --calibration ${calibrationFile} --model ${bundledModelPath()}`,
      'was measured with another model, which is another model than',
    ],
    [`--trace ${folder}/none --capacity-blocks 9`, 'there is no such file'],
    [`--trace ${calibrationFile} --capacity-blocks 9`, 'calibration.json, line 1: timestamp must be an integer'],
    [`--trace ${mooncake} --capacity-blocks 9 --sweep rate=1,2`, 'rate needs generated arrivals'],
  ])('refuses "%s"', async (line, message) => {
    const error = await simulate(line).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CliError);
    expect(error).toMatchObject({ exitCode: 2 });
    expect((error as Error).message).toContain(message);
    expect((error as Error).message).not.toContain('\n');
    expect(written).toBe('');
  });

  it.each(['--capacity-blocks -5', '--policy mru', '--rate 0', '--seed x', '--preemption never'])(
    'refuses the flag "%s"',
    async (flag) => {
      await expect(simulate(`${generate} ${flag}`)).rejects.toBeInstanceOf(CommanderError);
    },
  );
});
