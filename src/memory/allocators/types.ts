// What every allocator of blocks without content (free space) offers.

/**
 * Hands out block ids 0 to `blockCount` - 1. It knows which blocks are free and nothing of what they hold. Blocks that were
 * allocated as a run may be released one by one, and those allocated one by one as a run.
 */
export interface BlockAllocator {
  readonly blockCount: number;
  /** Blocks that `allocate` would still give. */
  readonly freeCount: number;
  /**
   * One block, or -1 if none is free. Near `near` if the allocator can do so at the price of any other block: right behind it where
   * that is free. Never fails for want of a near one.
   */
  allocate(near?: number): number;
  /**
   * The first of `count` neighbouring blocks, all now allocated, or -1 (nothing changed): exactly if `count` exceeds `largestRun()`.
   * Right behind `near` where a run that is long enough begins there, else close to it if that costs no more than any other; on the node of `near` where
   * pools have parts.
   */
  allocateRun(count: number, near?: number): number;
  /** Throws IntegrityError for a block that is not allocated. */
  release(block: number): void;
  /** Releases `count` neighbouring blocks. Throws IntegrityError, with nothing changed, unless all are allocated. */
  releaseRun(first: number, count: number): void;
  isFree(block: number): boolean;
  /** The longest run that `allocateRun` would give now. */
  largestRun(): number;
  /** Throws IntegrityError unless its structures agree with one another. O(blocks). */
  checkIntegrity(): void;
}

/** An allocator that can also be told which blocks to give: what relocation needs. */
export interface AddressableAllocator extends BlockAllocator {
  /** Allocates just these neighbouring blocks. False, with nothing changed, unless all of them are blocks of the pool and free. */
  allocateAt(first: number, count: number): boolean;
}
