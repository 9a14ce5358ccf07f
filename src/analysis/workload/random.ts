// Seeded randomness of made-up loads, over the engine's own generator.

import { uniformAt } from '../../engine/sampling/random.ts';
import type { Random } from '../../random/random.ts';

export type { Random } from '../../random/random.ts';

/** Uniform in [0, 1); the same seed and stream give the same numbers. */
export function createRandom(seed: number, stream = 0): Random {
  let position = 0;
  return () => uniformAt(seed, stream, position++);
}

export const integerBetween = (random: Random, low: number, high: number): number =>
  low + Math.floor(random() * (high - low + 1));
