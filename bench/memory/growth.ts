// What setting blocks aside for expected growth does at saturation: preemptions, tokens computed again, throughput.

import { defaultCostModel, replay, type TraceRequest } from '../../src/simulation/index.ts';

export interface GrowthUse {
  readonly quantile: number;
  readonly preemptions: number;
  /** Tokens computed over those of prompts and answers. */
  readonly computedRatio: number;
  readonly requestsInFlight: number;
  /** Simulated. */
  readonly tokensPerSecond: number;
}

/** All requests at once in a pool of `poolTokens`, as measureUse, for each quantile of `growthQuantile`. */
export function measureGrowth(
  requests: readonly TraceRequest[],
  poolTokens: number,
  quantiles: readonly number[],
  seed: number,
): GrowthUse[] {
  const blockSize = 16;
  return quantiles.map((quantile) => {
    const result = replay(requests, {
      blockCount: Math.floor(poolTokens / blockSize),
      blockSize,
      memory: 'paged',
      // Without it what is preempted is computed again as a whole.
      enablePrefixCaching: false,
      maxNumSeqs: 1024,
      maxNumBatchedTokens: 32_768,
      growthQuantile: quantile,
      arrivals: 'saturated',
      cost: defaultCostModel,
      seed,
    });
    const { preemptions, computedTokens, simulatedSeconds } = result;
    const generated = requests.reduce((sum, { outputTokens }) => sum + outputTokens, 0);
    const prompts = requests.reduce((sum, { promptTokens }) => sum + promptTokens, 0);
    return {
      quantile,
      preemptions,
      computedRatio: computedTokens / (generated + prompts),
      requestsInFlight: result.saturated!.requestsInFlight,
      tokensPerSecond: generated / simulatedSeconds,
    };
  });
}
