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

const LANES = 32;
/** Lanes that fit into registers: TypeScript goes over the bytes once for each such group. */
const GROUP_LANES = 8;
const STRIDE_BYTES = LANES * 4;
const PRIME_A = 0x9e3779b1;
const PRIME_B = 0x85ebca77;
const PRIME_C = 0xc2b2ae3d;

function mix(sum: number, word: number, prime: number): number {
  const mixed = (sum + Math.imul(word, PRIME_C)) | 0;
  return Math.imul((mixed << 13) | (mixed >>> 19), prime);
}

/** Eight lanes, which begin with the seeds plus their number, over every fourth group of eight words. */
function sumGroup(words: Int32Array, first: number, seed0: number, seed1: number, lanes: Int32Array): void {
  let a = (seed0 + first) | 0;
  let b = (seed1 + first + 1) | 0;
  let c = (seed0 + first + 2) | 0;
  let d = (seed1 + first + 3) | 0;
  let e = (seed0 + first + 4) | 0;
  let f = (seed1 + first + 5) | 0;
  let g = (seed0 + first + 6) | 0;
  let h = (seed1 + first + 7) | 0;
  for (let i = first; i < words.length; i += LANES) {
    a = mix(a, words[i], PRIME_A);
    b = mix(b, words[i + 1], PRIME_A);
    c = mix(c, words[i + 2], PRIME_A);
    d = mix(d, words[i + 3], PRIME_A);
    e = mix(e, words[i + 4], PRIME_A);
    f = mix(f, words[i + 5], PRIME_A);
    g = mix(g, words[i + 6], PRIME_A);
    h = mix(h, words[i + 7], PRIME_A);
  }
  lanes.set([a, b, c, d, e, f, g, h], first);
}

/**
 * 32 lanes take the 32-bit words in turn: lane = rotate(13, lane + word * 0xc2b2ae3d) * 0x9e3779b1 (the round of xxHash, Yann
 * Collet), a bijection, so that no damage to one word goes unseen; then the lanes, the length and the rest of the bytes are folded into two words by the same step with
 * two primes. Native code computes the same (native/page_codec.h) several times faster.
 */
export const checksumBytes: ChecksumFunction = (bytes, seed0, seed1, into, offset) => {
  const { byteLength } = bytes;
  const wholeBytes = Math.floor(byteLength / STRIDE_BYTES) * STRIDE_BYTES;
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice(0, wholeBytes);
  const words = new Int32Array(aligned.buffer, aligned.byteOffset, wholeBytes / 4);
  const lanes = new Int32Array(LANES);
  for (let first = 0; first < LANES; first += GROUP_LANES) sumGroup(words, first, seed0, seed1, lanes);
  let first = byteLength | 0;
  let second = ~byteLength;
  const fold = (word: number) => {
    first = mix(first, word, PRIME_A);
    second = mix(second, word, PRIME_B);
  };
  for (const lane of lanes) fold(lane);
  for (let i = wholeBytes; i < byteLength; i++) fold(bytes[i]);
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
