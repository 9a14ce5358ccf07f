// Best fit: the shortest run that fits, so that long runs are broken last.

import { fail, isFreeRun, requireAllocated, requireSize } from './checks.ts';
import { createOrderedBits } from './ordered-bits.ts';
import type { AddressableAllocator } from './types.ts';

/** What is kept of a block lies together: who touches one of them needs the others next. */
const STRIDE_BITS = 2;
/** At the first block of a free run: the first blocks of the runs of its length after and before it, or -1. */
const NEXT = 0;
const PREVIOUS = 1;
/** At the first and the last block of a free run its length (boundary tags); at others of it anything but 0, which says that a block is taken. */
const LENGTH = 2;
/** Lengths below this one are short. */
const SHORT = 32;

/**
 * Free runs in one list for each length, and the lengths that have any in an ordered set: every operation on a block is O(log32 blocks), on a run of n
 * O(n) beside that. Among runs of one length the one that came to be last. 16 bytes a block, and 4 a length.
 */
export function createBestFitAllocator(blockCount: number): AddressableAllocator {
  requireSize('blockCount', blockCount);
  const blocks = new Int32Array(blockCount << STRIDE_BITS);
  /** By length: the first block of the first run. */
  const heads = new Int32Array(blockCount + 1).fill(-1);
  /** Lengths that have runs: short ones, which change all the time, as the bits of a number. */
  let shortLengths = 0;
  const lengths = createOrderedBits(blockCount + 1);
  let freeCount = 0;
  releaseBlocks(0, blockCount);

  /** A run that has its mark of being free at every block. */
  function link(first: number, count: number): void {
    const at = first << STRIDE_BITS;
    const after = heads[count];
    blocks[at + NEXT] = after;
    blocks[at + PREVIOUS] = -1;
    blocks[at + LENGTH] = count;
    blocks[((first + count - 1) << STRIDE_BITS) + LENGTH] = count;
    if (after !== -1) blocks[(after << STRIDE_BITS) + PREVIOUS] = first;
    else if (count < SHORT) shortLengths |= 1 << count;
    else lengths.add(count);
    heads[count] = first;
  }

  function unlink(first: number, count: number): void {
    const at = first << STRIDE_BITS;
    const after = blocks[at + NEXT];
    const before = blocks[at + PREVIOUS];
    if (after !== -1) blocks[(after << STRIDE_BITS) + PREVIOUS] = before;
    if (before !== -1) blocks[(before << STRIDE_BITS) + NEXT] = after;
    else {
      heads[count] = after;
      if (after === -1) forgetLength(count);
    }
  }

  function forgetLength(count: number): void {
    if (count < SHORT) shortLengths &= ~(1 << count);
    else lengths.remove(count);
  }

  /** The shortest length of at least `count` that has runs, or -1. */
  function lengthFor(count: number): number {
    const longer = count < SHORT ? shortLengths & (-1 << count) : 0;
    return longer !== 0 ? 31 - Math.clz32(longer & -longer) : lengths.atLeast(count);
  }

  function mark(first: number, count: number, length: 0 | 1): void {
    for (let block = first; block < first + count; block++) blocks[(block << STRIDE_BITS) + LENGTH] = length;
    freeCount += length === 0 ? -count : count;
  }

  /** Frees blocks that are taken, merged with the free runs on both sides. */
  function releaseBlocks(first: number, count: number): void {
    if (count > 1) mark(first, count, 1);
    else {
      blocks[(first << STRIDE_BITS) + LENGTH] = 1;
      freeCount++;
    }
    let start = first;
    let end = first + count;
    const lengthBefore = start === 0 ? 0 : blocks[((start - 1) << STRIDE_BITS) + LENGTH];
    if (lengthBefore > 0) {
      start -= lengthBefore;
      unlink(start, lengthBefore);
    }
    const lengthAfter = end === blockCount ? 0 : blocks[(end << STRIDE_BITS) + LENGTH];
    if (lengthAfter > 0) {
      unlink(end, lengthAfter);
      end += lengthAfter;
    }
    link(start, end - start);
  }

  const isFree = (block: number): boolean => blocks[(block << STRIDE_BITS) + LENGTH] > 0;

  /** Length of the free run that begins at `block`, or 0 if none does. */
  const lengthAt = (block: number): number =>
    block > 0 && isFree(block - 1) ? 0 : blocks[(block << STRIDE_BITS) + LENGTH];

  /** Takes `count` blocks from the front of a free run. */
  function takeFront(first: number, count: number): void {
    const length = blocks[(first << STRIDE_BITS) + LENGTH];
    unlink(first, length);
    mark(first, count, 0);
    if (length > count) link(first + count, length - count);
  }

  /** Takes free blocks from anywhere in a run. O(free blocks before them in the run). */
  function takeAt(first: number, count: number): void {
    let start = first;
    while (start > 0 && isFree(start - 1)) start--;
    const length = blocks[(start << STRIDE_BITS) + LENGTH];
    unlink(start, length);
    mark(first, count, 0);
    if (start < first) link(start, first - start);
    const end = start + length;
    if (end > first + count) link(first + count, end - first - count);
  }

  function take(count: number): number {
    const length = lengthFor(count);
    if (length === -1) return -1;
    const first = heads[length];
    takeFront(first, count);
    return first;
  }

  /** The same for one block. */
  function takeOne(): number {
    const length = lengthFor(1);
    if (length === -1) return -1;
    const first = heads[length];
    const at = first << STRIDE_BITS;
    const after = blocks[at + NEXT];
    heads[length] = after;
    if (after === -1) forgetLength(length);
    else blocks[(after << STRIDE_BITS) + PREVIOUS] = -1;
    blocks[at + LENGTH] = 0;
    freeCount--;
    if (length > 1) link(first + 1, length - 1);
    return first;
  }

  const allocator: AddressableAllocator = {
    blockCount,
    get freeCount() {
      return freeCount;
    },
    allocate(near) {
      if (near === undefined || near + 1 >= blockCount || lengthAt(near + 1) === 0) return takeOne();
      takeFront(near + 1, 1);
      return near + 1;
    },
    allocateRun(count, near) {
      requireSize('count', count);
      if (near === undefined || near + 1 >= blockCount || lengthAt(near + 1) < count) {
        return count > blockCount ? -1 : take(count);
      }
      takeFront(near + 1, count);
      return near + 1;
    },
    allocateAt(first, count) {
      if (!isFreeRun(allocator, first, count)) return false;
      takeAt(first, count);
      return true;
    },
    release(block) {
      // Not a number of a block: undefined.
      if (blocks[(block << STRIDE_BITS) + LENGTH] !== 0 || block !== block << 0) requireAllocated(allocator, block, 1);
      releaseBlocks(block, 1);
    },
    releaseRun(first, count) {
      requireAllocated(allocator, first, count);
      releaseBlocks(first, count);
    },
    isFree,
    largestRun: () => Math.max(0, lengths.largest(), 31 - Math.clz32(shortLengths)),
    checkIntegrity() {
      let counted = 0;
      for (let block = 0; block < blockCount; block++) {
        if (!isFree(block)) continue;
        const first = block;
        while (block + 1 < blockCount && isFree(block + 1)) block++;
        const length = block + 1 - first;
        counted += length;
        const [atFirst, atLast] = [first, block].map((at) => blocks[(at << STRIDE_BITS) + LENGTH]);
        if (atFirst !== length || atLast !== length) {
          fail(`best fit: run ${first} to ${block} is tagged ${atFirst} and ${atLast}, ${length} blocks long`);
        }
      }
      let listed = 0;
      for (let length = 1; length <= blockCount; length++) {
        const isKnown = length < SHORT ? (shortLengths & (1 << length)) !== 0 : lengths.has(length);
        if ((heads[length] !== -1) !== isKnown) fail(`best fit: the set of lengths is stale at ${length}`);
        let before = -1;
        for (let first = heads[length]; first !== -1; before = first, first = blocks[(first << STRIDE_BITS) + NEXT]) {
          const previous = blocks[(first << STRIDE_BITS) + PREVIOUS];
          if (previous !== before) fail(`best fit: run ${first} follows ${before}, not ${previous}`);
          if (lengthAt(first) !== length) fail(`best fit: run ${first} is listed as ${length} long, but is not`);
          listed += length;
        }
      }
      if (listed !== freeCount || counted !== freeCount) {
        fail(`best fit: ${listed} blocks listed, ${counted} marked free, ${freeCount} counted`);
      }
    },
  };
  return allocator;
}
