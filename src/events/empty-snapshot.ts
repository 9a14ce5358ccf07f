// The state that a run begins with.

import { deviceTier, type Snapshot } from './types.ts';

/** The state of a run that has not begun: empty pools of these sizes. */
export function emptySnapshot(
  groups: readonly { readonly blockSize: number; readonly blockCount: number }[],
): Snapshot {
  return {
    nextEventId: 0,
    step: 0,
    timeMs: 0,
    groups: groups.map(({ blockSize, blockCount }, group) => {
      const zeros = Array.from({ length: blockCount }, () => 0);
      const empty = Array.from({ length: blockCount }, () => '');
      return {
        group,
        blockSize,
        blockCount,
        references: zeros,
        holds: zeros,
        cached: zeros,
        hashes: empty,
        parents: empty,
        indices: zeros.map(() => -1),
        usedMs: zeros,
        sources: zeros,
        tiers: zeros,
        tierNames: [deviceTier],
      };
    }),
    sequences: [],
    counts: {
      steps: 0,
      computedTokens: 0,
      generatedTokens: 0,
      preemptions: 0,
      evictions: 0,
      copyOnWrites: 0,
      partialHitCopies: 0,
      merges: 0,
      pagesIn: 0,
      pagesOut: 0,
    },
  };
}
