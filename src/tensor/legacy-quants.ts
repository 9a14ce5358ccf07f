// ggml's first quantised formats: blocks of 32 values with one f16 scale and, for the _1 types, an f16 minimum.
//
// Layouts follow ggml-quants.c. Sums and products below are exact in a JavaScript number (an f16 is a multiple of
// 2^-24 under 2^16, the integers have at most 8 bits), so storing into the Float32Array rounds once, as f32
// arithmetic without fused operations would.

import { numberToF16, readF16 } from './float.ts';

const blockElements = 32;
const halfBlock = 16;

/** q8_0: f16 scale, then 32 signed bytes. */
export function dequantizeQ8_0(bytes: Uint8Array, out: Float32Array): void {
  for (let from = 0, to = 0; to < out.length; from += 34, to += blockElements) {
    const scale = readF16(bytes, from);
    for (let i = 0; i < blockElements; i++) out[to + i] = ((bytes[from + 2 + i] << 24) >> 24) * scale;
  }
}

/** q4_0: f16 scale, then 16 bytes; low nibbles are values 0-15, high nibbles values 16-31, offset 8. */
export function dequantizeQ4_0(bytes: Uint8Array, out: Float32Array): void {
  for (let from = 0, to = 0; to < out.length; from += 18, to += blockElements) {
    const scale = readF16(bytes, from);
    for (let i = 0; i < halfBlock; i++) {
      const pair = bytes[from + 2 + i];
      out[to + i] = ((pair & 15) - 8) * scale;
      out[to + halfBlock + i] = ((pair >> 4) - 8) * scale;
    }
  }
}

/** q4_1: f16 scale, f16 minimum, then 16 bytes of nibbles as in q4_0 without the offset. */
export function dequantizeQ4_1(bytes: Uint8Array, out: Float32Array): void {
  for (let from = 0, to = 0; to < out.length; from += 20, to += blockElements) {
    const scale = readF16(bytes, from);
    const minimum = readF16(bytes, from + 2);
    for (let i = 0; i < halfBlock; i++) {
      const pair = bytes[from + 4 + i];
      out[to + i] = (pair & 15) * scale + minimum;
      out[to + halfBlock + i] = (pair >> 4) * scale + minimum;
    }
  }
}

/** q5_0: f16 scale, 32 high bits (bit i for value i), then 16 bytes of nibbles, offset 16. */
export function dequantizeQ5_0(bytes: Uint8Array, out: Float32Array): void {
  for (let from = 0, to = 0; to < out.length; from += 22, to += blockElements) {
    const scale = readF16(bytes, from);
    const high = readU32(bytes, from + 2);
    for (let i = 0; i < halfBlock; i++) {
      const pair = bytes[from + 6 + i];
      out[to + i] = (((pair & 15) | (((high >>> i) & 1) << 4)) - 16) * scale;
      out[to + halfBlock + i] = (((pair >> 4) | (((high >>> (halfBlock + i)) & 1) << 4)) - 16) * scale;
    }
  }
}

/** q5_1: f16 scale, f16 minimum, 32 high bits, then 16 bytes of nibbles. */
export function dequantizeQ5_1(bytes: Uint8Array, out: Float32Array): void {
  for (let from = 0, to = 0; to < out.length; from += 24, to += blockElements) {
    const scale = readF16(bytes, from);
    const minimum = readF16(bytes, from + 2);
    const high = readU32(bytes, from + 4);
    for (let i = 0; i < halfBlock; i++) {
      const pair = bytes[from + 8 + i];
      out[to + i] = ((pair & 15) | (((high >>> i) & 1) << 4)) * scale + minimum;
      out[to + halfBlock + i] = ((pair >> 4) | (((high >>> (halfBlock + i)) & 1) << 4)) * scale + minimum;
    }
  }
}

/** ggml's quantize_row_q8_0_ref: scale = max |x| / 127, values rounded half away from zero. */
export function quantizeQ8_0(values: Float32Array, out: Uint8Array): void {
  for (let from = 0, to = 0; from < values.length; from += blockElements, to += 34) {
    let largest = 0;
    for (let i = 0; i < blockElements; i++) largest = Math.max(largest, Math.abs(values[from + i]));
    const scale = Math.fround(largest / 127);
    const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
    writeF16(out, to, scale);
    for (let i = 0; i < blockElements; i++) {
      const scaled = Math.fround(values[from + i] * inverse);
      out[to + 2 + i] = scaled < 0 ? -Math.floor(0.5 - scaled) : Math.floor(scaled + 0.5);
    }
  }
}

/** ggml's quantize_row_q4_0_ref: the value of largest magnitude (the first of equals) becomes -8 times the scale. */
export function quantizeQ4_0(values: Float32Array, out: Uint8Array): void {
  for (let from = 0, to = 0; from < values.length; from += blockElements, to += 18) {
    let extreme = values[from];
    for (let i = 1; i < blockElements; i++) {
      if (Math.abs(values[from + i]) > Math.abs(extreme)) extreme = values[from + i];
    }
    const scale = Math.fround(extreme / -8);
    const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
    writeF16(out, to, scale);
    for (let i = 0; i < halfBlock; i++) {
      const low = nibble(values[from + i], inverse);
      const high = nibble(values[from + halfBlock + i], inverse);
      out[to + 2 + i] = low | (high << 4);
    }
  }
}

function nibble(value: number, inverse: number): number {
  const shifted = Math.trunc(Math.fround(Math.fround(value * inverse) + 8.5));
  return Math.max(0, Math.min(15, shifted));
}

function readU32(bytes: Uint8Array, offset: number): number {
  return bytes[offset] | (bytes[offset + 1] << 8) | (bytes[offset + 2] << 16) | (bytes[offset + 3] << 24);
}

function writeF16(out: Uint8Array, offset: number, value: number): void {
  const half = numberToF16(value);
  out[offset] = half;
  out[offset + 1] = half >>> 8;
}
