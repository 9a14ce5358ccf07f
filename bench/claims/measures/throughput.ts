// Static batches on contiguous memory against continuous batching on paged memory: the same engine, requests and bytes of KV memory.

import { createEngine, type Engine, type EngineOptions } from '../../../src/index.ts';
import { percentile } from '../../../src/simulation/percentile.ts';
import { progress } from '../../common/progress.ts';
import { createRandom } from '../../common/random.ts';
import { lengthSampler } from '../../memory/lengths.ts';

export interface ThroughputOptions {
  readonly model: string;
  readonly threads: number;
  readonly batchSizes: readonly number[];
  readonly maxModelLen: number;
  /** Sequences of `maxModelLen` that the pool holds. */
  readonly poolSequences: number;
  readonly seed: number;
}

export interface ServingRun {
  readonly tokensPerSecond: number;
  /** From when all requests are there to their ends. */
  readonly latencyP99Ms: number;
  /** Median time between tokens of a request. */
  readonly tokenGapMs: number;
  /** Requests in flight on average. */
  readonly inFlight: number;
}

export interface BatchResult {
  readonly batchSize: number;
  readonly requests: number;
  readonly contiguous: ServingRun;
  readonly paged: ServingRun;
}

interface Work {
  readonly tokenIds: readonly number[];
  readonly outputTokens: number;
}

/** Lengths shaped like ShareGPT's, at half their size: means of 80 in and 169 out. */
function workOf(count: number, { seed, maxModelLen }: ThroughputOptions): Work[] {
  const random = createRandom(seed);
  const input = lengthSampler(80, 1.1, maxModelLen / 2, random);
  const output = lengthSampler(169, 0.7, maxModelLen / 2, random);
  return Array.from({ length: count }, (_, request) => ({
    tokenIds: Array.from({ length: input() }, (_, i) => 300 + ((i * 31 + request * 7919 + seed) % 20_000)),
    outputTokens: output(),
  }));
}

async function serve(engine: Engine, work: readonly Work[], batchSize: number, isStatic: boolean): Promise<ServingRun> {
  const latencies: number[] = [];
  const gaps: number[] = [];
  let busyMs = 0;
  const stop = engine.onRequestEnd(({ interTokenMs }) => gaps.push(...interTokenMs));
  const startedMs = performance.now();
  const run = async ({ tokenIds, outputTokens }: Work): Promise<void> => {
    const beganMs = performance.now();
    await engine
      .generate({ tokenIds, sampling: { temperature: 0, maxTokens: outputTokens, ignoreEos: true } })
      .result();
    latencies.push(performance.now() - startedMs);
    busyMs += performance.now() - beganMs;
  };
  if (isStatic) {
    // A batch begins when the one before it has ended, its longest request included.
    for (let first = 0; first < work.length; first += batchSize) {
      await Promise.all(work.slice(first, first + batchSize).map(run));
    }
  } else {
    const left = [...work];
    const worker = async (): Promise<void> => {
      for (let next = left.shift(); next; next = left.shift()) await run(next);
    };
    await Promise.all(Array.from({ length: batchSize }, worker));
  }
  stop();
  const tookMs = performance.now() - startedMs;
  const tokens = work.reduce((sum, { outputTokens }) => sum + outputTokens, 0);
  return {
    tokensPerSecond: (tokens / tookMs) * 1000,
    latencyP99Ms: percentile(latencies, 0.99),
    tokenGapMs: percentile(gaps, 0.5),
    inFlight: busyMs / tookMs,
  };
}

function mean(runs: readonly ServingRun[]): ServingRun {
  const of = (read: (run: ServingRun) => number) => runs.reduce((sum, run) => sum + read(run), 0) / runs.length;
  return {
    tokensPerSecond: of(({ tokensPerSecond }) => tokensPerSecond),
    latencyP99Ms: of(({ latencyP99Ms }) => latencyP99Ms),
    tokenGapMs: of(({ tokenGapMs }) => tokenGapMs),
    inFlight: of(({ inFlight }) => inFlight),
  };
}

export async function measureThroughput(options: ThroughputOptions): Promise<BatchResult[]> {
  const { model, threads, maxModelLen, poolSequences } = options;
  const base = { model, threads, maxModelLen, maxNumSeqs: 1 } satisfies EngineOptions;
  const probe = await createEngine(base);
  const blockBytes = probe.memory.kvBytes / probe.stats().totalBlocks;
  await probe.close();
  const kvCacheMemoryBytes = ((poolSequences * maxModelLen) / 16) * blockBytes;
  const results: BatchResult[] = [];
  for (const batchSize of options.batchSizes) {
    const work = workOf(Math.min(128, Math.max(8, 4 * batchSize)), options);
    const runs: { readonly contiguous: ServingRun[]; readonly paged: ServingRun[] } = { contiguous: [], paged: [] };
    // A B B A: what drifts meets both alike.
    for (const isStatic of [true, false, false, true]) {
      progress(`throughput: batches of ${batchSize}, ${isStatic ? 'static and contiguous' : 'continuous and paged'}`);
      const maxNumSeqs = isStatic ? Math.min(batchSize, poolSequences) : batchSize;
      await using engine = await createEngine({
        ...base,
        maxNumSeqs,
        kvCacheMemoryBytes,
        memory: isStatic ? 'contiguous-max' : 'paged',
      });
      await serve(engine, work.slice(0, 2), 2, false);
      runs[isStatic ? 'contiguous' : 'paged'].push(await serve(engine, work, maxNumSeqs, isStatic));
    }
    results.push({ batchSize, requests: work.length, contiguous: mean(runs.contiguous), paged: mean(runs.paged) });
  }
  return results;
}
