// The longest prefix that the cache can give a sequence with an attention window.

import type { AttentionReach } from './attention-reach.ts';
import type { BlockHasher } from './block-hash.ts';
import { extendChain, type KvSequenceState } from './kv-sequence.ts';
import type { PrefixCache } from './prefix-cache.ts';

export interface WindowMatchParts {
  readonly blockSize: number;
  readonly cache: PrefixCache;
  readonly hasher: BlockHasher;
  /** Filled with the blocks of the match; -1, or a block that is not needed, where no token after it reaches. */
  readonly wholeBlocks: number[];
}

/**
 * A prefix of n blocks is a hit when those that tokens after it attend to are cached: its sinks, and the blocks that the window of its
 * next token reaches. That is enough because a block's hash is that of the whole chain before it: what it holds is right whether or not that
 * chain is still there, and nothing reads further back. Takes the largest such n, at most `limitBlocks`. O(limitBlocks).
 */
export function matchInWindow(
  sequence: KvSequenceState,
  limitBlocks: number,
  reach: AttentionReach,
  { blockSize, cache, hasher, wholeBlocks }: WindowMatchParts,
): void {
  extendChain(sequence, Math.max(sequence.hashedBlocks, limitBlocks), hasher);
  let matched = 0;
  /** Cached blocks that end at the one looked at, without a gap. */
  let run = 0;
  for (let index = 0; index < limitBlocks; index++) {
    const block = cache.find(sequence.chain, index + 1);
    wholeBlocks.push(block);
    run = block === -1 ? 0 : run + 1;
    if (block === -1 && index < reach.sinkBlocks) break;
    if (run >= index + 1 - reach.firstBlock((index + 1) * blockSize)) matched = index + 1;
  }
  wholeBlocks.length = matched;
}
