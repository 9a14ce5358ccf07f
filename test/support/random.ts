// Seeded integers, so that a failing test can be run again.

import { below, createRandom as createUniform } from '../../src/random/random.ts';

export interface Random {
  /** An integer in [0, limit). */
  below(limit: number): number;
}

export function createRandom(seed: number): Random {
  const random = createUniform(seed);
  return { below: (limit) => below(random, limit) };
}
