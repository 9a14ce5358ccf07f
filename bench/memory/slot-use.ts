// Slot use and requests in flight at saturation: paged memory against the contiguous baselines on one trace.

import { type MemoryMode, memoryModes } from '../../src/memory/index.ts';
import { defaultCostModel, replay, type TraceRequest } from '../../src/simulation/index.ts';

export interface ModeUse {
  readonly mode: MemoryMode;
  readonly slotUse: number;
  readonly poolUse: number;
  readonly requestsInFlight: number;
  readonly preemptions: number;
  readonly finishedRequests: number;
}

export interface TraceUse {
  readonly name: string;
  readonly modes: readonly ModeUse[];
  /** Requests in flight with paged memory / with runs of the exact length. */
  readonly inFlightRatio: number;
  /**
   * What that ratio would be if neither lost a slot: the mean of final lengths over the mean of held lengths, both weighted by the steps that a request
   * takes. More is had only where the baseline loses slots between its runs.
   */
  readonly losslessRatio: number;
}

/** All requests at once, in a pool of `poolTokens`, on each kind of memory. */
export function measureUse(
  name: string,
  requests: readonly TraceRequest[],
  poolTokens: number,
  seed: number,
): TraceUse {
  const blockSize = 16;
  const modes = memoryModes.map((mode): ModeUse => {
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
    });
    const { slotUse, poolUse, requestsInFlight } = result.saturated!;
    const { preemptions, finishedRequests } = result;
    return { mode, slotUse, poolUse, requestsInFlight, preemptions, finishedRequests };
  });
  const inFlight = (wanted: MemoryMode) => modes.find(({ mode }) => mode === wanted)!.requestsInFlight;
  let final = 0;
  let held = 0;
  for (const { promptTokens, outputTokens } of requests) {
    final += (promptTokens + outputTokens) * outputTokens;
    held += (promptTokens + outputTokens / 2) * outputTokens;
  }
  return { name, modes, inFlightRatio: inFlight('paged') / inFlight('contiguous-exact'), losslessRatio: final / held };
}
