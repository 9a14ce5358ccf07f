// The buddy system: aligned runs of 2^k blocks, split in halves and merged with their buddies (Knowlton, 1965).

import { fail, isFreeRun, mark, requireAllocated, requireSize } from './checks.ts';
import type { AddressableAllocator } from './types.ts';

const NOT_A_HEAD = -1;

/**
 * A list of free runs for each order k. Runs begin at multiples of their length, so that their two halves differ in one bit.
 * A run of n blocks is cut from one of 2^k >= n and its rest given back, so that it costs n. Every operation is
 * O(log blocks), and O(n) for the n blocks of a run. `largestRun` is the largest order free: neighbours that are no buddies do not merge. 10 bytes a block.
 */
export function createBuddyAllocator(blockCount: number): AddressableAllocator {
  requireSize('blockCount', blockCount);
  const orderCount = Math.floor(Math.log2(blockCount)) + 1;
  const heads = new Int32Array(orderCount).fill(-1);
  const nexts = new Int32Array(blockCount);
  const previouses = new Int32Array(blockCount);
  /** The order of the free run that begins at a block, or NOT_A_HEAD. */
  const orders = new Int8Array(blockCount).fill(NOT_A_HEAD);
  const free = new Uint8Array(blockCount);
  let freeCount = 0;
  giveRange(0, blockCount);

  function push(first: number, order: number): void {
    const after = heads[order];
    nexts[first] = after;
    previouses[first] = -1;
    if (after !== -1) previouses[after] = first;
    heads[order] = first;
    orders[first] = order;
  }

  function unlink(first: number): void {
    const after = nexts[first];
    const before = previouses[first];
    if (after !== -1) previouses[after] = before;
    if (before !== -1) nexts[before] = after;
    else heads[orders[first]] = after;
    orders[first] = NOT_A_HEAD;
  }

  /** Frees an aligned run, merged with its buddy as long as that is free. */
  function give(first: number, order: number): void {
    let start = first;
    let k = order;
    for (; k + 1 < orderCount; k++) {
      const buddy = start ^ (1 << k);
      if (buddy >= blockCount || orders[buddy] !== k) break;
      unlink(buddy);
      start &= ~(1 << k);
    }
    push(start, k);
  }

  /** Frees any run, as the largest aligned pieces that it consists of. */
  function giveRange(first: number, count: number): void {
    mark(free, 1, first, count);
    freeCount += count;
    const end = first + count;
    for (let at = first; at < end; ) {
      const aligned = at === 0 ? orderCount - 1 : 31 - Math.clz32(at & -at);
      const order = Math.min(aligned, 31 - Math.clz32(end - at));
      give(at, order);
      at += 1 << order;
    }
  }

  /** Cuts 2^order blocks from the front of the free run at `first`: its upper halves stay free. */
  function cut(first: number, order: number): void {
    let k = orders[first];
    unlink(first);
    while (k > order) {
      k--;
      push(first + (1 << k), k);
    }
    mark(free, 0, first, 1 << order);
    freeCount -= 1 << order;
  }

  /** The head of the free run that a free block lies in. */
  function headAround(block: number): number {
    let order = 0;
    while (orders[(block >> order) << order] !== order) order++;
    return (block >> order) << order;
  }

  function orderFor(count: number): number {
    let order = count === 1 ? 0 : 32 - Math.clz32(count - 1);
    while (order < orderCount && heads[order] === -1) order++;
    return order < orderCount ? order : -1;
  }

  /** A free run of at least 2^order blocks in the smallest aligned runs around `near`, else any; there is one. */
  function nearest(near: number, order = 0): number {
    for (let k = order; k < orderCount; k++) {
      const buddy = ((near >> k) ^ 1) << k;
      if (buddy < blockCount && orders[buddy] >= order) return buddy;
    }
    return heads[orderFor(1 << order)];
  }

  const allocator: AddressableAllocator = {
    blockCount,
    get freeCount() {
      return freeCount;
    },
    allocate(near) {
      if (freeCount === 0) return -1;
      const first = near === undefined ? heads[orderFor(1)] : nearest(near);
      cut(first, 0);
      return first;
    },
    allocateRun(count, near) {
      requireSize('count', count);
      const order = count > freeCount ? -1 : orderFor(count);
      if (order === -1) return -1;
      if (near !== undefined && allocator.allocateAt(near + 1, count)) return near + 1;
      const wanted = count === 1 ? 0 : 32 - Math.clz32(count - 1);
      const first = near === undefined ? heads[order] : nearest(near, wanted);
      cut(first, wanted);
      const excess = (1 << wanted) - count;
      if (excess > 0) giveRange(first + count, excess);
      return first;
    },
    allocateAt(first, count) {
      if (!isFreeRun(allocator, first, count)) return false;
      const end = first + count;
      for (let at = first; at < end; ) {
        const head = headAround(at);
        const headEnd = head + (1 << orders[head]);
        cut(head, orders[head]);
        if (head < at) giveRange(head, at - head);
        if (headEnd > end) giveRange(end, headEnd - end);
        at = headEnd;
      }
      return true;
    },
    release(block) {
      if (free[block] !== 0) requireAllocated(allocator, block, 1);
      free[block] = 1;
      freeCount++;
      give(block, 0);
    },
    releaseRun(first, count) {
      requireAllocated(allocator, first, count);
      giveRange(first, count);
    },
    isFree: (block) => free[block] === 1,
    largestRun() {
      let order = orderCount - 1;
      while (order >= 0 && heads[order] === -1) order--;
      return order < 0 ? 0 : 1 << order;
    },
    checkIntegrity() {
      let listed = 0;
      for (let order = 0; order < orderCount; order++) {
        for (let first = heads[order], before = -1; first !== -1; before = first, first = nexts[first]) {
          const count = 1 << order;
          if (previouses[first] !== before) fail(`buddy: run ${first} follows ${before}, not ${previouses[first]}`);
          if (orders[first] !== order || first % count !== 0) fail(`buddy: run ${first} is no run of order ${order}`);
          const buddy = first ^ count;
          if (order + 1 < orderCount && orders[buddy] === order && buddy < blockCount) {
            fail(`buddy: runs ${first} and ${buddy} of order ${order} are not merged`);
          }
          for (let block = first; block < first + count; block++) {
            if (free[block] !== 1) fail(`buddy: block ${block} lies in the free run ${first}, but is not free`);
          }
          listed += count;
        }
      }
      const marked = free.reduce((sum, bit) => sum + bit, 0);
      if (listed !== freeCount || marked !== freeCount) {
        fail(`buddy: ${listed} blocks listed, ${marked} marked free, ${freeCount} counted`);
      }
    },
  };
  return allocator;
}
