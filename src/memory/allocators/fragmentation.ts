// External fragmentation: free space that a run cannot have.

import type { BlockAllocator } from './types.ts';

/** 1 - largest run / free blocks: 0 when all free space is one run, or there is none. */
export function externalFragmentation(allocator: Pick<BlockAllocator, 'freeCount' | 'largestRun'>): number {
  return allocator.freeCount === 0 ? 0 : 1 - allocator.largestRun() / allocator.freeCount;
}

/** The share of free blocks that runs of `runLength` blocks, laid side by side from the start of each free stretch, leave over. O(blocks). */
export function shareOutsideRuns(allocator: Pick<BlockAllocator, 'blockCount' | 'isFree'>, runLength: number): number {
  let free = 0;
  let inRuns = 0;
  let stretch = 0;
  for (let block = 0; block <= allocator.blockCount; block++) {
    if (block < allocator.blockCount && allocator.isFree(block)) {
      stretch++;
      continue;
    }
    free += stretch;
    inRuns += stretch - (stretch % runLength);
    stretch = 0;
  }
  return free === 0 ? 0 : 1 - inRuns / free;
}
