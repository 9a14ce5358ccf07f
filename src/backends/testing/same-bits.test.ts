import { expect, it } from 'vitest';
import { expectSameBits } from './same-bits.ts';

it('takes the same bits, not-a-numbers among them, wherever they lie', () => {
  const bits = new Uint32Array([0x7fc00001, 0x3f800000, 0x80000000]);
  const values = new Float32Array(bits.buffer);
  expectSameBits(values.subarray(0), values.slice());
  expectSameBits(values.subarray(1), new Float32Array([1, -0]));
  expectSameBits(new Uint8Array([1, 2]), new Uint8Array([0, 1, 2]).subarray(1));
});

it.each([
  { actual: [1, 2, 3], wanted: [1, 2, 4], says: '1 of 3 values differ, first value 2: 3 (00004040) instead of 4' },
  { actual: [0], wanted: [-0], says: '1 of 1 values differ, first value 0' },
  { actual: [1, 2], wanted: [1], says: '2 values instead of 1' },
])('says where $actual is not $wanted', ({ actual, wanted, says }) => {
  expect(() => expectSameBits(Float32Array.from(actual), Float32Array.from(wanted), 'row 7')).toThrow(says);
  expect(() => expectSameBits(Float32Array.from(actual), Float32Array.from(wanted), 'row 7')).toThrow('row 7');
});
