// How blocks lie: figures of the free space and of the tables of those that run.

import { type BlockAllocator, externalFragmentation } from './allocators/index.ts';
import type { BlockPool } from './block-pool.ts';
import type { KvSequence } from './kv-sequence.ts';
import type { PageTable } from './page-table.ts';

export interface MemoryLayout {
  /** The longest run of blocks that are free without an eviction. */
  readonly largestFreeRun: number;
  /** 1 - longest free run / blocks that are free without an eviction; 0 if none are. */
  readonly externalFragmentation: number;
  /** Neighbours in the block tables of sequences that hold memory that are neighbours in the pool too make a run: blocks per run, 0 without blocks. */
  readonly meanRunBlocks: number;
  /** From the lowest to the highest block that sequences hold, per block that they hold: 1 where all lie together, 0 without blocks. */
  readonly heldSpread: number;
}

/** O(blocks + table entries): for whoever asks, not for every step. */
export function measureLayout(
  free: Pick<BlockAllocator, 'freeCount' | 'largestRun'>,
  table: PageTable,
  holders: readonly (Pick<KvSequence, 'row' | 'blockCount'> | null)[],
): MemoryLayout {
  let blocks = 0;
  let runs = 0;
  let lowest = Number.POSITIVE_INFINITY;
  let highest = -1;
  const seen = new Set<number>();
  for (const holder of holders) {
    if (holder === null) continue;
    for (let index = 0; index < holder.blockCount; index++) {
      blocks++;
      const block = table.get(holder.row, index);
      if (block !== -1) {
        seen.add(block);
        lowest = Math.min(lowest, block);
        highest = Math.max(highest, block);
      }
      if (index === 0 || table.get(holder.row, index) !== table.get(holder.row, index - 1) + 1) runs++;
    }
  }
  return {
    largestFreeRun: free.largestRun(),
    externalFragmentation: externalFragmentation(free),
    meanRunBlocks: runs === 0 ? 0 : blocks / runs,
    heldSpread: seen.size === 0 ? 0 : (highest - lowest + 1) / seen.size,
  };
}

/** The longest run of free blocks of a pool that does not know where they lie. */
export function longestRun(pool: BlockPool): number {
  const isFree = new Uint8Array(pool.blockCount);
  for (const block of pool.freeList()) isFree[block] = 1;
  let longest = 0;
  let run = 0;
  for (const bit of isFree) {
    run = bit === 1 ? run + 1 : 0;
    if (run > longest) longest = run;
  }
  return longest;
}
