// How a KV cache stores a vector, the K or V of one token in one head: as codes and, for integers, a scale.

import {
  bf16ToNumber,
  f16ToNumber,
  fp8E4M3ToNumber,
  fp8E5M2ToNumber,
  numberToBf16,
  numberToF16,
  numberToFp8E4M3,
  numberToFp8E5M2,
} from './float.ts';
import { int4Group, type KvDType, kvCodeBytes } from './kv-dtype.ts';

/** Below this magnitude a vector of integers counts as zero: the reciprocal of its scale could overflow. */
const vanishing = 1e-30;
const nanScale = 0x7fc0;

/** Ties to even; for magnitudes below 2^22. */
function roundToInteger(value: number): number {
  return Math.fround(Math.fround(value + 12582912) - 12582912);
}

/**
 * The bf16 scale of a vector of int8 or int4. int8: largest magnitude / 127. int4: the element of largest magnitude / -8, so
 * that it takes the code -8 and all sixteen codes are used (the positive one where two are equally large). 0 for a vector that vanishes, NaN for one that is not finite.
 */
export function kvScale(dtype: 'int8' | 'int4', values: Float32Array): number {
  let highest = 0;
  let lowest = 0;
  for (const value of values) {
    if (!Number.isFinite(value)) return nanScale;
    if (value > highest) highest = value;
    if (value < lowest) lowest = value;
  }
  const extreme = highest >= -lowest ? highest : lowest;
  if (!(Math.abs(extreme) > Math.fround(vanishing))) return 0;
  return numberToBf16(dtype === 'int8' ? Math.abs(extreme) / 127 : extreme / -8);
}

/** Integer codes of a vector for its scale, in f32 arithmetic; 0 where the scale is 0 or NaN. */
export function kvIntegers(dtype: 'int8' | 'int4', values: Float32Array, scaleBits: number, codes: Int8Array): void {
  const scale = bf16ToNumber(scaleBits);
  const factor = scale === 0 || Number.isNaN(scale) ? 0 : Math.fround(1 / scale);
  for (let i = 0; i < values.length; i++) {
    const code = factor === 0 ? 0 : roundToInteger(Math.fround(values[i] * factor));
    codes[i] = dtype === 'int4' ? Math.min(7, code) : code;
  }
}

/** Codes of one byte of the float types. */
const byteFloats = {
  fp8_e4m3: { encode: numberToFp8E4M3, decode: fp8E4M3ToNumber },
  fp8_e5m2: { encode: numberToFp8E5M2, decode: fp8E5M2ToNumber },
} as const;

/** Writes a vector: its codes, then its scale; kvCodeBytes + kvScaleBytes bytes. */
export function encodeKvVector(dtype: KvDType, values: Float32Array, out: Uint8Array): void {
  const view = new DataView(out.buffer, out.byteOffset, out.byteLength);
  switch (dtype) {
    case 'f32':
      for (let i = 0; i < values.length; i++) view.setFloat32(4 * i, values[i], true);
      return;
    case 'f16':
      for (let i = 0; i < values.length; i++) view.setUint16(2 * i, numberToF16(values[i]), true);
      return;
    case 'bf16':
      for (let i = 0; i < values.length; i++) view.setUint16(2 * i, numberToBf16(values[i]), true);
      return;
    case 'fp8_e4m3':
    case 'fp8_e5m2':
      for (let i = 0; i < values.length; i++) out[i] = byteFloats[dtype].encode(values[i]);
      return;
    default: {
      const scale = kvScale(dtype, values);
      const codeBytes = kvCodeBytes(dtype, values.length);
      const codes = new Int8Array(dtype === 'int4' ? 2 * codeBytes : codeBytes);
      kvIntegers(dtype, values, scale, codes);
      if (dtype === 'int8') out.set(new Uint8Array(codes.buffer));
      else for (let i = 0; i < codeBytes; i++) out[i] = packPair(codes, i);
      view.setUint16(codeBytes, scale, true);
    }
  }
}

function packPair(codes: Int8Array, byte: number): number {
  const first = Math.floor(byte / 16) * int4Group + (byte % 16);
  return (codes[first] & 15) | ((codes[first + 16] & 15) << 4);
}

/** Reads what encodeKvVector wrote; exact in f32. */
export function decodeKvVector(dtype: KvDType, from: Uint8Array, values: Float32Array): void {
  const count = values.length;
  switch (dtype) {
    case 'f32':
      new Uint8Array(values.buffer, values.byteOffset, 4 * count).set(from);
      return;
    case 'f16':
      for (let i = 0; i < count; i++) values[i] = f16ToNumber(from[2 * i] | (from[2 * i + 1] << 8));
      return;
    case 'bf16':
      for (let i = 0; i < count; i++) values[i] = bf16ToNumber(from[2 * i] | (from[2 * i + 1] << 8));
      return;
    case 'fp8_e4m3':
    case 'fp8_e5m2':
      for (let i = 0; i < count; i++) values[i] = byteFloats[dtype].decode(from[i]);
      return;
    default: {
      const scaleAt = kvCodeBytes(dtype, count);
      const scale = bf16ToNumber(from[scaleAt] | (from[scaleAt + 1] << 8));
      for (let i = 0; i < count; i++) values[i] = scale * (dtype === 'int8' ? (from[i] << 24) >> 24 : nibble(from, i));
    }
  }
}

/** Element i of int4 codes. */
function nibble(from: Uint8Array, i: number): number {
  const byte = from[Math.floor(i / int4Group) * 16 + (i % 16)];
  return (byte << (i % int4Group < 16 ? 28 : 24)) >> 28;
}
