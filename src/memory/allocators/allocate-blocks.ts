// Several blocks at once, all or none, in runs where there are any.

import type { BlockAllocator } from './types.ts';

export interface AllocateBlocksOptions {
  /** Ask for runs: one of all blocks if there is one, else the longest there are. Defaults to false: single blocks. */
  readonly inRuns?: boolean;
  /** The block that the first one should be near. */
  readonly near?: number;
}

/**
 * Puts `count` allocated blocks into `into`, from `at` on. False if there are not so many, and then nothing is allocated: what
 * had been is released again, also where an allocator gives less than it counts.
 */
export function allocateBlocks(
  allocator: BlockAllocator,
  count: number,
  into: Int32Array,
  at = 0,
  options: AllocateBlocksOptions = {},
): boolean {
  if (count > allocator.freeCount) return false;
  let { near } = options;
  let taken = 0;
  let wantedRun = options.inRuns === true ? Math.min(count, Math.max(1, allocator.largestRun())) : 1;
  try {
    while (taken < count) {
      wantedRun = Math.min(wantedRun, count - taken);
      const first = wantedRun > 1 ? allocator.allocateRun(wantedRun) : allocator.allocate(near);
      if (first !== -1) {
        for (let i = 0; i < wantedRun; i++) into[at + taken++] = first + i;
        near = first + wantedRun - 1;
      } else if (wantedRun > 1) {
        wantedRun = Math.max(1, Math.min(wantedRun - 1, allocator.largestRun()));
      } else {
        return false;
      }
    }
    return true;
  } finally {
    if (taken < count) while (taken > 0) allocator.release(into[at + --taken]);
  }
}
