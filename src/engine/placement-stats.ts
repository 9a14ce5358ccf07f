// Where blocks lie and what keeping the page table up to date took, for EngineStats.

import type { KvMemory, MemoryLayout, PageTableCounters } from '../memory/index.ts';

export interface PlacementStats extends MemoryLayout {
  /** Requests for several blocks that got one run, and that had to be split. */
  readonly grantedRuns: number;
  readonly splitRuns: number;
  /** Blocks that compaction moved. */
  readonly relocatedBlocks: number;
  /** Of the flat block table, which is the kernels' translation cache. */
  readonly pageTable: PageTableCounters;
}

/** Measures the layout, which looks at every block, only where blocks have changed hands since it was asked last. */
export function createPlacementStats(memory: KvMemory): () => PlacementStats {
  let layout: MemoryLayout | null = null;
  let measuredAt = '';
  return () => {
    const { pageTable, grantedRuns, splitRuns, relocatedBlocks } = memory.counters;
    const { freeBlocks, evictableBlocks } = memory.usage();
    const now = [pageTable.updates, pageTable.invalidations, freeBlocks, evictableBlocks].join();
    if (layout === null || now !== measuredAt) layout = memory.layout();
    measuredAt = now;
    return { ...layout, grantedRuns, splitRuns, relocatedBlocks, pageTable };
  };
}
