// First fit: always the lowest address that fits, which keeps the far end of the pool free for long runs.

import { fail, isFreeRun, requireAllocated, requireSize } from './checks.ts';
import { createOrderedBits } from './ordered-bits.ts';
import type { AddressableAllocator } from './types.ts';

/** Ones from the lowest bit of `word` on, which is not -1. */
const trailingOnes = (word: number): number => 31 - Math.clz32(~word & (word + 1));

/**
 * A bit for each free block, and bits that say which words have any: single blocks are O(log32 blocks). Runs, and the longest, are looked for word by word
 * from the lowest free block on: O(blocks / 32), which is tens of microseconds in a pool of a million blocks. About a bit a block.
 */
export function createFirstFitAllocator(blockCount: number): AddressableAllocator {
  requireSize('blockCount', blockCount);
  const bits = createOrderedBits(blockCount);
  const { words } = bits;
  let freeCount = blockCount;
  /** No word before this one has a free block. */
  let low = 0;
  for (let block = 0; block < blockCount; block++) bits.add(block);

  /** The lowest free block; there is one. */
  function lowest(): number {
    if (words[low] === 0) low = bits.atLeast(low * 32) >> 5;
    const word = words[low];
    return low * 32 + 31 - Math.clz32(word & -word);
  }

  function give(block: number): void {
    bits.add(block);
    freeCount++;
    if (block >> 5 < low) low = block >> 5;
  }

  /** Where the lowest run of `count` free blocks begins, or -1; the longest run met on the way, at most `count`, goes to `longest`. */
  let longest = 0;
  function lowestRun(count: number): number {
    longest = 0;
    let run = 0;
    for (let index = low; index < words.length; index++) {
      const word = words[index];
      if (word === -1) {
        run += 32;
        if (run > longest) longest = run;
        if (run >= count) return (index + 1) * 32 - run;
        continue;
      }
      for (let at = 0, rest = word; at < 32; ) {
        const ones = trailingOnes(rest);
        run += ones;
        if (run > longest) longest = run;
        if (run >= count) return index * 32 + at + ones - run;
        at += ones;
        // A run goes on in the next word only from the last bit of this one.
        if (at === 32) break;
        run = 0;
        rest = word >>> at;
        if (rest === 0) break;
        const zeros = 31 - Math.clz32(rest & -rest);
        at += zeros;
        rest = word >>> at;
      }
    }
    return -1;
  }

  function take(first: number, count: number): number {
    for (let block = first; block < first + count; block++) bits.remove(block);
    freeCount -= count;
    return first;
  }

  const allocator: AddressableAllocator = {
    blockCount,
    get freeCount() {
      return freeCount;
    },
    allocate(near) {
      if (freeCount === 0) return -1;
      const after = near === undefined || near + 1 >= blockCount ? -1 : bits.atLeast(near + 1);
      const block = after === -1 ? lowest() : after;
      bits.remove(block);
      freeCount--;
      return block;
    },
    allocateRun(count, near) {
      requireSize('count', count);
      if (near !== undefined && isFreeRun(allocator, near + 1, count)) return take(near + 1, count);
      const first = count > freeCount ? -1 : lowestRun(count);
      return first === -1 ? -1 : take(first, count);
    },
    allocateAt(first, count) {
      if (!isFreeRun(allocator, first, count)) return false;
      take(first, count);
      return true;
    },
    release(block) {
      if (!Number.isInteger(block) || block < 0 || block >= blockCount || bits.has(block)) {
        requireAllocated(allocator, block, 1);
      }
      give(block);
    },
    releaseRun(first, count) {
      requireAllocated(allocator, first, count);
      for (let block = first; block < first + count; block++) give(block);
    },
    isFree: bits.has,
    largestRun() {
      if (freeCount > 0) lowestRun(Number.POSITIVE_INFINITY);
      return freeCount === 0 ? 0 : longest;
    },
    checkIntegrity() {
      let counted = 0;
      for (let block = 0; block < blockCount; block++) if (bits.has(block)) counted++;
      if (counted !== freeCount) fail(`first fit: ${counted} blocks are free, ${freeCount} counted`);
      let seen = 0;
      for (let block = bits.atLeast(0); block !== -1; block = bits.atLeast(block + 1)) seen++;
      if (seen !== freeCount) fail(`first fit: ${seen} free blocks are found, ${freeCount} counted`);
      for (let index = 0; index < low; index++) {
        if (words[index] !== 0) fail(`first fit: blocks of word ${index} are free, but the lowest is in word ${low}`);
      }
    },
  };
  return allocator;
}
