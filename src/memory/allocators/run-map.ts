// Maximal runs of free blocks with boundary tags: split, and merge with both neighbours, in O(1).

import { fail, mark } from './checks.ts';

/** Told of every run that comes to be and ends. */
export interface RunListener {
  added(first: number, count: number): void;
  removed(first: number, count: number): void;
}

export interface RunMap {
  readonly freeCount: number;
  isFree(block: number): boolean;
  /** Whether `block` is a block of the pool that is not free. */
  isTaken(block: number): boolean;
  /** Length of the free run that begins at `block`, or 0 if none does. */
  lengthAt(block: number): number;
  /** Takes `count` blocks from the front of the run that begins at `first`. */
  takeFront(first: number, count: number): void;
  /** Takes `count` free blocks from anywhere in a run. O(free blocks before them in the run). */
  takeAt(first: number, count: number): void;
  /** Frees blocks that are not free, merging them with the runs around them. */
  give(first: number, count: number): void;
  checkIntegrity(): void;
}

/** All blocks free, as one run, of which `listener` is told. 5 bytes a block. */
export function createRunMap(blockCount: number, listener: RunListener): RunMap {
  /** At the first and the last block of a free run its length; elsewhere anything. */
  const lengths = new Int32Array(blockCount);
  const free = new Uint8Array(blockCount);
  let freeCount = 0;

  function add(first: number, count: number): void {
    lengths[first] = count;
    lengths[first + count - 1] = count;
    listener.added(first, count);
  }

  function give(first: number, count: number): void {
    mark(free, 1, first, count);
    freeCount += count;
    let start = first;
    let end = first + count;
    if (start > 0 && free[start - 1] === 1) {
      const length = lengths[start - 1];
      start -= length;
      listener.removed(start, length);
    }
    if (end < blockCount && free[end] === 1) {
      const length = lengths[end];
      listener.removed(end, length);
      end += length;
    }
    add(start, end - start);
  }

  const lengthAt = (block: number): number =>
    free[block] === 1 && (block === 0 || free[block - 1] === 0) ? lengths[block] : 0;

  function takeAt(first: number, count: number): void {
    let start = first;
    while (start > 0 && free[start - 1] === 1) start--;
    const length = lengths[start];
    listener.removed(start, length);
    mark(free, 0, first, count);
    freeCount -= count;
    if (start < first) add(start, first - start);
    const end = start + length;
    if (end > first + count) add(first + count, end - first - count);
  }

  give(0, blockCount);
  return {
    get freeCount() {
      return freeCount;
    },
    isFree: (block) => free[block] === 1,
    isTaken: (block) => free[block] === 0,
    lengthAt,
    takeFront(first, count) {
      const length = lengths[first];
      listener.removed(first, length);
      mark(free, 0, first, count);
      freeCount -= count;
      if (length > count) add(first + count, length - count);
    },
    takeAt,
    give,
    checkIntegrity() {
      let counted = 0;
      for (let block = 0; block < blockCount; block++) {
        if (free[block] === 0) continue;
        const first = block;
        while (block + 1 < blockCount && free[block + 1] === 1) block++;
        const length = block + 1 - first;
        counted += length;
        if (lengths[first] !== length || lengths[block] !== length) {
          fail(`run ${first} to ${block}: tagged ${lengths[first]} and ${lengths[block]}, ${length} blocks long`);
        }
      }
      if (counted !== freeCount) fail(`${counted} blocks are free, ${freeCount} counted`);
    },
  };
}
