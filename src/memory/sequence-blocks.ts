// The blocks in a sequence's block table: given, shared, left behind, taken back.

import type { KvSequenceState } from './kv-sequence.ts';
import type { MemoryParts } from './memory-parts.ts';

export interface SequenceBlocks {
  /** What a sequence's block table holds from `index` on, before `end`. */
  entries(sequence: KvSequenceState, index: number, end?: number): number[];
  append(sequence: KvSequenceState, block: number): void;
  /** The block that the next one of a sequence should be near: undefined if it has none, or a window has left it behind. */
  near(sequence: KvSequenceState): number | undefined;
  /** Gives a sequence new blocks up to `wantedBlocks`; they are there. */
  extend(sequence: KvSequenceState, wantedBlocks: number): void;
  /** Removes blocks from the end of a block table, last first, so that a sequence's tail is evicted before its head. */
  shrink(sequence: KvSequenceState, keepBlocks: number): void;
  /** Gives back the blocks that the window has left behind since `fromTokens`; those that are cached stay evictable. */
  leaveBehind(sequence: KvSequenceState, fromTokens: number): void;
  /** Gives a sequence a row; there is one. */
  hold(sequence: KvSequenceState): void;
  /** Takes everything back. */
  letGo(sequence: KvSequenceState): void;
}

export function createSequenceBlocks(parts: MemoryParts): SequenceBlocks {
  const { allocatorName, mateBlock, table, reach, store, journal, holders, placement, paging } = parts;
  const { allocate, drop } = store;

  function append(sequence: KvSequenceState, block: number): void {
    table.set(sequence.row, sequence.blockCount++, block);
  }

  function near(sequence: KvSequenceState): number | undefined {
    if (placement !== null) return placement.near(sequence);
    const block = sequence.blockCount === 0 ? mateBlock(sequence) : table.get(sequence.row, sequence.blockCount - 1);
    return block === -1 ? undefined : block;
  }

  function entries({ row, blockCount: count }: KvSequenceState, index: number, end = count): number[] {
    const blocks: number[] = [];
    for (let at = index; at < end; at++) blocks.push(table.get(row, at));
    return blocks;
  }

  function extend(sequence: KvSequenceState, wantedBlocks: number): void {
    const held = sequence.blockCount;
    // The free list gives no runs.
    if (allocatorName === 'free-list') {
      while (sequence.blockCount < wantedBlocks) append(sequence, allocate(placement?.near(sequence)));
    } else if (sequence.blockCount < wantedBlocks) {
      const take = (block: number): void => append(sequence, block);
      store.allocateRuns(wantedBlocks - sequence.blockCount, near(sequence), take);
    }
    if (journal.isOn && wantedBlocks > held) journal.allocated(sequence.id, held, entries(sequence, held));
  }

  function shrink(sequence: KvSequenceState, keepBlocks: number): void {
    if (journal.isOn && sequence.blockCount > keepBlocks) {
      journal.released(sequence.id, keepBlocks, entries(sequence, keepBlocks));
    }
    while (sequence.blockCount > keepBlocks) {
      const index = --sequence.blockCount;
      const block = table.get(sequence.row, index);
      if (block === -1) continue;
      table.clear(sequence.row, index);
      drop(block);
    }
  }

  function leaveBehind(sequence: KvSequenceState, fromTokens: number): void {
    const end = reach.firstBlock(sequence.computedTokens);
    const first = Math.max(reach.sinkBlocks, reach.firstBlock(fromTokens));
    if (journal.isOn && first < end) journal.leftBehind(sequence.id, first, entries(sequence, first, end));
    for (let index = first; index < end; index++) {
      const block = table.get(sequence.row, index);
      table.clear(sequence.row, index);
      paging?.noteLeftBehind(block);
      drop(block);
    }
  }

  function hold(sequence: KvSequenceState): void {
    sequence.row = table.takeRow();
    holders[sequence.row] = sequence;
  }

  function letGo(sequence: KvSequenceState): void {
    shrink(sequence, 0);
    table.giveRow(sequence.row);
    holders[sequence.row] = null;
    sequence.row = -1;
    sequence.computedTokens = 0;
    sequence.scheduledTokens = 0;
    sequence.preparedTokens = 0;
    sequence.joined = false;
    sequence.releasing = false;
  }

  return { entries, append, near, extend, shrink, leaveBehind, hold, letGo };
}
