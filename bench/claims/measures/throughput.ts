// Static batches on contiguous memory against continuous batching on paged memory: the same engine, requests and bytes of KV memory.

import { type EngineRequest, runBatches } from '../../../src/analysis/measure/engine-run.ts';
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

/** Lengths shaped like ShareGPT's, at half their size: means of 80 in and 169 out. */
function workOf(count: number, { seed, maxModelLen }: ThroughputOptions): EngineRequest[] {
  const random = createRandom(seed);
  const input = lengthSampler(80, 1.1, maxModelLen / 2, random);
  const output = lengthSampler(169, 0.7, maxModelLen / 2, random);
  return Array.from({ length: count }, (_, request) => ({
    tokenIds: Array.from({ length: input() }, (_, i) => 300 + ((i * 31 + request * 7919 + seed) % 20_000)),
    maxTokens: output(),
  }));
}

async function serve(
  engine: Engine,
  work: readonly EngineRequest[],
  batchSize: number,
  isStatic: boolean,
): Promise<ServingRun> {
  const run = await runBatches(engine, work, isStatic ? 'static' : 'continuous', batchSize, () => performance.now());
  return {
    tokensPerSecond: run.generatedTokens / run.seconds,
    latencyP99Ms: percentile(run.latenciesMs, 0.99),
    tokenGapMs: percentile(run.interTokenMs, 0.5),
    inFlight: run.meanInFlight,
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
