// What the memory layer offers to the one above it.

import type { BlockFill } from './block-fill.ts';
import type { BlockHistoryFigures } from './block-history.ts';
import type { CacheReport } from './cache-report.ts';
import type { EvictionPolicyName } from './eviction/index.ts';
import type { KvSequence } from './kv-sequence.ts';
import type { PageTableCounters } from './page-table.ts';

export interface KvMemoryOptions {
  readonly blockCount: number;
  /** Token slots in a block. */
  readonly blockSize: number;
  /** Rows of the page table: sequences that can hold memory at once. */
  readonly maxNumSeqs: number;
  /** Width of the page table. */
  readonly maxBlocksPerSequence: number;
  /** Defaults to true. Without it nothing is hashed, hit or merged; forks still share. */
  readonly enablePrefixCaching?: boolean;
  /** Which cached blocks are forgotten first when room is needed. Defaults to `hit-density`. */
  readonly evictionPolicy?: EvictionPolicyName;
  /** Milliseconds, monotonic: the clock of `blockHistory`, which has no times without it. */
  readonly now?: () => number;
  /** Whether `explainMatch` may tell that content is known under another salt. Defaults to false: tenants learn nothing of each other. */
  readonly remembersSalts?: boolean;
}

export interface SlotUse {
  /** Slots of all blocks that are referenced. */
  readonly heldSlots: number;
  /** Those of them that hold a token, or will by the end of the open step. */
  readonly usedSlots: number;
}

/** What the cache holds of a sequence: valid until the next change of the memory. */
export interface PrefixMatch {
  /** Leading tokens that need not be computed. */
  readonly cachedTokens: number;
  /** Blocks shared as a whole; the remaining cached tokens are a leading part of `copySource`. */
  readonly wholeBlocks: readonly number[];
  /** The block to copy for a partial hit, or -1. */
  readonly copySource: number;
}

export interface MemoryUsage {
  readonly blockCount: number;
  /** Blocks that can be allocated, evictable ones included. */
  readonly freeBlocks: number;
  /** Unreferenced blocks whose content can still be hit. */
  readonly evictableBlocks: number;
  readonly referencedBlocks: number;
}

/** Since start. */
export interface MemoryCounters {
  /** Cached blocks whose content was dropped to make room. */
  readonly evictions: number;
  /** Shared partial blocks copied because one of their sequences wrote. */
  readonly copyOnWrites: number;
  /** Cached blocks copied because a prompt shares a part of them. */
  readonly partialHitCopies: number;
  /** Tokens found and not found in the cache by sequences that joined a completed step. */
  readonly prefixHitTokens: number;
  readonly prefixMissTokens: number;
  /** Blocks freed because an identical one was there already. */
  readonly merges: number;
  readonly pageTable: PageTableCounters;
}

/**
 * Paged memory. Between a first `reserve` and the `commit` or `rollback` after it a step is open: what the step reads or
 * writes is kept until then. The algorithms are those of PagedAttention (Kwon et al., 2023) with hashed blocks.
 */
export interface KvMemory {
  readonly blockSize: number;
  readonly maxNumSeqs: number;
  readonly enablePrefixCaching: boolean;
  /** Null where nothing is cached. */
  readonly evictionPolicy: EvictionPolicyName | null;
  /** The most `blockCopies` that one sequence may need in a step. */
  readonly copiesPerSequence: number;
  readonly counters: MemoryCounters;
  /** The flat block table [maxNumSeqs][blockTableStride]; a sequence's row is `sequence.row`. Unused entries are -1. */
  readonly blockTables: Int32Array;
  readonly blockTableStride: number;
  /** (source, destination) block ids, flat, to be copied before the open step writes anything. */
  readonly blockCopies: readonly number[];
  /**
   * A sequence that holds no memory yet. `tokenIds` stays the caller's, who appends to it as tokens become known, up to `finalTokens`
   * of them (defaults to the width of the page table): memory that does not page sets aside that much.
   */
  open(tokenIds: readonly number[], salt: string, finalTokens?: number): KvSequence;
  /**
   * What the cache holds of a sequence without memory, at most `limitTokens` of it. Changes nothing.
   * `allowCopy` (defaults to true) allows a partial hit, which needs one block more for as long as the step is open.
   */
  match(sequence: KvSequence, limitTokens: number, allowCopy?: boolean): PrefixMatch;
  /** Why `match`, of at most `limitTokens`, found no more than it did. Like it valid until the next change of the memory. */
  explainMatch(sequence: KvSequence, match: PrefixMatch, limitTokens: number): CacheReport;
  /** How many more tokens of a sequence that holds memory could be reserved now. */
  room(sequence: KvSequence): number;
  /**
   * Gives a sequence the blocks for its next `tokenCount` tokens in the open step: one that holds memory goes on after its
   * computed tokens, one that does not joins with `match`. Fails (false, nothing changed) unless the blocks, and a row to join, are there
   * and `spareBlocks` (defaults to 0) remain free for running sequences to grow into, where they need more to grow.
   */
  reserve(sequence: KvSequence, tokenCount: number, match?: PrefixMatch, spareBlocks?: number): boolean;
  /** The open step ran: its tokens are computed, its full blocks cached, identical ones merged, deferred releases done. */
  commit(): void;
  /** The open step did not run: every sequence holds what it held before it, except that blocks evicted for it stay evicted. */
  rollback(): void;
  /**
   * `child`, which holds no memory and has the same salt and leading tokens, shares what is computed of `parent`, at most `tokenCount` tokens.
   * Fails (false, nothing changed) if no row is free, or nothing can be shared: the parent holds no memory or joined in the open step.
   */
  fork(parent: KvSequence, child: KvSequence, tokenCount: number): boolean;
  /** Forgets the tokens of a sequence from `tokenCount` on, which is not in the open step. The caller may then change them. */
  truncate(sequence: KvSequence, tokenCount: number): void;
  /** Gives back all that a sequence holds: at once, or when the open step ends if it takes part in it. */
  release(sequence: KvSequence): void;
  /**
   * Blocks for what of logical blocks [firstBlock, firstBlock + count) of a sequence is neither cached nor being computed, to be filled from
   * elsewhere. The sequence needs no memory of its own. Null (nothing changed) unless those blocks are free, with `spareBlocks` (defaults to 0)
   * remaining, or where nothing is cached. May be called at any time between two verbs, also while a step is open.
   */
  beginFill(sequence: KvSequence, firstBlock: number, count: number, spareBlocks?: number): BlockFill | null;
  /**
   * Ends a fill or hold: the first `filledCount` of its blocks hold the K and V of their tokens and become cached, or are freed where an identical
   * block came in meanwhile; the rest is freed. Its references end. Throws IntegrityError if it has ended.
   */
  endFill(fill: BlockFill, filledCount: number): void;
  /** Fills and holds that have not ended. */
  readonly openFillCount: number;
  /** Holds the leading full blocks of a sequence that are cached now, as a fill without blocks: read them, then end it. */
  holdPrefix(sequence: KvSequence): BlockFill;
  usage(): MemoryUsage;
  slotUse(): SlotUse;
  readonly blockHistory: BlockHistoryFigures;
  /** The slot (block id * blockSize + offset) of a position in a sequence's blocks. */
  slot(sequence: KvSequence, position: number): number;
  /** Per block its references, and whether its content is in the prefix cache: a copy, for people to look at. */
  blockMap(): { readonly references: number[]; readonly cached: boolean[] };
  /** A copy of a sequence's block table. */
  blocksOf(sequence: KvSequence): number[];
  /** Throws IntegrityError, naming the block and the numbers, unless every invariant holds. O(blocks). */
  checkIntegrity(): void;
}
