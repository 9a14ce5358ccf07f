// A small seeded generator for filling weights: xorshift128, four words of state, about a nanosecond a word.

/** Fills `into` with random words; successive calls go on where the last one stopped. */
export type FillRandom = (into: Int32Array) => void;

/** FNV-1a over UTF-16 units: turns a tensor's name and the seed into the seed of that tensor's own sequence. */
export function seedOf(seed: number, name: string): number {
  let hash = 0x811c9dc5 ^ seed;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash | 0;
}

/** Marsaglia's xorshift128 ("Xorshift RNGs", 2003), its state spread from `seed` by splitmix32. */
export function createFillRandom(seed: number): FillRandom {
  let counter = seed | 0;
  const spread = (): number => {
    counter = (counter + 0x9e3779b9) | 0;
    let word = counter ^ (counter >>> 16);
    word = Math.imul(word, 0x21f0aaad);
    word ^= word >>> 15;
    word = Math.imul(word, 0x735a2d97);
    return word ^ (word >>> 15);
  };
  let x = spread();
  let y = spread();
  let z = spread();
  // The state must not be all zero.
  let w = spread() | 1;
  return (into) => {
    for (let i = 0; i < into.length; i++) {
      const t = x ^ (x << 11);
      x = y;
      y = z;
      z = w;
      w = w ^ (w >>> 19) ^ t ^ (t >>> 8);
      into[i] = w;
    }
  };
}
