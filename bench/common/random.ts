// Seeded randomness of the workloads: the same seed gives the same requests at the same times.

import type { Random } from '../../src/simulation/index.ts';

export { createRandom, gamma, normal, type Random } from '../../src/simulation/index.ts';

/** Token ids far from special ones, within the vocabulary of every model that the benches use. */
export function randomTokens(count: number, random: Random): number[] {
  return Array.from({ length: count }, () => 300 + Math.floor(random() * 20_000));
}
