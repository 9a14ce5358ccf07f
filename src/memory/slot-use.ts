// How many slots of held blocks have a token in them: what is left is internal fragmentation.

import type { KvSequence } from './kv-sequence.ts';
import type { KvMemory, SlotUse } from './types.ts';

/** O(rows). */
export function slotUseOf(
  memory: Pick<KvMemory, 'usage' | 'blockSize' | 'blockTables' | 'blockTableStride'>,
  holders: readonly (KvSequence | null)[],
): SlotUse {
  const { blockSize, blockTables, blockTableStride } = memory;
  const { referencedBlocks } = memory.usage();
  let unusedSlots = 0;
  /** A partial last block that forks share is counted once, by the one that fills most of it. */
  const unusedIn = new Map<number, number>();
  for (const holder of holders) {
    if (holder === null || holder.blockCount === 0) continue;
    const { row, blockCount, computedTokens, scheduledTokens } = holder;
    const unused = blockCount * blockSize - computedTokens - scheduledTokens;
    if (unused <= 0) continue;
    const last = blockTables[row * blockTableStride + blockCount - 1];
    unusedIn.set(last, Math.min(unused, unusedIn.get(last) ?? Number.POSITIVE_INFINITY));
  }
  for (const unused of unusedIn.values()) unusedSlots += unused;
  return { heldSlots: referencedBlocks * blockSize, usedSlots: referencedBlocks * blockSize - unusedSlots };
}
