// A short keyed hash (SipHash-2-4), so that what is shown of a content's hash tells nothing of its tokens to whoever has not the key.

/** 128 bits. */
export type HashKey = readonly [number, number, number, number];

/** 16 hexadecimal digits for `count` words of 32 bits from `offset` on. */
export type KeyedHash = (words: ArrayLike<number>, offset: number, count: number) => string;

const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0');

/**
 * SipHash-2-4 of Aumasson and Bernstein (2012), of the words' bytes in little-endian order. The 64-bit variables v0 to v3 are pairs of 32-bit ones
 * (a low, A high, …), since JavaScript's own 64-bit numbers are slow.
 */
export function createKeyedHash([k0, k1, k2, k3]: HashKey): KeyedHash {
  return (words, offset, count) => {
    let a = k0 ^ 0x70736575;
    let A = k1 ^ 0x736f6d65;
    let b = k2 ^ 0x6e646f6d;
    let B = k3 ^ 0x646f7261;
    let c = k0 ^ 0x6e657261;
    let C = k1 ^ 0x6c796765;
    let d = k2 ^ 0x79746573;
    let D = k3 ^ 0x74656462;
    const pairs = count >> 1;
    const compressions = 2 * (pairs + 1);
    let low = 0;
    let high = 0;
    for (let round = 0; round < compressions + 4; round++) {
      if (round % 2 === 0 && round < compressions) {
        const pair = round >> 1;
        const at = offset + 2 * pair;
        if (pair < pairs) {
          low = words[at] | 0;
          high = words[at + 1] | 0;
        } else {
          // The last message word has the length in its highest byte.
          low = count % 2 === 1 ? words[at] | 0 : 0;
          high = (count * 4) << 24;
        }
        d ^= low;
        D ^= high;
      } else if (round === compressions) {
        c ^= 0xff;
      }
      // v0 += v1; v1 = rotl(v1, 13) ^ v0; v0 = rotl(v0, 32)
      let sum = (a >>> 0) + (b >>> 0);
      A = (A + B + (sum > 0xffffffff ? 1 : 0)) | 0;
      a = sum | 0;
      let kept = b;
      b = ((b << 13) | (B >>> 19)) ^ a;
      B = ((B << 13) | (kept >>> 19)) ^ A;
      kept = a;
      a = A;
      A = kept;
      // v2 += v3; v3 = rotl(v3, 16) ^ v2
      sum = (c >>> 0) + (d >>> 0);
      C = (C + D + (sum > 0xffffffff ? 1 : 0)) | 0;
      c = sum | 0;
      kept = d;
      d = ((d << 16) | (D >>> 16)) ^ c;
      D = ((D << 16) | (kept >>> 16)) ^ C;
      // v0 += v3; v3 = rotl(v3, 21) ^ v0
      sum = (a >>> 0) + (d >>> 0);
      A = (A + D + (sum > 0xffffffff ? 1 : 0)) | 0;
      a = sum | 0;
      kept = d;
      d = ((d << 21) | (D >>> 11)) ^ a;
      D = ((D << 21) | (kept >>> 11)) ^ A;
      // v2 += v1; v1 = rotl(v1, 17) ^ v2; v2 = rotl(v2, 32)
      sum = (c >>> 0) + (b >>> 0);
      C = (C + B + (sum > 0xffffffff ? 1 : 0)) | 0;
      c = sum | 0;
      kept = b;
      b = ((b << 17) | (B >>> 15)) ^ c;
      B = ((B << 17) | (kept >>> 15)) ^ C;
      kept = c;
      c = C;
      C = kept;
      if (round % 2 === 1 && round < compressions) {
        a ^= low;
        A ^= high;
      }
    }
    return hex(A ^ B ^ C ^ D) + hex(a ^ b ^ c ^ d);
  };
}
