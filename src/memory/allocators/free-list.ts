// The default allocator: a list of free blocks, every operation on single blocks O(1).

import { fail, isFreeRun, requireAllocated, requireSize } from './checks.ts';
import type { AddressableAllocator } from './types.ts';

/** How far from `near` a free block is looked for before any is taken. */
const NEAR_DISTANCE = 4;

/**
 * A doubly linked list through typed arrays, used from its head: the block released last is allocated first, while it
 * may still be in a processor cache. A run is found by a scan, O(blocks): take another allocator where runs are asked for often.
 */
export function createFreeListAllocator(blockCount: number): AddressableAllocator {
  requireSize('blockCount', blockCount);
  const sentinel = blockCount;
  const next = new Int32Array(blockCount + 1);
  const previous = new Int32Array(blockCount + 1);
  const free = new Uint8Array(blockCount).fill(1);
  let freeCount = blockCount;
  for (let block = 0; block <= blockCount; block++) {
    next[block] = block === sentinel ? 0 : block + 1;
    previous[block] = block === 0 ? sentinel : block - 1;
  }

  function take(block: number): void {
    const before = previous[block];
    const after = next[block];
    next[before] = after;
    previous[after] = before;
    free[block] = 0;
    freeCount--;
  }

  function give(block: number): void {
    const after = next[sentinel];
    next[sentinel] = block;
    previous[block] = sentinel;
    next[block] = after;
    previous[after] = block;
    free[block] = 1;
    freeCount++;
  }

  function findNear(near: number): number {
    for (let distance = 1; distance <= NEAR_DISTANCE; distance++) {
      if (free[near + distance] === 1) return near + distance;
      if (free[near - distance] === 1) return near - distance;
    }
    return next[sentinel];
  }

  /** The first run of `count` free blocks, or -1: looks at every `count`-th block and goes back from free ones. */
  function findRun(count: number): number {
    let end = count - 1;
    while (end < blockCount) {
      let start = end;
      const low = end - count + 1;
      while (start >= low && free[start] === 1) start--;
      if (start < low) return low;
      end = start + count;
    }
    return -1;
  }

  const allocator: AddressableAllocator = {
    blockCount,
    get freeCount() {
      return freeCount;
    },
    allocate(near) {
      if (freeCount === 0) return -1;
      const block = near === undefined ? next[sentinel] : findNear(near);
      take(block);
      return block;
    },
    allocateRun(count, near) {
      requireSize('count', count);
      if (near !== undefined && isFreeRun(allocator, near + 1, count)) {
        for (let block = near + 1; block <= near + count; block++) take(block);
        return near + 1;
      }
      const first = count > freeCount ? -1 : findRun(count);
      if (first !== -1) for (let block = first; block < first + count; block++) take(block);
      return first;
    },
    allocateAt(first, count) {
      if (!isFreeRun(allocator, first, count)) return false;
      for (let block = first; block < first + count; block++) take(block);
      return true;
    },
    release(block) {
      if (free[block] !== 0) requireAllocated(allocator, block, 1);
      give(block);
    },
    releaseRun(first, count) {
      requireAllocated(allocator, first, count);
      // Last to first, so that they are allocated again in order.
      for (let block = first + count - 1; block >= first; block--) give(block);
    },
    isFree: (block) => free[block] === 1,
    largestRun() {
      let largest = 0;
      let run = 0;
      for (let block = 0; block < blockCount; block++) {
        run = free[block] === 1 ? run + 1 : 0;
        if (run > largest) largest = run;
      }
      return largest;
    },
    checkIntegrity() {
      let count = 0;
      for (let block = next[sentinel], before = sentinel; block !== sentinel; before = block, block = next[block]) {
        if (previous[block] !== before) fail(`free list: block ${block} follows ${before}, not ${previous[block]}`);
        if (free[block] !== 1) fail(`free list: block ${block} is linked but not free`);
        if (++count > freeCount) fail(`free list: more than the ${freeCount} blocks counted`);
      }
      const marked = free.reduce((sum, bit) => sum + bit, 0);
      if (count !== freeCount || marked !== freeCount) {
        fail(`free list: ${count} blocks linked, ${marked} marked free, ${freeCount} counted`);
      }
    },
  };
  return allocator;
}
