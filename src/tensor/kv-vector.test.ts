// fp8 codes against the definition of the formats, and what integers with a scale do to a vector.

import { describe, expect, it } from 'vitest';
import { fp8E4M3ToNumber, fp8E5M2ToNumber, numberToFp8E4M3, numberToFp8E5M2 } from './float.ts';
import { kvCodeBytes, kvDTypeNames, kvScaleBytes } from './kv-dtype.ts';
import { decodeKvVector, encodeKvVector, kvIntegers, kvScale } from './kv-vector.ts';

const formats = [
  { name: 'E4M3', encode: numberToFp8E4M3, decode: fp8E4M3ToNumber, largestCode: 0x7e, largest: 448 },
  { name: 'E5M2', encode: numberToFp8E5M2, decode: fp8E5M2ToNumber, largestCode: 0x7b, largest: 57344 },
];

describe.each(formats)('fp8 $name', ({ encode, decode, largestCode, largest }) => {
  it('keeps every number, signed zeros included', () => {
    for (let code = 0; code <= largestCode; code++) {
      expect(encode(decode(code))).toBe(code);
      expect(encode(decode(code | 0x80))).toBe(code | 0x80);
    }
    expect(decode(largestCode)).toBe(largest);
  });

  it('rounds to the nearest number, ties to the even code, and saturates', () => {
    for (let code = 0; code < largestCode; code++) {
      const low = decode(code);
      const high = decode(code + 1);
      expect(high).toBeGreaterThan(low);
      const middle = (low + high) / 2;
      const even = code % 2 === 0 ? code : code + 1;
      for (const [sign, bit] of [
        [1, 0],
        [-1, 0x80],
      ]) {
        expect(encode(sign * middle)).toBe(even | bit);
        expect(encode(sign * middle * (1 - 2 ** -40))).toBe(code | bit);
        expect(encode(sign * middle * (1 + 2 ** -40))).toBe((code + 1) | bit);
      }
    }
    expect(encode(largest * 1.5)).toBe(largestCode);
    expect(encode(-3e38)).toBe(largestCode | 0x80);
    expect(decode(encode(Number.NaN))).toBeNaN();
    expect(decode(encode(Number.POSITIVE_INFINITY))).not.toBeLessThan(Number.POSITIVE_INFINITY);
  });
});

function roundTrip(dtype: (typeof kvDTypeNames)[number], values: Float32Array): Float32Array {
  const bytes = new Uint8Array(kvCodeBytes(dtype, values.length) + kvScaleBytes(dtype));
  encodeKvVector(dtype, values, bytes);
  const out = new Float32Array(values.length);
  decodeKvVector(dtype, bytes, out);
  return out;
}

describe('vectors', () => {
  const sizes = [1, 2, 7, 31, 32, 33, 64, 80];
  const largestError = {
    f32: 0,
    f16: 2 ** -11,
    bf16: 2 ** -8,
    fp8_e4m3: 2 ** -4,
    fp8_e5m2: 2 ** -3,
    int8: 0.5 / 126,
    int4: 1 / 7,
  };

  it.each(kvDTypeNames)('%s comes back within half a step, whatever the size', (dtype) => {
    for (const size of sizes) {
      const values = Float32Array.from({ length: size }, (_, i) => Math.sin(size * 100 + i * i) * 3);
      const out = roundTrip(dtype, values);
      const largest = values.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
      for (const [i, value] of values.entries()) {
        expect(Math.abs(out[i] - value)).toBeLessThanOrEqual(largestError[dtype] * largest);
      }
    }
  });

  it.each(['int8', 'int4'] as const)(
    '%s keeps a zero vector, gives the extreme its last code, and shows what is not finite',
    (dtype) => {
      expect(roundTrip(dtype, new Float32Array(8))).toEqual(new Float32Array(8));
      expect(roundTrip(dtype, new Float32Array(8).fill(1e-38))).toEqual(new Float32Array(8));
      const codes = new Int8Array(3);
      for (const values of [Float32Array.of(1, -3, 2), Float32Array.of(1, 3, -2), Float32Array.of(3e38, 1, -3e38)]) {
        kvIntegers(dtype, values, kvScale(dtype, values), codes);
        expect(Math.max(...codes.map(Math.abs))).toBe(dtype === 'int8' ? 127 : 8);
      }
      for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
        expect(roundTrip(dtype, Float32Array.of(1, bad, 2)).every(Number.isNaN)).toBe(true);
      }
    },
  );
});
