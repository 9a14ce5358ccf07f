// Allocators of blocks without content, by name.

import { InvalidRequestError } from '../../errors/index.ts';
import { createBestFitAllocator } from './best-fit.ts';
import { createBuddyAllocator } from './buddy.ts';
import { createFirstFitAllocator } from './first-fit.ts';
import { createFreeListAllocator } from './free-list.ts';
import type { AddressableAllocator } from './types.ts';

export { type AllocateBlocksOptions, allocateBlocks } from './allocate-blocks.ts';
export { externalFragmentation, shareOutsideRuns } from './fragmentation.ts';
export { createSlabAllocator, type SlabAllocator, type SlabOptions } from './slab.ts';
export type { AddressableAllocator, BlockAllocator } from './types.ts';

export const allocatorNames = ['free-list', 'first-fit', 'best-fit', 'buddy'] as const;
export type AllocatorName = (typeof allocatorNames)[number];

const creators: Readonly<Record<AllocatorName, (blockCount: number) => AddressableAllocator>> = {
  'free-list': createFreeListAllocator,
  'first-fit': createFirstFitAllocator,
  'best-fit': createBestFitAllocator,
  buddy: createBuddyAllocator,
};

/**
 * An allocator with all blocks free. `free-list` is the default everywhere; the others find runs without a scan.
 * Throws InvalidRequestError for a name that is not one of `allocatorNames`.
 */
export function createAllocator(name: AllocatorName, blockCount: number): AddressableAllocator {
  requireAllocatorName(name);
  return creators[name](blockCount);
}

export function requireAllocatorName(name: string): asserts name is AllocatorName {
  if (!Object.hasOwn(creators, name)) {
    throw new InvalidRequestError(
      `allocator must be one of ${allocatorNames.join(', ')}, got ${name}`,
      'allocator',
      name,
    );
  }
}
