// Slot use and requests in flight at saturation: paged memory against the contiguous baselines on one trace.

import { type MemoryMode, memoryModes } from '../../src/memory/index.ts';
import { defaultCostModel, type ReplayOptions, replay, type TraceRequest } from '../../src/simulation/index.ts';

export interface ModeUse {
  readonly mode: MemoryMode;
  readonly slotUse: number;
  readonly poolUse: number;
  readonly requestsInFlight: number;
  readonly preemptions: number;
  readonly finishedRequests: number;
  /** Tokens computed over those of prompts and answers: more where work was lost. */
  readonly computedRatio: number;
}

/** Of ratios of requests in flight: paged memory / a baseline whose runs are exactly as long as the request will be, which it has to know. */
export interface InFlightRatios {
  /** Against runs placed first fit, and placed by a buddy system, which rounds them up to a power of two: the paper's Orca (Oracle). */
  readonly firstFit: number;
  readonly buddy: number;
  /**
   * What the first would be if neither lost a slot: the mean of final lengths over the mean of held lengths, both weighted by the steps that a request
   * takes. More is had only where the baseline loses slots, in or between its runs.
   */
  readonly lossless: number;
}

export interface TraceUse {
  readonly name: string;
  /** By kind of memory, runs placed first fit. */
  readonly modes: readonly ModeUse[];
  /** The contiguous kinds, runs placed by a buddy system. */
  readonly buddyModes: readonly ModeUse[];
  /** Paged memory that admits whoever finds blocks free now, without any left for those that run. */
  readonly overcommitted: ModeUse;
  readonly inFlight: InFlightRatios;
}

/** All requests at once, in a pool of `poolTokens`, on each kind of memory. */
export function measureUse(
  name: string,
  requests: readonly TraceRequest[],
  poolTokens: number,
  seed: number,
): TraceUse {
  const blockSize = 16;
  let final = 0;
  let held = 0;
  let needed = 0;
  for (const { promptTokens, outputTokens } of requests) {
    final += (promptTokens + outputTokens) * outputTokens;
    held += (promptTokens + outputTokens / 2) * outputTokens;
    needed += promptTokens + outputTokens;
  }

  function use(mode: MemoryMode, more: Partial<ReplayOptions> = {}): ModeUse {
    const result = replay(requests, {
      blockCount: Math.floor(poolTokens / blockSize),
      blockSize,
      memory: mode,
      enablePrefixCaching: true,
      maxNumSeqs: 1024,
      // Ample, so that memory is what limits the requests in flight.
      maxNumBatchedTokens: 32_768,
      arrivals: 'saturated',
      cost: defaultCostModel,
      seed,
      ...more,
    });
    const { slotUse, poolUse, requestsInFlight } = result.saturated!;
    const { preemptions, finishedRequests, computedTokens } = result;
    const computedRatio = computedTokens / needed;
    return { mode, slotUse, poolUse, requestsInFlight, preemptions, finishedRequests, computedRatio };
  }

  const modes = memoryModes.map((mode) => use(mode));
  const contiguous = memoryModes.filter((mode) => mode !== 'paged');
  const buddyModes = contiguous.map((mode) => use(mode, { allocator: 'buddy' }));
  const overcommitted = use('paged', { watermarkBlocks: 0, adaptsHeadroom: false });
  const of = (all: readonly ModeUse[], wanted: MemoryMode) => all.find(({ mode }) => mode === wanted)!.requestsInFlight;
  const paged = of(modes, 'paged');
  const inFlight = {
    firstFit: paged / of(modes, 'contiguous-exact'),
    buddy: paged / of(buddyModes, 'contiguous-exact'),
    lossless: final / held,
  };
  return { name, modes, buddyModes, overcommitted, inFlight };
}
