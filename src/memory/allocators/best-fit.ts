// Best fit: the shortest run that fits, so that long runs are broken last.

import { fail, isFreeRun, requireAllocated, requireSize } from './checks.ts';
import { createOrderedBits } from './ordered-bits.ts';
import { createRunMap } from './run-map.ts';
import type { AddressableAllocator } from './types.ts';

/**
 * Free runs in one list for each length, and the lengths that have any in an ordered set: every operation is O(log32 blocks).
 * Among runs of one length the one that came to be last. About 18 bytes a block.
 */
export function createBestFitAllocator(blockCount: number): AddressableAllocator {
  requireSize('blockCount', blockCount);
  /** By length: the first block of the first run. */
  const heads = new Int32Array(blockCount + 1).fill(-1);
  const nexts = new Int32Array(blockCount);
  const previouses = new Int32Array(blockCount);
  const lengths = createOrderedBits(blockCount + 1);
  const runs = createRunMap(blockCount, {
    added(first, count) {
      const after = heads[count];
      nexts[first] = after;
      previouses[first] = -1;
      if (after === -1) lengths.add(count);
      else previouses[after] = first;
      heads[count] = first;
    },
    removed(first, count) {
      const after = nexts[first];
      const before = previouses[first];
      if (after !== -1) previouses[after] = before;
      if (before !== -1) nexts[before] = after;
      else {
        heads[count] = after;
        if (after === -1) lengths.remove(count);
      }
    },
  });

  function take(count: number): number {
    const length = lengths.atLeast(count);
    if (length === -1) return -1;
    const first = heads[length];
    runs.takeFront(first, count);
    return first;
  }

  const largestRun = (): number => Math.max(0, lengths.largest());

  const allocator: AddressableAllocator = {
    blockCount,
    get freeCount() {
      return runs.freeCount;
    },
    allocate(near) {
      if (near === undefined || near + 1 >= blockCount || runs.lengthAt(near + 1) === 0) return take(1);
      runs.takeFront(near + 1, 1);
      return near + 1;
    },
    allocateRun(count) {
      requireSize('count', count);
      return count > blockCount ? -1 : take(count);
    },
    allocateAt(first, count) {
      if (!isFreeRun(allocator, first, count)) return false;
      runs.takeAt(first, count);
      return true;
    },
    release(block) {
      if (!runs.isTaken(block)) requireAllocated(allocator, block, 1);
      runs.give(block, 1);
    },
    releaseRun(first, count) {
      requireAllocated(allocator, first, count);
      runs.give(first, count);
    },
    isFree: runs.isFree,
    largestRun,
    checkIntegrity() {
      runs.checkIntegrity();
      let listed = 0;
      for (let length = 1; length <= blockCount; length++) {
        if ((heads[length] !== -1) !== lengths.has(length)) fail(`best fit: the set of lengths is stale at ${length}`);
        for (let first = heads[length], before = -1; first !== -1; before = first, first = nexts[first]) {
          if (previouses[first] !== before) fail(`best fit: run ${first} follows ${before}, not ${previouses[first]}`);
          if (runs.lengthAt(first) !== length) fail(`best fit: run ${first} is listed as ${length} long, but is not`);
          listed += length;
        }
      }
      if (listed !== runs.freeCount) fail(`best fit: ${listed} blocks listed, ${runs.freeCount} free`);
    },
  };
  return allocator;
}
