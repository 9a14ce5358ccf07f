// A sequence in memory of several cache groups: one sequence in each of them.

import type { KvSequence } from './kv-sequence.ts';

export interface HybridSequence extends KvSequence {
  /** In the order of the groups. All are at the same token. */
  readonly members: readonly KvSequence[];
}

/** What the handle shows is the first member's. */
export function createHybridSequence(
  tokenIds: readonly number[],
  salt: string,
  members: readonly KvSequence[],
): HybridSequence {
  const [first] = members;
  return {
    id: first.id,
    tokenIds,
    salt,
    members,
    get row() {
      return first.row;
    },
    get blockCount() {
      return first.blockCount;
    },
    get computedTokens() {
      return first.computedTokens;
    },
    get scheduledTokens() {
      return first.scheduledTokens;
    },
    get preparedTokens() {
      return first.preparedTokens;
    },
  };
}
