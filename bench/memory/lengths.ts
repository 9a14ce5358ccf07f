// Lengths drawn from log-normal distributions of a given mean.

import { normal, type Random } from '../common/random.ts';

/** Integers from 1 to `limit`, log-normal with `mean` (before it is cut off) and `sigma`, the deviation of the logarithm. */
export function lengthSampler(mean: number, sigma: number, limit: number, random: Random): () => number {
  const location = Math.log(mean) - sigma ** 2 / 2;
  return () => Math.min(limit, Math.max(1, Math.round(Math.exp(location + sigma * normal(random)))));
}
