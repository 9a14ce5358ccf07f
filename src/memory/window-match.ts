// The longest prefix that what is there of a sequence makes a hit.

import type { AttentionReach } from './attention-reach.ts';
import type { BlockHasher } from './block-hash.ts';
import { extendChain, type KvSequenceState } from './kv-sequence.ts';
import type { PrefixCache } from './prefix-cache.ts';

/**
 * A prefix of n blocks is a hit when those that tokens after it attend to are there: its sinks, and the blocks that the window of its
 * next token reaches; without a window, all. That is enough because a block's hash is that of the whole chain before it: what it holds is right
 * whether or not that chain is still there, and nothing reads further back. The largest such n, at most `limitBlocks`: O(limitBlocks). `has` is
 * asked once for each block in turn until no larger n is possible; the first `knownBlocks` are taken as a hit already.
 */
export function longestHit(
  limitBlocks: number,
  blockSize: number,
  reach: AttentionReach,
  has: (index: number) => boolean,
  knownBlocks = 0,
): number {
  const isWhole = reach.windowTokens === null;
  let matched = knownBlocks;
  const first = isWhole ? knownBlocks : 0;
  /** Blocks that are there and end at the one looked at, without a gap. */
  let run = first;
  for (let index = first; index < limitBlocks; index++) {
    const isThere = has(index);
    run = isThere ? run + 1 : 0;
    if (!isThere && (isWhole || index < reach.sinkBlocks)) break;
    if (index >= knownBlocks && run >= index + 1 - reach.firstBlock((index + 1) * blockSize)) matched = index + 1;
  }
  return matched;
}

/** Whether tokens after a prefix of `blockCount` blocks attend to block `index` of it. */
export function isReached(index: number, blockCount: number, blockSize: number, reach: AttentionReach): boolean {
  return index < reach.sinkBlocks || index >= reach.firstBlock(blockCount * blockSize);
}

export interface WindowMatchParts {
  readonly blockSize: number;
  readonly cache: PrefixCache;
  readonly hasher: BlockHasher;
  /** Filled with the blocks of the match; -1, or a block that is not needed, where no token after it reaches. */
  readonly wholeBlocks: number[];
}

/** The longest prefix that the cache can give a sequence with an attention window. O(limitBlocks). */
export function matchInWindow(
  sequence: KvSequenceState,
  limitBlocks: number,
  reach: AttentionReach,
  { blockSize, cache, hasher, wholeBlocks }: WindowMatchParts,
): void {
  extendChain(sequence, Math.max(sequence.hashedBlocks, limitBlocks), hasher);
  wholeBlocks.length = longestHit(limitBlocks, blockSize, reach, (index) => {
    const block = cache.find(sequence.chain, index + 1);
    wholeBlocks.push(block);
    return block !== -1;
  });
}
