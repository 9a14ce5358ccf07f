// How many blocks of each cache group admission is to leave free, where it names a number of blocks of the first.

import type { HybridSequence } from './hybrid-sequence.ts';
import type { KvMemory } from './types.ts';

export interface SpareRequest {
  /** The first is the one that `spareBlocks` counts blocks of. */
  readonly groups: readonly KvMemory[];
  readonly holders: Iterable<HybridSequence>;
  /** The sequence that is to grow or to join: what it will need counts where it is asked for. */
  readonly sequence: HybridSequence;
  readonly spareBlocks: number;
  /** Tokens that it has with the step, where its later blocks are part of `spareBlocks`; 0 where they are not. */
  readonly joinsTo: number;
}

/**
 * Spare blocks are what the sequences that hold memory lack for the tokens they know, and some to grow into. Each group is asked for what they lack in
 * it (little, where it has a window), and for the same share of its blocks to grow into. O(holders), nothing without spare blocks.
 */
export function spareOfGroups({ groups, holders, sequence, spareBlocks, joinsTo }: SpareRequest): readonly number[] {
  if (spareBlocks === 0) return groups.map(() => 0);
  const lacking = groups.map((group) =>
    joinsTo === 0 ? 0 : Math.max(0, group.blocksFor(sequence.tokenIds.length) - group.blocksFor(joinsTo)),
  );
  for (const holder of holders) {
    if (holder === sequence || holder.row === -1) continue;
    for (const [i, group] of groups.entries()) {
      lacking[i] += Math.max(0, group.blocksFor(holder.tokenIds.length) - group.heldBlocks(holder.members[i]));
    }
  }
  const mainBlocks = groups[0].usage().blockCount;
  const growth = Math.max(0, spareBlocks - lacking[0]) / mainBlocks;
  return groups.map((group, i) => (i === 0 ? spareBlocks : lacking[i] + Math.ceil(growth * group.usage().blockCount)));
}
