// Dequantisation of every dtype and quantisation of five, compared bit for bit with gguf-py.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { IntegrityError } from '../errors/errors.ts';
import { type DType, dtypeGeometry, dtypeNames } from './dtype.ts';
import {
  bf16ToNumber,
  f16BitsToF32Bits,
  f16ToNumber,
  f32BitsToF16Bits,
  numberToBf16,
  numberToF16,
  readF16,
} from './float.ts';
import { dequantizeRow, type QuantizableDType, quantizeRow } from './quantize.ts';

interface DequantizeFixture {
  readonly elements: number;
  readonly sha256: string;
  readonly firstBits: string;
}

function fixture(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`./fixtures/${name}`, import.meta.url)));
}

function floats(bytes: Uint8Array): Float32Array {
  return new Float32Array(bytes.slice().buffer);
}

const expected: Record<string, DequantizeFixture> = JSON.parse(
  new TextDecoder().decode(fixture('quants.json')),
).dequantize;

describe('dequantizeRow equals gguf-py to the bit', () => {
  it.each([...dtypeNames])('%s', (dtype) => {
    const { elements, sha256, firstBits } = expected[dtype];
    const out = new Float32Array(elements);
    dequantizeRow(dtype, fixture(`${dtype}.bin`), out);
    const bytes = Buffer.from(out.buffer);
    expect(bytes.subarray(0, firstBits.length / 2).toString('hex')).toBe(firstBits);
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256);
  });

  it.each([...dtypeNames])('%s from an odd byte offset', (dtype) => {
    const stored = fixture(`${dtype}.bin`);
    const shifted = new Uint8Array(stored.length + 3).subarray(3);
    shifted.set(stored);
    const plain = new Float32Array(expected[dtype].elements);
    const fromShifted = new Float32Array(expected[dtype].elements);
    dequantizeRow(dtype, stored, plain);
    dequantizeRow(dtype, shifted, fromShifted);
    expect(Buffer.from(fromShifted.buffer).equals(Buffer.from(plain.buffer))).toBe(true);
  });
});

describe('quantizeRow equals gguf-py to the bit', () => {
  const cases: readonly (readonly [QuantizableDType, string, string])[] = [
    ['q8_0', 'values.f32.bin', 'q8_0.quantized.bin'],
    ['q4_0', 'values.f32.bin', 'q4_0.quantized.bin'],
    ['f16', 'rounding.f32.bin', 'f16.rounded.bin'],
    ['bf16', 'rounding.f32.bin', 'bf16.rounded.bin'],
  ];
  it.each(cases)('%s', (dtype, from, to) => {
    const values = floats(fixture(from));
    const { blockElements, blockBytes } = dtypeGeometry[dtype];
    const out = new Uint8Array((values.length / blockElements) * blockBytes);
    quantizeRow(dtype, values, out);
    const want = fixture(to);
    const firstDifference = out.findIndex((byte, index) => byte !== want[index]);
    expect({ length: out.length, firstDifference }).toEqual({ length: want.length, firstDifference: -1 });
  });

  it('f32 is a copy', () => {
    const values = new Float32Array([1, -0, Number.NaN, 1e-45]);
    const out = new Uint8Array(16);
    quantizeRow('f32', values, out);
    expect(out).toEqual(new Uint8Array(values.buffer));
  });
});

describe('16-bit floats', () => {
  it('every f16 pattern that is no NaN survives the way through f32', () => {
    for (let half = 0; half < 0x10000; half++) {
      if ((half & 0x7fff) > 0x7c00) continue;
      expect(f32BitsToF16Bits(f16BitsToF32Bits(half))).toBe(half);
    }
  });

  it('converts known values', () => {
    expect(f16ToNumber(0x3c00)).toBe(1);
    expect(f16ToNumber(0x0001)).toBe(2 ** -24);
    expect(f16ToNumber(0xfc00)).toBe(Number.NEGATIVE_INFINITY);
    expect(readF16(new Uint8Array([9, 0x00, 0xc0]), 1)).toBe(-2);
    expect(numberToF16(65519)).toBe(0x7bff);
    expect(numberToF16(65520)).toBe(0x7c00);
    expect(numberToF16(Number.NaN) & 0x7fff).toBe(0x7e00);
    expect(numberToF16(-(2 ** -25))).toBe(0x8000);
    expect(numberToBf16(1)).toBe(0x3f80);
    expect(numberToBf16(Number.NaN) & 0x7fc0).toBe(0x7fc0);
    expect(bf16ToNumber(0xc040)).toBe(-3);
  });
});

describe('lengths', () => {
  it.each<[DType, number, number]>([
    ['q8_0', 34, 31],
    ['q4_k', 143, 256],
    ['f16', 3, 1],
  ])('%s refuses %i bytes for %i elements', (dtype, byteCount, elementCount) => {
    expect(() => dequantizeRow(dtype, new Uint8Array(byteCount), new Float32Array(elementCount))).toThrow(
      IntegrityError,
    );
  });

  it('quantizeRow refuses an output of the wrong size', () => {
    expect(() => quantizeRow('q8_0', new Float32Array(32), new Uint8Array(33))).toThrow(IntegrityError);
  });
});
