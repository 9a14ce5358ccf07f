// Lengths drawn from log-normal distributions of a given mean.

import type { TraceRequest } from '../../src/simulation/index.ts';
import { logNormalLength } from '../../src/simulation/random.ts';
import { createRandom, type Random } from '../common/random.ts';

/** Integers from 1 to `limit`, log-normal with `mean` (before it is cut off) and `sigma`, the deviation of the logarithm. */
export function lengthSampler(mean: number, sigma: number, limit: number, random: Random): () => number {
  return () => logNormalLength(random, mean, sigma, limit);
}

/** Prompts and outputs of chats. */
export interface ChatLengths {
  readonly prompt: () => number;
  readonly output: () => number;
}

/**
 * Lengths shaped like ShareGPT's: means of 161 in and 338 out, as PagedAttention's authors report (Kwon et al., 2023, figure 11). How far they spread
 * they only plot; `outputSigma` is what the shares of the bench depend on most, so it is an option.
 */
export function chatLengths(outputSigma: number, random: Random): ChatLengths {
  return { prompt: lengthSampler(161, 1.1, 2048, random), output: lengthSampler(338, outputSigma, 2048, random) };
}

/** Requests with such lengths, all at once. */
export function chatRequests(count: number, seed: number, outputSigma: number): TraceRequest[] {
  const { prompt, output } = chatLengths(outputSigma, createRandom(seed));
  return Array.from({ length: count }, () => ({
    arrivalMs: 0,
    promptTokens: prompt(),
    outputTokens: output(),
    hashIds: null,
  }));
}
