// Seeded randomness of the workloads: the same seed gives the same requests at the same times.

/** Uniform in [0, 1): mulberry32. */
export type Random = () => number;

export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Token ids far from special ones, within the vocabulary of every model that the benches use. */
export function randomTokens(count: number, random: Random): number[] {
  return Array.from({ length: count }, () => 300 + Math.floor(random() * 20_000));
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
