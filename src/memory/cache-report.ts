// Why a prompt's prefix ended where it did: for each request, when it is admitted.

import { type BlockHasher, HASH_WORDS } from './block-hash.ts';
import type { BlockHistory } from './block-history.ts';
import { createGhostList } from './eviction/ghost-list.ts';
import { extendChain, type KvSequenceState } from './kv-sequence.ts';
import type { PrefixMatch } from './types.ts';

/**
 * `hit`: all that may come from the cache did. Of the block at the first missing token: `evicted`: it was cached and had to make room;
 * `different_salt`: it is known under another salt only (told only by memory that is asked to remember this); `differs`: cached content goes on
 * otherwise from a token inside it; `never_seen`: nothing is known of it. `not_looked_up`: caching is off, or the prompt has to be computed.
 */
export type CacheReason = 'hit' | 'evicted' | 'different_salt' | 'differs' | 'never_seen' | 'not_looked_up';

export interface CacheReport {
  readonly reason: CacheReason;
  /** The first prompt token that was not found; null for `hit`. */
  readonly firstMissing: number | null;
}

export interface CacheReports {
  /** What `match`, of at most `limitTokens`, means. O(1) on top of the match. */
  explain(sequence: KvSequenceState, match: PrefixMatch, limitTokens: number): CacheReport;
  /** Blocks [first, end) of a sequence have become cached. */
  remember(sequence: KvSequenceState, first: number, end: number): void;
  /** The sequence keeps its first `blockCount` full blocks only. */
  truncate(sequence: KvSequenceState, blockCount: number): void;
}

/** Contents whose salt is remembered, in multiples of the pool. */
const CONTENTS_PER_BLOCK = 2;

/** `remembersSalts`: whether `different_salt` is told, at the cost of hashing each block a second time, without its salt. */
export function createCacheReports(
  blockCount: number,
  blockSize: number,
  hasher: BlockHasher,
  history: BlockHistory,
  remembersSalts: boolean,
): CacheReports {
  const salts = remembersSalts ? createSaltMemory(blockCount * CONTENTS_PER_BLOCK, hasher) : null;
  return {
    explain(sequence, { cachedTokens, wholeBlocks, copySource }, limitTokens) {
      if (limitTokens < 1) return { reason: 'not_looked_up', firstMissing: 0 };
      if (cachedTokens >= Math.min(limitTokens, sequence.tokenIds.length)) return { reason: 'hit', firstMissing: null };
      return { reason: reasonOf(sequence, wholeBlocks.length, copySource !== -1), firstMissing: cachedTokens };
    },
    remember(sequence, first, end) {
      for (let index = first; index < end; index++) salts?.remember(sequence, index);
    },
    truncate: (sequence, kept) => salts?.truncate(sequence, kept),
  };

  function reasonOf(sequence: KvSequenceState, index: number, isPartial: boolean): CacheReason {
    if ((index + 1) * blockSize <= sequence.tokenIds.length) {
      extendChain(sequence, Math.max(sequence.hashedBlocks, index + 1), hasher);
      const key = (index + 1) * HASH_WORDS;
      if (history.wasEvicted(sequence.chain[key], sequence.chain[key + 1])) return 'evicted';
      if (salts?.isKnownElsewhere(sequence, index)) return 'different_salt';
    }
    return isPartial ? 'differs' : 'never_seen';
  }
}

interface SaltMemory {
  remember(sequence: KvSequenceState, index: number): void;
  /** Whether another salt has cached block `index` of the sequence. */
  isKnownElsewhere(sequence: KvSequenceState, index: number): boolean;
  truncate(sequence: KvSequenceState, blockCount: number): void;
}

/** Remembers contents by their hash from a root that all salts share, with the salt that had it. Answers yes or no and nothing else. */
function createSaltMemory(contentCount: number, hasher: BlockHasher): SaltMemory {
  const contents = createGhostList(Math.max(1, contentCount));
  const saltWords = new Uint32Array(Math.max(1, contentCount));
  const isOfSeveral = new Uint8Array(Math.max(1, contentCount));
  const chains = new WeakMap<
    KvSequenceState,
    { tokenIds: readonly number[]; chain: Uint32Array; hashedBlocks: number }
  >();

  /** Where the hash of block `index` begins in the chain. */
  function unsalted(sequence: KvSequenceState, index: number): { chain: Uint32Array; key: number } {
    let unsaltedChain = chains.get(sequence);
    if (unsaltedChain === undefined) {
      const chain = new Uint32Array(HASH_WORDS * 8);
      hasher.root('\u0000any salt', chain);
      unsaltedChain = { tokenIds: sequence.tokenIds, chain, hashedBlocks: 0 };
      chains.set(sequence, unsaltedChain);
    }
    extendChain(unsaltedChain, Math.max(unsaltedChain.hashedBlocks, index + 1), hasher);
    return { chain: unsaltedChain.chain, key: (index + 1) * HASH_WORDS };
  }

  return {
    remember(sequence, index) {
      const { chain, key } = unsalted(sequence, index);
      const entry = contents.find(chain[key], chain[key + 1]);
      if (entry === -1) {
        const added = contents.add(chain[key], chain[key + 1]);
        saltWords[added] = sequence.chain[0];
        isOfSeveral[added] = 0;
      } else if (saltWords[entry] !== sequence.chain[0]) {
        isOfSeveral[entry] = 1;
      }
    },
    isKnownElsewhere(sequence, index) {
      const { chain, key } = unsalted(sequence, index);
      const entry = contents.find(chain[key], chain[key + 1]);
      return entry !== -1 && (isOfSeveral[entry] === 1 || saltWords[entry] !== sequence.chain[0]);
    },
    truncate(sequence, blockCount) {
      const chain = chains.get(sequence);
      if (chain !== undefined) chain.hashedBlocks = Math.min(chain.hashedBlocks, blockCount);
    },
  };
}
