// How far results are from those of another arithmetic.

import { expect } from 'vitest';

/** The largest difference over the largest magnitude that is wanted; infinite where a value is no finite number. Fails unless both have the same length. */
export function relativeError(actual: ArrayLike<number>, wanted: ArrayLike<number>): number {
  expect(actual.length).toBe(wanted.length);
  let worst = 0;
  let largest = 0;
  for (let i = 0; i < wanted.length; i++) {
    worst = Math.max(worst, Number.isFinite(actual[i]) ? Math.abs(actual[i] - wanted[i]) : Number.POSITIVE_INFINITY);
    largest = Math.max(largest, Math.abs(wanted[i]));
  }
  return worst / largest;
}
