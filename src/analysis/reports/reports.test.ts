// Reports in a fast configuration: their numbers are those of the engine and the memory manager, or follow by hand.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Resvg } from '@resvg/resvg-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InvalidRequestError } from '../../errors/index.ts';
import { evictionPolicyNames, memoryModes } from '../../memory/index.ts';
import { bundledModelPath } from '../../models/testing/bundled-model.ts';
import { defaultCostModel, parseTrace, replay, type Trace } from '../../simulation/index.ts';
import { cssColors, renderChart } from '../charts/index.ts';
import { languages } from '../i18n/index.ts';
import { planModel, shapeSubject } from '../plan/index.ts';
import { accessPatterns, accessRequests, conversationRequests, optimalHits } from '../workload/patterns.ts';
import { chatRequests } from '../workload/requests.ts';
import { findReport, type ReportContent, reports } from './index.ts';
import { trafficOf } from './traffic.ts';

const gib = 2 ** 30;
const made = new Map<string, ReportContent>();
let folder: string;
const progress = new Map<string, number>();

async function run(name: string, options: { model?: string; trace?: Trace } = {}): Promise<ReportContent> {
  return findReport(name).run({
    model: options.model ?? null,
    bundledModelPath: bundledModelPath(),
    trace: options.trace ?? null,
    seed: 5,
    quick: true,
    scratchFolder: folder,
    now: () => performance.now(),
    onProgress: (done, total) => progress.set(name, done / total),
  });
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'octavo-reports-'));
  for (const { name } of reports) made.set(name, await run(name));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

// biome-ignore lint/suspicious/noExplicitAny: each report has numbers of its own shape
const dataOf = (name: string): any => JSON.parse(JSON.stringify(made.get(name)!.data));

describe.each(reports.map(({ name }) => name))('%s', (name) => {
  it('has findings, charts and tables that can be drawn in both languages, narrow and wide', () => {
    const { findings, charts, tables, method } = made.get(name)!;
    expect(findings.length).toBeGreaterThan(0);
    expect(charts.length).toBeGreaterThan(0);
    expect(method.length).toBeGreaterThan(0);
    for (const chart of charts) {
      for (const language of languages) {
        for (const [width, isNarrow] of [
          [346, true],
          [880, false],
        ] as const) {
          const svg = renderChart(chart, { language, width, isNarrow, colors: cssColors });
          expect(new Resvg(svg, { font: { loadSystemFonts: false } }).width).toBe(width);
          expect(svg, chart.id).not.toMatch(/NaN|undefined/);
          // Something is drawn beside axes.
          expect(svg, chart.id).toMatch(/<rect|<circle/);
        }
      }
    }
    for (const { columns, rows, id } of tables) {
      expect(rows.length, id).toBeGreaterThan(0);
      for (const row of rows) expect(row, id).toHaveLength(columns.length);
    }
    for (const one of findings) {
      expect(`${one.en} ${one.zh}`).not.toMatch(/NaN|undefined|Infinity/);
      expect(one.zh).toMatch(/[\u4e00-\u9fff]/);
    }
    expect(new Set(charts.map(({ id }) => id)).size).toBe(charts.length);
    expect(progress.get(name)).toBe(1);
  });
});

it('a name that is none is refused with the names', () => {
  expect(() => findReport('everything')).toThrow(InvalidRequestError);
  expect(() => findReport('everything')).toThrow('memory-scaling, feasibility, utilisation');
});

describe('numbers', () => {
  it('memory-scaling: LLaMA 7B takes 512 KiB a token, the matrix 4 bytes a score', () => {
    const { rows, types } = dataOf('memory-scaling');
    expect(rows).toHaveLength(12);
    for (const row of rows) {
      expect(row.kvBytes).toBe(row.tokens * 512 * 1024);
      expect(row.layerMatrixBytes).toBe(row.tokens ** 2 * 4 * 32);
      expect(row.kvShare).toBeCloseTo(row.kvBytes / (row.kvBytes + row.layerMatrixBytes), 12);
    }
    expect(rows[0].kvGrowth).toBeNull();
    expect(rows[11]).toMatchObject({ tokens: 2 ** 20, kvGrowth: 2, matrixGrowth: 4 });
    expect(types.find((one: { dtype: string }) => one.dtype === 'fp8_e5m2').bytes).toBe(2 ** 20 * 256 * 1024);
  });

  it('feasibility: every cell is the plan of the engine', () => {
    const { grids, documents } = dataOf('feasibility');
    for (const { weightType, kvDType, cells } of grids) {
      expect(cells).toHaveLength(40);
      for (const cell of cells.filter((one: { model: string }) => one.model === 'LLaMA 13B')) {
        const subject = shapeSubject('llama-13b', weightType);
        const plan = planModel({
          subject,
          budgetBytes: cell.budgetBytes,
          maxModelLen: 2048,
          kvCacheDtype: kvDType,
          concurrency: 8,
        });
        expect(cell).toMatchObject({ verdict: plan.verdict, fullSequences: plan.fullSequences });
        expect(cell.startShortageBytes).toBe(plan.startShortageBytes);
      }
    }
    // 12.55 GiB of weights and 2048 tokens of half a MiB fit 16 GiB; 65,536 of them do not fit 40.
    expect(documents[0]).toMatchObject({ verdict: 'fits', claimed: false });
    expect(documents[5]).toMatchObject({ verdict: 'does-not-fit', claimed: false });
    expect(documents[3]).toMatchObject({ verdict: 'does-not-fit', claimed: true });
  });

  it("utilisation: the documents' scenarios by hand, the load as the scheduler has it", () => {
    const { scenarios, load, churn } = dataOf('utilisation');
    const use = (id: string, mode: string) =>
      scenarios.find((one: { id: string }) => one.id === id).uses.find((one: { mode: string }) => one.mode === mode);
    // 50, 80, 120 and 60 tokens: 4, 5, 8 and 4 blocks.
    expect(use('chat', 'paged')).toMatchObject({ heldSlots: 21 * 16, usedSlots: 310 });
    expect(use('chat', 'contiguous-max')).toMatchObject({ heldSlots: 4 * 256, usedSlots: 310 });
    expect(use('chat', 'contiguous-pow2').heldSlots).toBe(64 + 128 + 128 + 64);
    // 5324 of 15360 slots: the documents' 34.6 %.
    expect(use('estimated', 'contiguous-exact')).toMatchObject({ heldSlots: 15_360, usedSlots: 5324 });
    expect(use('dialogue', 'contiguous-max').share).toBeCloseTo(150 / 512, 12);

    const requests = chatRequests(60, 5);
    for (const mode of memoryModes) {
      const again = replay(requests, {
        blockCount: load.blockCount,
        blockSize: 16,
        memory: mode,
        enablePrefixCaching: false,
        maxNumSeqs: 1024,
        maxNumBatchedTokens: 32_768,
        arrivals: 'saturated',
        cost: defaultCostModel,
        seed: 5,
      });
      const shown = load.modes.find((one: { mode: string }) => one.mode === mode);
      expect(shown.slotUse).toBe((again.saturated ?? again.overall)!.slotUse);
      expect(shown.finishedRequests).toBe(60);
    }
    for (const one of churn.modes) {
      expect(one.finished).toBe(40);
      // What is drawn lies in the pool, side by side, and paged memory leaves less than a block of each sequence unused.
      const runs = [...one.layout].sort((a: { first: number }, b: { first: number }) => a.first - b.first);
      expect(runs.length).toBeGreaterThan(0);
      let end = 0;
      for (const { first, held, used } of runs) {
        expect(first).toBeGreaterThanOrEqual(end);
        expect(used).toBeLessThanOrEqual(held);
        if (one.mode === 'paged') expect(held - used).toBeLessThan(16);
        end = first + held;
      }
      expect(end).toBeLessThanOrEqual(churn.blockCount * 16);
    }
  });

  it("batch-limits: the documents' batches by hand", () => {
    const { documents, sweeps } = dataOf('batch-limits');
    const short = documents.find((one: { id: string; gib: number }) => one.id === 'short' && one.gib === 24);
    const weights = shapeSubject('llama-7b').weightBytes;
    const blocks = Math.floor((24 * gib - weights) / (16 * 512 * 1024));
    const count = (mode: string) => short.allocations.find((one: { mode: string }) => one.mode === mode);
    expect(count('contiguous-max').sequences).toBe(Math.floor(blocks / 64));
    expect(count('paged').sequences).toBe(Math.floor(blocks / 32));
    expect(count('contiguous-max').wasteShare).toBe(0.5);
    for (const { rows } of sweeps) {
      for (const { sequences } of rows) expect(sequences.paged).toBeGreaterThanOrEqual(sequences['contiguous-max']);
    }
  });

  it('adaptation: every call is counted', () => {
    const { subjects, requests } = dataOf('adaptation');
    for (const one of subjects) {
      expect(one.finished).toBe(requests);
      expect(one.latencies.allocateMs.count).toBe(requests + one.preemptions);
      expect(one.latencies.releaseMs.count).toBe(requests + one.preemptions);
      expect(one.latencies.allocateMs.medianMs).toBeGreaterThan(0);
      expect(one.latencies.allocateMs.p99Ms).toBeLessThanOrEqual(one.latencies.allocateMs.maxMs);
      // Only paged memory is extended.
      expect(one.latencies.extendMs === null).toBe(one.mode !== 'paged');
    }
  });

  it('block-size: waste as the scheduler has it, metadata that shrinks as blocks grow', () => {
    const { rows, poolTokens } = dataOf('block-size');
    const [small, , large] = rows;
    const again = replay(chatRequests(40, 5), {
      blockCount: poolTokens / 64,
      blockSize: 64,
      memory: 'paged',
      enablePrefixCaching: false,
      maxNumSeqs: 256,
      maxNumBatchedTokens: 16_384,
      arrivals: 'saturated',
      cost: defaultCostModel,
      seed: 5,
    });
    expect(large.slotUse).toBe((again.saturated ?? again.overall)!.slotUse);
    expect(small.slotUse).toBeGreaterThan(large.slotUse);
    // Llama 3.2 1B: 16 layers of 8 heads of 64, K and V in f16.
    for (const row of rows) expect(row.blockBytes).toBe(row.blockSize * 32 * 1024);
    // The block table alone: 256 rows of 8192 tokens, 4 bytes an entry.
    for (const row of rows) expect(row.metadataBytes).toBeGreaterThan((256 * 8192 * 4) / row.blockSize);
    expect(small.metadataBytes).toBeGreaterThan(large.metadataBytes);
    expect(small.metadataShare).toBeLessThan(0.01);
  });

  it('traffic: formulas by hand', () => {
    const { decode, prefill } = trafficOf(shapeSubject('llama-3.2-1b'), 512);
    const layer = 512 * 8 * 64 * 2 * 2;
    const row = 32 * 64 * 4 * 2;
    expect(decode.paged).toBe(layer + row);
    expect(decode.gathered).toBe(3 * layer + row);
    expect(decode.materialised).toBe(layer + row + 4 * 512 * 32 * 4);
    expect(prefill.materialised).toBe(layer + 512 * row + 4 * 512 * 512 * 32 * 4);
    // 96 rows are 24 tokens of 4 heads: 22 reads of what lies before, in whole blocks.
    let read = 0;
    for (let end = 24; end < 512 + 24; end += 24) read += Math.ceil(Math.min(end, 512) / 16) * 16 * 8 * 64 * 2 * 2;
    expect(prefill.paged).toBe(read + 512 * row);
    for (const one of dataOf('traffic').measured) {
      expect(one.bytes).toBe(one.tokens * 8 * 64 * 2 * 2);
      expect(one.gigabytesPerSecond).toBeCloseTo(one.bytes / one.ms / 1e6, 9);
    }
  });

  it('eviction: hits and evictions are those of the memory manager', () => {
    const { loads, capacity } = dataOf('eviction');
    const patterns = accessPatterns(capacity, 300, 5);
    for (const pattern of patterns) {
      const load = loads.find((one: { id: string }) => one.id === pattern.id);
      expect(load.optimum).toBeLessThanOrEqual(1);
      for (const policy of evictionPolicyNames) expect(load.hitRates[policy]).toBeLessThanOrEqual(load.optimum + 1e-9);
    }
    const looping = loads.find((one: { id: string }) => one.id === 'looping');
    expect(looping.hitRates.lru).toBe(0);
    expect(looping.hitRates['hit-density']).toBeGreaterThan(0.3);
    const again = replay(accessRequests(patterns[0].accesses), {
      blockCount: capacity + 1,
      blockSize: 512,
      memory: 'paged',
      enablePrefixCaching: true,
      evictionPolicy: 'arc',
      maxNumSeqs: 1,
      maxNumBatchedTokens: 1024,
      arrivals: 'saturated',
      watermarkBlocks: 0,
      cost: defaultCostModel,
      seed: 5,
    });
    expect(loads[0].hitRates.arc).toBe(again.hitBlocks / 300);
    expect(loads[0].evictions.arc).toBe(again.evictions);
  });

  it('throughput: all tokens were generated, and rates are tokens over seconds', () => {
    const { results } = dataOf('throughput');
    expect(results).toHaveLength(6);
    const tokens = new Set(results.map((one: { generatedTokens: number }) => one.generatedTokens));
    // The same requests, however they are run.
    expect(tokens.size).toBe(1);
    for (const one of results) {
      expect(one.tokensPerSecond).toBeCloseTo(one.generatedTokens / one.seconds, 6);
      expect(one.meanBatch).toBeLessThanOrEqual(one.batchSize);
      expect(one.latencyP50Ms).toBeLessThanOrEqual(one.latencyP99Ms);
    }
    // One at a time, a step is a token.
    expect(results[0].meanBatch).toBe(1);
  });

  it('latency: the parts are the whole', () => {
    const { parts, totalMs, step, requests } = dataOf('latency');
    expect(requests).toBe(10);
    const mean = (id: string) => parts.find((one: { id: string }) => one.id === id).meanMs;
    expect(mean('queue') + mean('pages') + mean('prefill') + mean('decode')).toBeCloseTo(totalMs.meanMs, 6);
    for (const { meanMs } of parts) expect(meanMs).toBeGreaterThanOrEqual(0);
    expect(mean('prefill')).toBeGreaterThan(0);
    const stepSum = step.parts
      .filter((one: { id: string }) => one.id !== 'between')
      .reduce((sum: number, one: { ms: number }) => sum + one.ms, 0);
    expect(stepSum).toBeCloseTo(step.stepMs, 6);
  });
});

describe('a trace in place of made-up requests', () => {
  const line = (i: number) =>
    JSON.stringify({
      timestamp: i * 10,
      input_length: 1024,
      output_length: 20,
      hash_ids: [0, 1 + (i % 5)],
    });
  const trace = parseTrace(Array.from({ length: 30 }, (_, i) => line(i)).join('\n'), 'folder/small.jsonl');

  it('is what utilisation and eviction run', async () => {
    const use = await run('utilisation', { trace });
    expect(use.data).toMatchObject({ load: { workload: 'small.jsonl', requests: 30 } });
    const { loads } = (await run('eviction', { trace })).data as { loads: { id: string; requests: number }[] };
    expect(loads.at(-1)).toMatchObject({ id: 'trace', requests: 30 });
  });
});

describe('loads', () => {
  it('repeat for a seed', () => {
    expect(chatRequests(50, 3)).toEqual(chatRequests(50, 3));
    expect(chatRequests(50, 3)).not.toEqual(chatRequests(50, 4));
    expect(conversationRequests(80, 3)).toEqual(conversationRequests(80, 3));
    const requests = chatRequests(4000, 1);
    const mean = requests.reduce((sum, one) => sum + one.outputTokens, 0) / requests.length;
    expect(mean).toBeGreaterThan(300);
    expect(mean).toBeLessThan(370);
  });

  it('the optimum, by hand', () => {
    // Belady's example of three frames: seven faults of twelve.
    expect(optimalHits([1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5], 3)).toBe(5);
    expect(optimalHits([1, 1, 1], 1)).toBe(2);
  });
});
