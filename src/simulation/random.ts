// Seeded randomness of workloads: the same seed gives the same requests at the same times.

import type { Random } from '../random/random.ts';

export { createRandom, type Random } from '../random/random.ts';

/** A seed of its own for each `index`. */
export function deriveSeed(seed: number, index: number): number {
  let h = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(index + 1, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  h = Math.imul(h ^ (h >>> 12), 0x297a2d39);
  return (h ^ (h >>> 15)) >>> 0;
}

/** Standard normal, by Box and Muller. */
export function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Gamma distributed with mean shape * scale (Marsaglia and Tsang, "A simple method for generating gamma variables", 2000). */
export function gamma(shape: number, scale: number, random: Random): number {
  if (shape < 1) return gamma(shape + 1, scale, random) * (1 - random()) ** (1 / shape);
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = normal(random);
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - random()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v * scale;
  }
}

/** An integer from 1 to `limit`, log-normal with this mean (before it is cut off) and deviation of the logarithm. */
export function logNormalLength(random: Random, mean: number, sigma: number, limit: number): number {
  return Math.min(limit, Math.max(1, Math.round(Math.exp(Math.log(mean) - sigma ** 2 / 2 + sigma * normal(random)))));
}
