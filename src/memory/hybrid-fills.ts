// Fills and holds in memory of several cache groups: one in each group, all of the same leading blocks.

import { IntegrityError } from '../errors/index.ts';
import { type BlockFill, fillsOf } from './block-fill.ts';
import type { KvSequence } from './kv-sequence.ts';
import type { KvMemory } from './types.ts';

/** See KvMemory.beginFill, endFill and holdPrefix; members and spare blocks are one for each group. */
export interface HybridFills {
  begin(
    members: readonly KvSequence[],
    firstBlock: number,
    count: number,
    spareBlocks: readonly number[],
  ): BlockFill | null;
  end(fill: BlockFill, filledCount: number): void;
  hold(members: readonly KvSequence[], limitTokens: number): BlockFill;
}

export function createHybridFills(groups: readonly KvMemory[]): HybridFills {
  const [{ blockSize }] = groups;
  /** By open fill the fill of the first group, whose figures it shows. */
  const firsts = new WeakMap<BlockFill, BlockFill>();

  function join(parts: readonly BlockFill[]): BlockFill {
    const fill = { ...parts[0], otherGroups: parts.slice(1) };
    firsts.set(fill, parts[0]);
    return fill;
  }

  function undo(parts: readonly BlockFill[]): void {
    for (const [i, part] of parts.entries()) groups[i].endFill(part, 0);
  }

  return {
    begin(members, firstBlock, count, spareBlocks) {
      const parts: BlockFill[] = [];
      for (const [i, group] of groups.entries()) {
        const part = group.beginFill(members[i], firstBlock, count, spareBlocks[i]);
        if (part === null) {
          undo(parts);
          return null;
        }
        parts.push(part);
      }
      return join(parts);
    },
    end(fill, filledCount) {
      const first = firsts.get(fill);
      if (first === undefined) throw new IntegrityError('the end of a fill that has ended');
      firsts.delete(fill);
      let left = filledCount;
      for (const [i, part] of [first, ...fillsOf(fill).slice(1)].entries()) {
        const filled = Math.min(left, part.blocks.length);
        groups[i].endFill(part, filled);
        left -= filled;
      }
    },
    hold(members, limitTokens) {
      // What one group lacks the others need not hold.
      for (let limit = limitTokens; ; ) {
        const parts = groups.map((group, i) => group.holdPrefix(members[i], limit));
        const shortest = Math.min(...parts.map(({ endBlock }) => endBlock));
        if (parts.every(({ endBlock }) => endBlock === shortest)) return join(parts);
        undo(parts);
        limit = shortest * blockSize;
      }
    },
  };
}
