// First fit: always the lowest address that fits, which keeps the far end of the pool free for long runs.

import { fail, isFreeRun, requireAllocated, requireSize } from './checks.ts';
import { createRunMap } from './run-map.ts';
import type { AddressableAllocator } from './types.ts';

/**
 * A complete binary tree over the blocks holds at each leaf the length of the free run that begins there, and above the longest
 * below: the lowest run that fits is found, and a change recorded, in O(log blocks). About 13 bytes a block.
 */
export function createFirstFitAllocator(blockCount: number): AddressableAllocator {
  requireSize('blockCount', blockCount);
  const leafStart = 2 ** Math.ceil(Math.log2(blockCount));
  const longest = new Int32Array(2 * leafStart);
  const runs = createRunMap(blockCount, {
    added: (first, count) => set(first, count),
    removed: (first) => set(first, 0),
  });

  function set(block: number, length: number): void {
    let node = leafStart + block;
    longest[node] = length;
    while (node > 1) {
      node >>= 1;
      const left = longest[2 * node];
      const right = longest[2 * node + 1];
      const value = Math.max(left, right);
      if (longest[node] === value) return;
      longest[node] = value;
    }
  }

  /** The lowest run of at least `count` blocks; there is one. */
  function lowest(count: number): number {
    let node = 1;
    while (node < leafStart) node = longest[2 * node] >= count ? 2 * node : 2 * node + 1;
    return node - leafStart;
  }

  /** The lowest run that begins behind `block`, or -1. */
  function behind(block: number): number {
    let node = leafStart + block;
    while (node > 1) {
      const isLeft = (node & 1) === 0;
      if (isLeft && longest[node + 1] > 0) {
        node++;
        while (node < leafStart) node = longest[2 * node] > 0 ? 2 * node : 2 * node + 1;
        return node - leafStart;
      }
      node >>= 1;
    }
    return -1;
  }

  const allocator: AddressableAllocator = {
    blockCount,
    get freeCount() {
      return runs.freeCount;
    },
    allocate(near) {
      if (longest[1] === 0) return -1;
      const after = near === undefined ? -1 : behind(near);
      const block = after === -1 ? lowest(1) : after;
      runs.takeFront(block, 1);
      return block;
    },
    allocateRun(count) {
      requireSize('count', count);
      if (longest[1] < count) return -1;
      const first = lowest(count);
      runs.takeFront(first, count);
      return first;
    },
    allocateAt(first, count) {
      if (!isFreeRun(allocator, first, count)) return false;
      runs.takeAt(first, count);
      return true;
    },
    release: (block) => allocator.releaseRun(block, 1),
    releaseRun(first, count) {
      requireAllocated(allocator, first, count);
      runs.give(first, count);
    },
    isFree: runs.isFree,
    largestRun: () => longest[1],
    checkIntegrity() {
      runs.checkIntegrity();
      for (let block = 0; block < blockCount; block++) {
        if (longest[leafStart + block] !== runs.lengthAt(block)) {
          fail(`first fit: ${longest[leafStart + block]} recorded at block ${block}, ${runs.lengthAt(block)} free`);
        }
      }
      for (let node = leafStart - 1; node > 0; node--) {
        if (longest[node] !== Math.max(longest[2 * node], longest[2 * node + 1]))
          fail(`first fit: node ${node} is stale`);
      }
    },
  };
  return allocator;
}
