// Equality to the bit of large arrays: a matcher compares them value by value, which takes longer than most steps.

import { expect } from 'vitest';

/** Fails with the first difference unless both hold the same bits; values that are not numbers are compared like all others. */
export function expectSameBits<T extends Float32Array | Uint8Array>(actual: T, wanted: T, label?: string): void {
  const difference = firstDifference(actual, wanted);
  expect(difference === null, label === undefined ? `${difference}` : `${label}: ${difference}`).toBe(true);
}

function firstDifference(actual: Float32Array | Uint8Array, wanted: Float32Array | Uint8Array): string | null {
  if (actual.length !== wanted.length) return `${actual.length} values instead of ${wanted.length}`;
  if (Buffer.compare(bytesOf(actual), bytesOf(wanted)) === 0) return null;
  const bitsOf = (array: Float32Array | Uint8Array, i: number) => bytesOf(array.subarray(i, i + 1)).toString('hex');
  const different = [...actual.keys()].filter((i) => bitsOf(actual, i) !== bitsOf(wanted, i));
  const [first] = different;
  const shown = (array: Float32Array | Uint8Array) => `${array[first]} (${bitsOf(array, first)})`;
  return `${different.length} of ${actual.length} values differ, first value ${first}: ${shown(actual)} instead of ${shown(wanted)}`;
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array | Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
