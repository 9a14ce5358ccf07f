// One allocator for each node's range of the pool, together an allocator of the whole pool.

import { isFreeRun, requireAllocated, requireSize } from '../allocators/checks.ts';
import type { AddressableAllocator } from '../allocators/index.ts';
import type { NodeMap } from './node-map.ts';

/**
 * Takes from the node that `near` lies on, then from others by distance; without `near` from the node with most free blocks. A run that is
 * allocated lies on one node. Costs of the allocators inside, and O(nodes).
 */
export function createNodeAllocator(
  map: NodeMap,
  create: (blockCount: number) => AddressableAllocator,
): AddressableAllocator {
  const { blockCount, ranges, nodeOf, nearest } = map;
  const parts = ranges.map(({ count }) => create(count));

  function freest(): number {
    let best = 0;
    for (let node = 1; node < parts.length; node++) if (parts[node].freeCount > parts[best].freeCount) best = node;
    return best;
  }

  /** Calls `each` with every part that a run of blocks has on a node. */
  function split(first: number, count: number, each: (node: number, first: number, count: number) => void): void {
    for (let at = first; at < first + count; ) {
      const node = nodeOf(at);
      const { first: start, count: length } = ranges[node];
      const end = Math.min(first + count, start + length);
      each(node, at - start, end - at);
      at = end;
    }
  }

  const allocator: AddressableAllocator = {
    blockCount,
    get freeCount() {
      return parts.reduce((sum, { freeCount }) => sum + freeCount, 0);
    },
    allocate(near) {
      const home = near === undefined ? freest() : nodeOf(near);
      for (const node of nearest(home)) {
        const { first } = ranges[node];
        const isNear = near !== undefined && node === home;
        const block = parts[node].allocate(isNear ? near - first : undefined);
        if (block !== -1) return first + block;
      }
      return -1;
    },
    allocateRun(count, near) {
      requireSize('count', count);
      const home = near === undefined ? freest() : nodeOf(near);
      for (const node of nearest(home)) {
        if (count > parts[node].blockCount) continue;
        const { first } = ranges[node];
        const isNear = near !== undefined && node === home;
        const block = parts[node].allocateRun(count, isNear ? near - first : undefined);
        if (block !== -1) return first + block;
      }
      return -1;
    },
    allocateAt(first, count) {
      if (!isFreeRun(allocator, first, count)) return false;
      split(first, count, (node, at, length) => parts[node].allocateAt(at, length));
      return true;
    },
    release(block) {
      requireAllocated(allocator, block, 1);
      const node = nodeOf(block);
      parts[node].release(block - ranges[node].first);
    },
    releaseRun(first, count) {
      requireAllocated(allocator, first, count);
      split(first, count, (node, at, length) => parts[node].releaseRun(at, length));
    },
    isFree(block) {
      const node = nodeOf(block);
      return parts[node].isFree(block - ranges[node].first);
    },
    largestRun: () => Math.max(...parts.map((part) => part.largestRun())),
    checkIntegrity() {
      for (const part of parts) part.checkIntegrity();
    },
  };
  return allocator;
}
