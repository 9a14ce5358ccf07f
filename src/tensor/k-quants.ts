// ggml's k-quants: super-blocks of 256 values whose sub-blocks have small integer scales of their own.
//
// Layouts follow ggml-quants.c. As in legacy-quants.ts, every product here is exact in f32 and every difference exact
// in a JavaScript number, so the store into the Float32Array is the only rounding.

import { readF16 } from './float.ts';

const superBlock = 256;

/** q2_k: 16 bytes of 4-bit scales and minimums, 64 bytes of 2-bit values, f16 scale, f16 scale of the minimums. */
export function dequantizeQ2_K(bytes: Uint8Array, out: Float32Array): void {
  for (let from = 0, to = 0; to < out.length; from += 84, to += superBlock) {
    const scale = readF16(bytes, from + 80);
    const minimumScale = readF16(bytes, from + 82);
    for (let sub = 0; sub < 16; sub++) {
      const packed = bytes[from + sub];
      const subScale = scale * (packed & 15);
      const minimum = minimumScale * (packed >> 4);
      // Sub-blocks 2s and 2s + 1 share 32 bytes with three other pairs, at two bits each.
      const values = from + 16 + (sub >> 3) * 32 + (sub & 1) * 16;
      const shiftBits = ((sub >> 1) & 3) * 2;
      for (let i = 0; i < 16; i++) {
        out[to + sub * 16 + i] = subScale * ((bytes[values + i] >> shiftBits) & 3) - minimum;
      }
    }
  }
}

/** q3_k: 32 bytes of high bits, 64 bytes of 2-bit values, 12 bytes of 6-bit scales (offset 32), f16 scale. */
export function dequantizeQ3_K(bytes: Uint8Array, out: Float32Array): void {
  for (let from = 0, to = 0; to < out.length; from += 110, to += superBlock) {
    const scale = readF16(bytes, from + 108);
    const scales = from + 96;
    for (let sub = 0; sub < 16; sub++) {
      const low = (bytes[scales + (sub & 7)] >> (sub < 8 ? 0 : 4)) & 15;
      const high = (bytes[scales + 8 + (sub & 3)] >> (2 * (sub >> 2))) & 3;
      const subScale = scale * ((low | (high << 4)) - 32);
      const values = from + 32 + (sub >> 3) * 32 + (sub & 1) * 16;
      const shiftBits = ((sub >> 1) & 3) * 2;
      const masks = from + (sub & 1) * 16;
      const maskBit = sub >> 1;
      for (let i = 0; i < 16; i++) {
        // A clear high bit means "minus 4".
        const offset = ((bytes[masks + i] >> maskBit) & 1) === 1 ? 0 : 4;
        out[to + sub * 16 + i] = subScale * (((bytes[values + i] >> shiftBits) & 3) - offset);
      }
    }
  }
}

/** q4_k: f16 scale, f16 scale of the minimums, 12 bytes of 6-bit scales and minimums, 128 bytes of nibbles. */
export function dequantizeQ4_K(bytes: Uint8Array, out: Float32Array): void {
  for (let from = 0, to = 0; to < out.length; from += 144, to += superBlock) {
    const scale = readF16(bytes, from);
    const minimumScale = readF16(bytes, from + 2);
    for (let sub = 0; sub < 8; sub++) {
      const subScale = scale * sixBitScale(bytes, from + 4, sub);
      const minimum = minimumScale * sixBitMinimum(bytes, from + 4, sub);
      const values = from + 16 + (sub >> 1) * 32;
      const shiftBits = (sub & 1) * 4;
      for (let i = 0; i < 32; i++) {
        out[to + sub * 32 + i] = subScale * ((bytes[values + i] >> shiftBits) & 15) - minimum;
      }
    }
  }
}

/** q5_k: as q4_k, with 32 bytes of high bits (bit s for sub-block s) before the nibbles. */
export function dequantizeQ5_K(bytes: Uint8Array, out: Float32Array): void {
  for (let from = 0, to = 0; to < out.length; from += 176, to += superBlock) {
    const scale = readF16(bytes, from);
    const minimumScale = readF16(bytes, from + 2);
    for (let sub = 0; sub < 8; sub++) {
      const subScale = scale * sixBitScale(bytes, from + 4, sub);
      const minimum = minimumScale * sixBitMinimum(bytes, from + 4, sub);
      const values = from + 48 + (sub >> 1) * 32;
      const shiftBits = (sub & 1) * 4;
      for (let i = 0; i < 32; i++) {
        const high = (bytes[from + 16 + i] >> sub) & 1;
        out[to + sub * 32 + i] = subScale * (((bytes[values + i] >> shiftBits) & 15) | (high << 4)) - minimum;
      }
    }
  }
}

/** q6_k: 128 bytes of low nibbles, 64 bytes of high bit pairs, 16 signed sub-block scales, f16 scale; offset 32. */
export function dequantizeQ6_K(bytes: Uint8Array, out: Float32Array): void {
  for (let from = 0, to = 0; to < out.length; from += 210, to += superBlock) {
    const scale = readF16(bytes, from + 208);
    for (let sub = 0; sub < 16; sub++) {
      const subScale = scale * ((bytes[from + 192 + sub] << 24) >> 24);
      // Groups of 32: within each half of 128, groups 0 and 1 are low nibbles, 2 and 3 the high ones of the same bytes.
      const group = sub >> 1;
      const inGroup = (sub & 1) * 16;
      const lows = from + (group >> 2) * 64 + (group & 1) * 32 + inGroup;
      const lowShiftBits = ((group >> 1) & 1) * 4;
      const highs = from + 128 + (group >> 2) * 32 + inGroup;
      const highShiftBits = (group & 3) * 2;
      for (let i = 0; i < 16; i++) {
        const low = (bytes[lows + i] >> lowShiftBits) & 15;
        const high = (bytes[highs + i] >> highShiftBits) & 3;
        out[to + sub * 16 + i] = subScale * ((low | (high << 4)) - 32);
      }
    }
  }
}

/** Sub-block scale `sub` of the 12 bytes at `offset`: 0-3 whole, 4-7 split between byte sub + 4 and the top bits of sub - 4. */
function sixBitScale(bytes: Uint8Array, offset: number, sub: number): number {
  if (sub < 4) return bytes[offset + sub] & 63;
  return (bytes[offset + sub + 4] & 15) | ((bytes[offset + sub - 4] >> 6) << 4);
}

function sixBitMinimum(bytes: Uint8Array, offset: number, sub: number): number {
  if (sub < 4) return bytes[offset + 4 + sub] & 63;
  return (bytes[offset + sub + 4] >> 4) | ((bytes[offset + sub] >> 6) << 4);
}
