// The block pool: reference counts, and the free list of blocks without content.

import { IntegrityError } from '../errors/index.ts';

/** What the rest of the memory layer needs of the pool. All operations are O(1). */
export interface BlockPool {
  readonly blockCount: number;
  /** Blocks in the free list. */
  readonly freeCount: number;
  /** Takes a block from the free list with one reference, or returns -1 if the list is empty. The block freed last goes first. */
  allocate(): number;
  /** Adds a reference to a block that is not in the free list. */
  retain(block: number): void;
  /** Drops a reference, and says whether it was the last one. The block is then in nobody's hands: see `free`. */
  release(block: number): boolean;
  /** Puts an unreferenced block into the free list. */
  free(block: number): void;
  references(block: number): number;
  /** The free list in the order of allocation: for checks and pictures, O(free blocks). */
  freeList(): Int32Array;
}

/** A pool of `blockCount` free blocks, metadata in typed arrays (8 bytes a block). The free list is a stack. */
export function createBlockPool(blockCount: number): BlockPool {
  const references = new Int32Array(blockCount);
  const stack = Int32Array.from({ length: blockCount }, (_, i) => blockCount - 1 - i);
  let freeCount = blockCount;
  return {
    blockCount,
    get freeCount() {
      return freeCount;
    },
    allocate() {
      if (freeCount === 0) return -1;
      const block = stack[--freeCount];
      references[block] = 1;
      return block;
    },
    retain(block) {
      references[block]++;
    },
    release(block) {
      const left = references[block] - 1;
      if (left < 0) throw new IntegrityError(`block ${block} is released but has no reference`);
      references[block] = left;
      return left === 0;
    },
    free(block) {
      if (references[block] !== 0 || freeCount === blockCount) {
        throw new IntegrityError(`block ${block} is freed with ${references[block]} references`);
      }
      stack[freeCount++] = block;
    },
    references: (block) => references[block],
    freeList: () => stack.slice(0, freeCount).reverse(),
  };
}
