// Seeded randomness of made-up loads, over the engine's own generator.

import { uniformAt } from '../../engine/sampling/random.ts';

/** Uniform in [0, 1); the same seed and stream give the same numbers. */
export type Random = () => number;

export function createRandom(seed: number, stream = 0): Random {
  let position = 0;
  return () => uniformAt(seed, stream, position++);
}

export const integerBetween = (random: Random, low: number, high: number): number =>
  low + Math.floor(random() * (high - low + 1));

/** An integer from 1 to `limit`, log-normal with this mean (before it is cut off) and deviation of the logarithm. */
export function logNormalLength(random: Random, mean: number, sigma: number, limit: number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Math.min(limit, Math.max(1, Math.round(Math.exp(Math.log(mean) - sigma ** 2 / 2 + sigma * normal))));
}
