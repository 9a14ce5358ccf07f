// Conversions between f32 and the 16-bit and 8-bit float formats, and rows of f32, f16 and bf16.

const f32Scratch = new Float32Array(1);
const u32Scratch = new Uint32Array(f32Scratch.buffer);

/** The f32 bit pattern of an f16 bit pattern. Exact; subnormals are expanded and NaN payloads kept. */
export function f16BitsToF32Bits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 0x1f;
  let mantissa = half & 0x3ff;
  if (exponent === 0x1f) return (sign | 0x7f800000 | (mantissa << 13)) >>> 0;
  if (exponent !== 0) return (sign | ((exponent + 112) << 23) | (mantissa << 13)) >>> 0;
  if (mantissa === 0) return sign >>> 0;
  // A subnormal f16 is a normal f32: shift its highest bit up to where the implicit one stands.
  let shiftBits = 0;
  while ((mantissa & 0x400) === 0) {
    mantissa <<= 1;
    shiftBits++;
  }
  return (sign | ((113 - shiftBits) << 23) | ((mantissa & 0x3ff) << 13)) >>> 0;
}

function buildHalfTable(): Uint32Array {
  const table = new Uint32Array(0x10000);
  for (let half = 0; half < table.length; half++) table[half] = f16BitsToF32Bits(half);
  return table;
}

// One look-up per scale is several times faster than the branches above; the table is 256 KiB, made once at import.
const halfBits = buildHalfTable();
const halfValues = new Float32Array(halfBits.buffer);

/** The value of an f16 bit pattern. */
export function f16ToNumber(half: number): number {
  return halfValues[half];
}

/** The value of the little-endian f16 at `bytes[offset]`. */
export function readF16(bytes: Uint8Array, offset: number): number {
  return halfValues[bytes[offset] | (bytes[offset + 1] << 8)];
}

/** The f16 bit pattern nearest to an f32 bit pattern, ties to even; overflow gives infinity, NaN a quiet NaN. */
export function f32BitsToF16Bits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  // 65520 and above round to infinity.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) {
    const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
    return sign | ((rounded - 0x38000000) >>> 13);
  }
  // At or below half of the smallest subnormal, 2^-25, everything rounds to zero.
  if (magnitude <= 0x33000000) return sign;
  const mantissa = (magnitude & 0x7fffff) | 0x800000;
  const shiftBits = 126 - (magnitude >>> 23);
  const halfway = 1 << (shiftBits - 1);
  const quotient = mantissa >>> shiftBits;
  const remainder = mantissa & ((1 << shiftBits) - 1);
  const roundUp = remainder > halfway || (remainder === halfway && (quotient & 1) === 1);
  return sign | (quotient + (roundUp ? 1 : 0));
}

/** The f16 bit pattern nearest to `value`, which is first rounded to f32 as ggml does; ties to even. */
export function numberToF16(value: number): number {
  f32Scratch[0] = value;
  return f32BitsToF16Bits(u32Scratch[0]);
}

/** The bf16 bit pattern nearest to an f32 bit pattern, ties to even; a NaN stays a NaN and becomes quiet. */
export function f32BitsToBf16Bits(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 64;
  // Rounding up from 0xffffxxxx cannot happen: those are NaNs.
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/** The bf16 bit pattern nearest to `value`, which is first rounded to f32; ties to even. */
export function numberToBf16(value: number): number {
  f32Scratch[0] = value;
  return f32BitsToBf16Bits(u32Scratch[0]);
}

/** The value of a bf16 bit pattern. */
export function bf16ToNumber(bits: number): number {
  u32Scratch[0] = bits << 16;
  return f32Scratch[0];
}

/** The nearest integer of a non-negative number, ties to even. */
function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

/** Sign, exponent and mantissa of a finite number in a small float format, saturated to `largest`. */
function smallFloatCode(value: number, mantissaBits: number, lowestExponent: number, largest: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x80 : 0;
  const magnitude = Math.abs(value);
  const exponent = magnitude === 0 ? lowestExponent : Math.max(lowestExponent, Math.floor(Math.log2(magnitude)));
  // In units of the last place a normal number is 2^mantissaBits or more; the implicit bit carries into the exponent.
  const units = roundHalfEven(magnitude / 2 ** (exponent - mantissaBits));
  return sign | Math.min(largest, (exponent - lowestExponent) * 2 ** mantissaBits + units);
}

/**
 * The fp8 E4M3 code (OCP 8-bit floating point specification, 1.0) nearest to `value`, ties to even. What is beyond the
 * largest number, 448, becomes 448; the format has no infinity, so an infinity becomes NaN.
 */
export function numberToFp8E4M3(value: number): number {
  if (!Number.isFinite(value)) return value < 0 ? 0xff : 0x7f;
  return smallFloatCode(value, 3, -6, 0x7e);
}

/** The value of an fp8 E4M3 code. */
export function fp8E4M3ToNumber(code: number): number {
  const magnitude = code & 0x7f;
  if (magnitude === 0x7f) return Number.NaN;
  const exponent = magnitude >> 3;
  const value = exponent === 0 ? (magnitude & 7) * 2 ** -9 : (8 + (magnitude & 7)) * 2 ** (exponent - 10);
  return code & 0x80 ? -value : value;
}

/**
 * The fp8 E5M2 code (the upper half of an f16) nearest to `value`, ties to even. A finite number beyond the largest,
 * 57344, becomes 57344; an infinity stays one.
 */
export function numberToFp8E5M2(value: number): number {
  if (Number.isNaN(value)) return 0x7f;
  if (!Number.isFinite(value)) return value < 0 ? 0xfc : 0x7c;
  return smallFloatCode(value, 2, -14, 0x7b);
}

/** The value of an fp8 E5M2 code. */
export function fp8E5M2ToNumber(code: number): number {
  return halfValues[code << 8];
}

function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** Rows of f32 as stored (little endian, as every machine that Node runs on here). */
export function dequantizeF32(bytes: Uint8Array, out: Float32Array): void {
  bytesOf(out).set(bytes);
}

export function dequantizeF16(bytes: Uint8Array, out: Float32Array): void {
  // Through the bit patterns, so that NaN payloads survive.
  const bits = bitsOf(out);
  for (let i = 0; i < bits.length; i++) bits[i] = halfBits[bytes[2 * i] | (bytes[2 * i + 1] << 8)];
}

export function dequantizeBf16(bytes: Uint8Array, out: Float32Array): void {
  const bits = bitsOf(out);
  for (let i = 0; i < bits.length; i++) bits[i] = (bytes[2 * i] << 16) | (bytes[2 * i + 1] << 24);
}

export function quantizeF32(values: Float32Array, out: Uint8Array): void {
  out.set(bytesOf(values));
}

export function quantizeF16(values: Float32Array, out: Uint8Array): void {
  const bits = bitsOf(values);
  for (let i = 0; i < bits.length; i++) {
    const half = f32BitsToF16Bits(bits[i]);
    out[2 * i] = half;
    out[2 * i + 1] = half >>> 8;
  }
}

export function quantizeBf16(values: Float32Array, out: Uint8Array): void {
  const bits = bitsOf(values);
  for (let i = 0; i < bits.length; i++) {
    const brain = f32BitsToBf16Bits(bits[i]);
    out[2 * i] = brain;
    out[2 * i + 1] = brain >>> 8;
  }
}
