// The block pool: reference counts and the free queue, which is at once free list and eviction order.

import { IntegrityError } from '../errors/index.ts';

/** What the rest of the memory layer needs of the pool. All operations are O(1). */
export interface BlockPool {
  readonly blockCount: number;
  /** Blocks in the free queue; those whose content is still cached (evictable) count as free. */
  readonly freeCount: number;
  /** Takes the block at the head of the free queue with one reference, or returns -1 if the queue is empty. */
  allocate(): number;
  /** Adds a reference; an unreferenced block leaves the free queue. */
  retain(block: number): void;
  /**
   * Drops a reference. An unreferenced block enters the free queue: at the tail (used last, least recently used order)
   * if its content is worth keeping, else at the front. Returns whether the block is free now.
   */
  release(block: number, keepContent: boolean): boolean;
  references(block: number): number;
  /** The free queue from head to tail: for checks and pictures, O(free blocks). Throws IntegrityError if it is not a consistent list. */
  freeQueue(): Int32Array;
}

/**
 * A pool of `blockCount` free blocks, metadata in typed arrays (12 bytes a block).
 * The free queue is a doubly linked ring through `next` and `previous`, closed by a sentinel at index `blockCount`.
 */
export function createBlockPool(blockCount: number): BlockPool {
  const references = new Int32Array(blockCount);
  const next = new Int32Array(blockCount + 1);
  const previous = new Int32Array(blockCount + 1);
  const sentinel = blockCount;
  let freeCount = blockCount;
  for (let block = 0; block <= blockCount; block++) {
    next[block] = block === sentinel ? 0 : block + 1;
    previous[block] = block === 0 ? sentinel : block - 1;
  }

  function unlink(block: number): void {
    const before = previous[block];
    const after = next[block];
    next[before] = after;
    previous[after] = before;
    freeCount--;
  }

  function linkAfter(before: number, block: number): void {
    const after = next[before];
    next[before] = block;
    previous[block] = before;
    next[block] = after;
    previous[after] = block;
    freeCount++;
  }

  return {
    blockCount,
    get freeCount() {
      return freeCount;
    },
    allocate() {
      const block = next[sentinel];
      if (block === sentinel) return -1;
      unlink(block);
      references[block] = 1;
      return block;
    },
    retain(block) {
      if (references[block] === 0) unlink(block);
      references[block]++;
    },
    release(block, keepContent) {
      const left = references[block] - 1;
      if (left < 0) throw new IntegrityError(`block ${block} is released but has no reference`);
      references[block] = left;
      if (left > 0) return false;
      linkAfter(keepContent ? previous[sentinel] : sentinel, block);
      return true;
    },
    references: (block) => references[block],
    freeQueue() {
      const queue = new Int32Array(freeCount);
      let count = 0;
      for (let block = next[sentinel], before = sentinel; block !== sentinel; before = block, block = next[block]) {
        if (previous[block] !== before) {
          throw new IntegrityError(
            `free queue: block ${block} follows ${before} but points back to ${previous[block]}`,
          );
        }
        if (count === freeCount) throw new IntegrityError(`free queue: more than the ${freeCount} blocks counted`);
        queue[count++] = block;
      }
      if (count !== freeCount) throw new IntegrityError(`free queue: ${count} blocks linked, ${freeCount} counted`);
      return queue;
    },
  };
}
