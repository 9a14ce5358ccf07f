// How much of the pool the sequences of one tenant may hold together, charged before anything is allocated.

import type { KvMemory } from '../memory/index.ts';
import type { SequenceState } from './sequence.ts';

export interface TenantQuota {
  /** Whether a sequence of the tenant that needs `blockCount` blocks may join those that run. */
  admits(salt: string, blockCount: number): boolean;
  /** Tokens by which a running sequence may still grow: into its last block, and into what is left of the quota. */
  room(sequence: SequenceState, blockSize: number): number;
}

/** `running` is read whenever it is asked; a tenant is a salt. O(running sequences) with a quota, nothing without. */
export function createTenantQuota(
  quotaBlocks: number,
  running: readonly SequenceState[],
  kv: Pick<KvMemory, 'heldBlocks'>,
): TenantQuota {
  function held(salt: string): number {
    let blocks = 0;
    for (const { memory } of running) if (memory.salt === salt) blocks += kv.heldBlocks(memory);
    return blocks;
  }
  return {
    admits: (salt, blockCount) => quotaBlocks === Number.POSITIVE_INFINITY || held(salt) + blockCount <= quotaBlocks,
    room({ memory }, blockSize) {
      if (quotaBlocks === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
      const slack = memory.blockCount * blockSize - memory.computedTokens;
      return slack + Math.max(0, quotaBlocks - held(memory.salt)) * blockSize;
    },
  };
}
