// Allocators of blocks without content, by name.

import { createBestFitAllocator } from './best-fit.ts';
import { createBuddyAllocator } from './buddy.ts';
import { createFirstFitAllocator } from './first-fit.ts';
import { createFreeListAllocator } from './free-list.ts';
import type { BlockAllocator } from './types.ts';

export { type AllocateBlocksOptions, allocateBlocks } from './allocate-blocks.ts';
export { externalFragmentation, shareOutsideRuns } from './fragmentation.ts';
export { createSlabAllocator, type SlabAllocator, type SlabOptions } from './slab.ts';
export type { BlockAllocator } from './types.ts';

export const allocatorNames = ['free-list', 'first-fit', 'best-fit', 'buddy'] as const;
export type AllocatorName = (typeof allocatorNames)[number];

const creators: Readonly<Record<AllocatorName, (blockCount: number) => BlockAllocator>> = {
  'free-list': createFreeListAllocator,
  'first-fit': createFirstFitAllocator,
  'best-fit': createBestFitAllocator,
  buddy: createBuddyAllocator,
};

/** An allocator with all blocks free. `free-list` is the default everywhere; the others find runs without a scan. */
export function createAllocator(name: AllocatorName, blockCount: number): BlockAllocator {
  return creators[name](blockCount);
}
