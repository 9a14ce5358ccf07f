// The checksum of a page: 64 bits over its bytes and its key, made so that TypeScript and vector instructions agree on it.

import { type PageKey, pageKeyWord } from './page-key.ts';

/** Writes the two words of the checksum of `bytes`, begun with `seed0` and `seed1`, to `into[offset]` and `into[offset + 1]`. */
export type ChecksumFunction = (
  bytes: Uint8Array,
  seed0: number,
  seed1: number,
  into: Uint32Array,
  offset: number,
) => void;

const LANES = 8;
const PRIME_A = 0x9e3779b1;
const PRIME_B = 0x85ebca77;

function mix(sum: number, word: number, prime: number): number {
  const product = Math.imul(sum ^ word, prime);
  return (product << 13) | (product >>> 19);
}

/**
 * Eight lanes take the 32-bit words in turn: lane = rotate(13, (lane xor word) * 0x9e3779b1), a bijection, so that no damage to one
 * word goes unseen; then the lanes, the length and the rest of the bytes are folded into two words by the same step with
 * two primes. Native code computes the same (native/page_codec.h) about six times faster.
 */
export const checksumBytes: ChecksumFunction = (bytes, seed0, seed1, into, offset) => {
  const { byteLength } = bytes;
  const strideCount = Math.floor(byteLength / (4 * LANES));
  let a = seed0 | 0;
  let b = (seed1 + 1) | 0;
  let c = (seed0 + 2) | 0;
  let d = (seed1 + 3) | 0;
  let e = (seed0 + 4) | 0;
  let f = (seed1 + 5) | 0;
  let g = (seed0 + 6) | 0;
  let h = (seed1 + 7) | 0;
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice(0, strideCount * 4 * LANES);
  const words = new Int32Array(aligned.buffer, aligned.byteOffset, strideCount * LANES);
  for (let i = 0; i < words.length; i += LANES) {
    a = mix(a, words[i], PRIME_A);
    b = mix(b, words[i + 1], PRIME_A);
    c = mix(c, words[i + 2], PRIME_A);
    d = mix(d, words[i + 3], PRIME_A);
    e = mix(e, words[i + 4], PRIME_A);
    f = mix(f, words[i + 5], PRIME_A);
    g = mix(g, words[i + 6], PRIME_A);
    h = mix(h, words[i + 7], PRIME_A);
  }
  let first = byteLength | 0;
  let second = ~byteLength;
  const fold = (word: number) => {
    first = mix(first, word, PRIME_A);
    second = mix(second, word, PRIME_B);
  };
  for (const lane of [a, b, c, d, e, f, g, h]) fold(lane);
  for (let i = strideCount * 4 * LANES; i < byteLength; i++) fold(bytes[i]);
  fold(seed0);
  fold(seed1);
  into[offset] = first;
  into[offset + 1] = second;
};

/** The checksum of a page, bound to its key: another page's bytes in the right place do not pass. */
export function checksumPage(
  key: PageKey,
  bytes: Uint8Array,
  checksum: ChecksumFunction,
  into: Uint32Array,
  offset: number,
): void {
  const seed0 = pageKeyWord(key, 0) ^ pageKeyWord(key, 2);
  const seed1 = pageKeyWord(key, 1) ^ pageKeyWord(key, 3);
  checksum(bytes, seed0, seed1, into, offset);
}
