// Counter-based randomness: a draw is a pure function of (seed, stream, position), so it cannot depend on the batch.

/** One round of the 32-bit finaliser of MurmurHash3 (Appleby, public domain description): a bijection that mixes well. */
function mix(value: number): number {
  let h = value >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Absorbs one 32-bit word into a running state. */
function absorb(state: number, word: number): number {
  return mix((Math.imul(state ^ word, 0x9e3779b1) + 0x7f4a7c15) >>> 0);
}

/**
 * A uniform number in [0, 1) with 53 random bits.
 *
 * @param seed any safe integer, negative ones included
 * @param stream which of several choices draws
 * @param position index of the token in its sequence
 */
export function uniformAt(seed: number, stream: number, position: number): number {
  const low = seed >>> 0;
  const high = Math.floor(seed / 4294967296) >>> 0;
  let state = 0x243f6a88;
  for (const word of [low, high, stream, position]) state = absorb(state, word >>> 0);
  const upper = absorb(state, 1) >>> 5;
  const lower = absorb(state, 2) >>> 6;
  return (upper * 67108864 + lower) / 9007199254740992;
}
