// Replays requests through the real scheduler and the real memory manager to their end.

import type { PrefillPace } from '../engine/prefill-pace.ts';
import { IntegrityError } from '../errors/index.ts';
import type { AllocatorName, EvictionPolicyName, MemoryMode } from '../memory/index.ts';
import { type Arrivals, listArrivals } from './arrivals.ts';
import type { CostModel } from './cost-model.ts';
import type { LoadFigures, Objectives } from './measures.ts';
import type { Occupancy } from './occupancy.ts';
import { startServingRun } from './serving-run.ts';
import type { Timeline } from './timeline.ts';
import type { TraceRequest } from './trace.ts';

export interface ReplayOptions {
  readonly blockCount: number;
  readonly blockSize: number;
  readonly memory: MemoryMode;
  /** As for memory. Defaults to its default. */
  readonly allocator?: AllocatorName;
  readonly enablePrefixCaching: boolean;
  /** Defaults to the memory's. */
  readonly evictionPolicy?: EvictionPolicyName;
  readonly maxNumSeqs: number;
  readonly maxNumBatchedTokens: number;
  /** Longer requests are refused. Defaults to what the pool holds. */
  readonly maxModelLen?: number;
  /** As the engine's; its measured times are the simulated ones. Defaults to no limit. */
  readonly maxStepStretch?: number;
  /** What it goes by, to go on from what an earlier run measured. Defaults to one that has measured nothing. */
  readonly pace?: PrefillPace;
  /** Of a list of requests. `trace`: they arrive when it says; `saturated`: all are there at the start. */
  readonly arrivals: 'trace' | 'saturated';
  readonly watermarkBlocks?: number;
  /** As for the scheduler. Defaults to its default. */
  readonly adaptsHeadroom?: boolean;
  /** Of the scheduler. Defaults to 0. */
  readonly growthQuantile?: number;
  readonly cost: CostModel;
  readonly seed: number;
  /** For goodput. */
  readonly objectives?: Objectives;
  /** Check every invariant in every step (slow). Defaults to false. */
  readonly checkIntegrity?: boolean;
  /** Called now and then with the number of requests that have been handed over. */
  readonly onProgress?: (requests: number) => void;
}

export interface ReplayResult {
  readonly finishedRequests: number;
  /** Requests longer than the pool or than `maxModelLen`. */
  readonly refusedRequests: number;
  /** Prompt blocks of admitted requests, the partly filled last ones included, and how many of those that lead were found in the cache. */
  readonly promptBlocks: number;
  readonly hitBlocks: number;
  readonly promptTokens: number;
  readonly hitTokens: number;
  readonly computedTokens: number;
  readonly evictions: number;
  readonly preemptions: number;
  /** Blocks moved to and from the host tier; 0 without one. */
  readonly pagesOut: number;
  readonly pagesIn: number;
  readonly steps: number;
  readonly simulatedSeconds: number;
  readonly peakRequestsInFlight: number;
  /** While requests waited for memory or a row; null if none ever did. */
  readonly saturated: Occupancy | null;
  readonly overall: Occupancy | null;
  /** Latencies and rates as a load generator sees them; null where no request had an answer. */
  readonly figures: LoadFigures | null;
  readonly timeline: Timeline;
}

/** Replays `requests` to their end. The same options give the same result. Throws InvalidRequestError for sizes out of range. */
export function replay(requests: readonly TraceRequest[] | Arrivals, options: ReplayOptions): ReplayResult {
  const arrivals = 'open' in requests ? requests : listArrivals(requests, options.arrivals === 'saturated');
  const run = startServingRun(arrivals, options, { nowMs: 0 });
  for (;;) {
    const state = run.advance();
    if (state === 'over') return run.result();
    if (state === 'waits') throw new IntegrityError('requests wait for pages, but there are no tiers');
  }
}
