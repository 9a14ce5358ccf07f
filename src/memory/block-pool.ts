// The block pool: reference counts, and the free blocks, which have no content.

import { IntegrityError } from '../errors/index.ts';
import type { AddressableAllocator } from './allocators/index.ts';

/** What the rest of the memory layer needs of the pool. Operations on single blocks are O(1) on the default stack. */
export interface BlockPool {
  readonly blockCount: number;
  /** Free blocks. */
  readonly freeCount: number;
  /** Knows where free blocks lie; null for the default, a stack, which does not, and gives no runs. */
  readonly allocator: AddressableAllocator | null;
  /** Takes a free block with one reference, or returns -1 if there is none. `near` as for BlockAllocator; without one the block freed last goes first. */
  allocate(near?: number): number;
  /** The first of `count` neighbouring blocks, each with one reference, or -1 (nothing changed). Right behind `near` where they are free. */
  allocateRun(count: number, near?: number): number;
  /** Takes a free block that the caller names, with one reference. False if it is not free, or the pool cannot tell. */
  allocateAt(block: number): boolean;
  /** Adds a reference to a block that is not free. */
  retain(block: number): void;
  /** Drops a reference, and says whether it was the last one. The block is then in nobody's hands: see `free`. */
  release(block: number): boolean;
  /** Makes an unreferenced block a free one. */
  free(block: number): void;
  references(block: number): number;
  /** Takes references from one block, which keeps some, and gives them to another, which has some. */
  transfer(from: number, to: number, count: number): void;
  /** The free blocks, a stack's in the order of allocation: for checks and pictures, O(blocks). */
  freeList(): Int32Array;
}

/** A pool of `blockCount` free blocks, metadata in typed arrays: 8 bytes a block, or 4 and the allocator's, whose blocks must all be free. */
export function createBlockPool(blockCount: number, allocator: AddressableAllocator | null = null): BlockPool {
  return allocator === null ? createStackPool(blockCount) : createAllocatorPool(blockCount, allocator);
}

/** What both kinds do alike. */
function referenceCounts(references: Int32Array): Pick<BlockPool, 'retain' | 'release' | 'references' | 'transfer'> {
  return {
    retain(block) {
      references[block]++;
    },
    release(block) {
      const left = references[block] - 1;
      if (left < 0) throw new IntegrityError(`block ${block} is released but has no reference`);
      references[block] = left;
      return left === 0;
    },
    references: (block) => references[block],
    transfer(from, to, count) {
      if (references[from] <= count || references[to] === 0) {
        throw new IntegrityError(
          `${count} of ${references[from]} references of block ${from} cannot go to block ${to}`,
        );
      }
      references[from] -= count;
      references[to] += count;
    },
  };
}

function createStackPool(blockCount: number): BlockPool {
  const references = new Int32Array(blockCount);
  const stack = Int32Array.from({ length: blockCount }, (_, i) => blockCount - 1 - i);
  let freeCount = blockCount;
  return {
    ...referenceCounts(references),
    blockCount,
    allocator: null,
    get freeCount() {
      return freeCount;
    },
    allocate() {
      if (freeCount === 0) return -1;
      const block = stack[--freeCount];
      references[block] = 1;
      return block;
    },
    allocateRun: () => -1,
    allocateAt: () => false,
    free(block) {
      if (references[block] !== 0 || freeCount === blockCount) {
        throw new IntegrityError(`block ${block} is freed with ${references[block]} references`);
      }
      stack[freeCount++] = block;
    },
    freeList: () => stack.slice(0, freeCount).reverse(),
  };
}

function createAllocatorPool(blockCount: number, allocator: AddressableAllocator): BlockPool {
  const references = new Int32Array(blockCount);
  return {
    ...referenceCounts(references),
    blockCount,
    allocator,
    get freeCount() {
      return allocator.freeCount;
    },
    allocate(near) {
      const block = allocator.allocate(near);
      if (block !== -1) references[block] = 1;
      return block;
    },
    allocateRun(count, near) {
      const first = allocator.allocateRun(count, near);
      if (first !== -1) references.fill(1, first, first + count);
      return first;
    },
    allocateAt(block) {
      if (!allocator.allocateAt(block, 1)) return false;
      references[block] = 1;
      return true;
    },
    free(block) {
      if (references[block] !== 0) {
        throw new IntegrityError(`block ${block} is freed with ${references[block]} references`);
      }
      allocator.release(block);
    },
    freeList() {
      const free: number[] = [];
      for (let block = 0; block < blockCount; block++) if (allocator.isFree(block)) free.push(block);
      return Int32Array.from(free);
    },
  };
}
