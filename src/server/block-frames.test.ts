// Run lengths of the packed block map.

import { expect, test } from 'vitest';
import { toRuns } from './block-frames.ts';

test('runs say the same as the values', () => {
  expect(toRuns([])).toEqual([]);
  expect(toRuns([0, 0, 2, 2, 2, 1])).toEqual([0, 2, 2, 3, 1, 1]);
  expect(toRuns([true, false, false])).toEqual([1, 1, 0, 2]);
});
