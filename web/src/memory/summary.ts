// The numbers above the block map: the same that /metrics tells, counted from the state.

import type { MemoryView } from '../../../src/events/memory-view.ts';

export interface MemorySummary {
  readonly total: number;
  /** Blocks with a reference. */
  readonly held: number;
  /** Of those, blocks in the tables of several sequences. */
  readonly shared: number;
  /** Blocks without references whose content can be hit. */
  readonly cached: number;
  readonly free: number;
  /** Slots with a token / slots of the blocks in tables, each table counted by itself; null if there are none. */
  readonly slotUse: number | null;
}

/** O(blocks). */
export function summarise(view: MemoryView, group: number): MemorySummary {
  const { blockCount, references, holds, cached, blockSize } = view.groups[group];
  let held = 0;
  let shared = 0;
  let idle = 0;
  for (let block = 0; block < blockCount; block++) {
    if (references[block] > 0) {
      held++;
      if (references[block] - holds[block] > 1) shared++;
    } else if (cached[block] === 1) idle++;
  }
  let slots = 0;
  let tokens = 0;
  for (const { blocks, computedTokens } of view.sequences.values()) {
    const leftBehind = blocks[group].filter((block) => block < 0).length;
    slots += (blocks[group].length - leftBehind) * blockSize;
    if (blocks[group].length > 0) tokens += computedTokens - leftBehind * blockSize;
  }
  return {
    total: blockCount,
    held,
    shared,
    cached: idle,
    free: blockCount - held - idle,
    slotUse: slots === 0 ? null : tokens / slots,
  };
}
