// What the memory layer offers to the one above it.

import type { EventSink, GroupSnapshot } from '../events/index.ts';
import type { AllocatorName } from './allocators/index.ts';
import type { BlockFill } from './block-fill.ts';
import type { BlockHistoryFigures } from './block-history.ts';
import type { CacheReport } from './cache-report.ts';
import type { EvictionPolicyName } from './eviction/index.ts';
import type { KvSequence } from './kv-sequence.ts';
import type { MemoryLayout } from './layout.ts';
import type { NumaOptions } from './numa/index.ts';
import type { PageTableCounters } from './page-table.ts';
import type { PagerCounters, TierOptions } from './pager.ts';
import type { ContentKind } from './return-odds.ts';

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
  /**
   * Which free blocks are given. Defaults to `free-list`: any block, O(1). The others give a sequence that needs several blocks
   * a run of neighbours where there is one, and single ones behind its last block.
   */
  readonly allocator?: AllocatorName;
  /**
   * Whether blocks of sequences that run together are laid together: a sequence that joins gets its first blocks behind those of the one scheduled before it,
   * and what compaction moves goes there too, where there is room. Only with allocators that look for runs. Defaults to false.
   */
  readonly placesBatchTogether?: boolean;
  /** Blocks that a step may move to rebuild runs; 0 for none. Defaults to 0. */
  readonly compactionBlocksPerStep?: number;
  /**
   * What a token's attention reaches, itself included: blocks before that of every later token are given back while a sequence runs. Null
   * (the default) reaches all. Contiguous memory keeps them all the same.
   */
  readonly windowTokens?: number | null;
  /** Leading tokens that attention reaches whatever the window. Defaults to 0. */
  readonly sinkTokens?: number;
  /** Keeps the blocks of a sequence on one NUMA node; no difference on one node. Defaults to none. */
  readonly numa?: NumaOptions | null;
  /** Where evicted pages go and come back from. Needs prefix caching. Defaults to none. */
  readonly tiers?: TierOptions | null;
  /** Milliseconds, monotonic: the clock of `blockHistory`, which has no times without it. */
  readonly now?: () => number;
  /** Who is told what happens to blocks; costs nothing while nobody listens there. Defaults to nobody. */
  readonly events?: EventSink;
  /** The cache group that events name. Defaults to 0. */
  readonly group?: number;
  /** Whether `explainMatch` may tell that content is known under another salt. Defaults to false: tenants learn nothing of each other. */
  readonly remembersSalts?: boolean;
}

/** By what pages move. */
export interface PagingRates {
  /** Copying a page out of the pool, and bringing one in with others, by the tier that it lies in, as far as measured. */
  readonly pageOutMs: number;
  readonly pageInMs: Readonly<Record<string, number>>;
  /** Computing a page at the start of a prompt; null while not measured. */
  readonly recomputeMs: number | null;
  /** That an evicted page is wanted again, from 0 to 1. */
  readonly returnOdds: Readonly<Record<ContentKind, number>>;
}

export interface PagingFigures extends PagerCounters {
  /** Sequences that computed pages which a tier had, because that was expected to be faster. */
  readonly recomputed: number;
  /** What decides what is copied out, loaded or computed. */
  readonly rates: PagingRates;
  /** Blocks that background reclaim evicted ahead of demand. */
  readonly reclaimedBlocks: number;
  /** Blocks read ahead, and those of them that were evicted before anybody hit them. */
  readonly readaheadBlocks: number;
  readonly wastedReadaheadBlocks: number;
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
  /**
   * Blocks shared as a whole, -1 for those that no token after them attends to; the remaining cached tokens are a leading part of
   * `copySource`.
   */
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

/** A memory's part of a Snapshot. */
export interface MemorySnapshot {
  readonly groups: readonly GroupSnapshot[];
  readonly sequences: readonly {
    readonly id: number;
    readonly computedTokens: number;
    /** Block table by group. */
    readonly blocks: readonly (readonly number[])[];
  }[];
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
  /** Requests for several blocks that got one run, and that had to be split; none with the free list. */
  readonly grantedRuns: number;
  readonly splitRuns: number;
  /** Blocks moved to another place by steps that ran. */
  readonly relocatedBlocks: number;
  /** Blocks that were to be moved to their sequence's NUMA node, failed steps included. */
  readonly migratedBlocks: number;
  readonly pageTable: PageTableCounters;
}

/** A further cache group of hybrid memory. */
export interface KvGroup {
  /** Its blocks; changed through the hybrid memory only. */
  readonly memory: KvMemory;
  /** A sequence of the hybrid memory in this group. */
  sequenceOf(sequence: KvSequence): KvSequence;
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
  /** Longest sequence that can run to its end when it has the whole pool to itself. */
  readonly longestSequenceTokens: number;
  /** The most `blockCopies` that one sequence may need in a step. */
  readonly copiesPerSequence: number;
  /** The most `blockCopies` of a step beside those: blocks that `relocate` moves. */
  readonly relocationsPerStep: number;
  readonly counters: MemoryCounters;
  /**
   * The flat block table [maxNumSeqs][blockTableStride]; a sequence's row is `sequence.row`. Entries are -1 where unused, and where a window
   * has left the block behind.
   */
  readonly blockTables: Int32Array;
  readonly blockTableStride: number;
  /** (source, destination) block ids, flat, to be copied before the open step writes anything. */
  readonly blockCopies: readonly number[];
  /** Cache groups beside the one whose tables and copies these are; undefined where there is one only. */
  readonly otherGroups?: readonly KvGroup[];
  /**
   * A sequence that holds no memory yet. `tokenIds` stays the caller's, who appends to it as tokens become known, up to `finalTokens`
   * of them (defaults to the width of the page table): memory that does not page sets aside that much. `id`, not negative, names it in events.
   */
  open(tokenIds: readonly number[], salt: string, finalTokens?: number, id?: number): KvSequence;
  /**
   * What the cache holds of a sequence without memory, at most `limitTokens` of it. Changes nothing.
   * `allowCopy` (defaults to true) allows a partial hit, which needs one block more for as long as the step is open.
   */
  match(sequence: KvSequence, limitTokens: number, allowCopy?: boolean): PrefixMatch;
  /** Why `match`, of at most `limitTokens`, found no more than it did. Like it valid until the next change of the memory. */
  explainMatch(sequence: KvSequence, match: PrefixMatch, limitTokens: number): CacheReport;
  /** Blocks that a sequence must hold to grow to `tokenCount` tokens: without a window, blocks for all of them. */
  blocksFor(tokenCount: number): number;
  /** Blocks that a sequence holds: those of its block table that are not -1. */
  heldBlocks(sequence: KvSequence): number;
  /**
   * How many more tokens of a sequence could be reserved now, with `spareBlocks` (defaults to 0) remaining free. One that holds no memory joins with
   * `match`, and could take so many after its cached tokens.
   */
  room(sequence: KvSequence, match?: PrefixMatch, spareBlocks?: number): number;
  /**
   * Gives a sequence the blocks for its next `tokenCount` tokens in the open step: one that holds memory goes on after its
   * computed tokens, one that does not joins with `match`. Fails (false, nothing changed) unless the blocks, and a row to join, are there
   * and `spareBlocks` (defaults to 0) remain free for running sequences to grow into, where they need more to grow.
   */
  reserve(sequence: KvSequence, tokenCount: number, match?: PrefixMatch, spareBlocks?: number): boolean;
  /**
   * Moves blocks to better places, if memory is set to: called when all shares of the open step are reserved. Only what the step
   * reads and nobody writes is moved; `commit` makes it final and `rollback` undoes it.
   */
  relocate(): void;
  /**
   * Gives sequences of the open step, which go on after it, the blocks for one more token each: the step after it may then be handed to the backend before this one has
   * ended. `commit` is then followed by `reserve` of that token for each of them, which needs nothing more, or by its `release`: until the end of the step after it no block is
   * reused that it reads or writes. Fails (false, nothing changed) unless the blocks are there, and where a token would go into a block that others hold.
   */
  prepare(sequences: readonly KvSequence[]): boolean;
  /** The open step ran: its tokens are computed, its full blocks cached, identical ones merged, deferred releases done. */
  commit(): void;
  /** The open step did not run: every sequence holds what it held before it, except that blocks evicted for it stay evicted. */
  rollback(): void;
  /**
   * `child`, which holds no memory and has the same salt and leading tokens, shares what is computed of `parent`, at most `tokenCount` tokens.
   * Fails (false, nothing changed) if no row is free, or nothing can be shared: the parent holds no memory, joined in the open step, or has
   * given back what the child's window reaches.
   */
  fork(parent: KvSequence, child: KvSequence, tokenCount: number): boolean;
  /**
   * Forgets the tokens of a sequence from `tokenCount` on, which is not in the open step. The caller may then change them. Where the window of
   * the next token reaches blocks that were given back, all tokens are forgotten, and the sequence joins anew.
   */
  truncate(sequence: KvSequence, tokenCount: number): void;
  /** Blocks of a sequence that nobody else holds: what releasing it makes free, and what it would have to get back. O(blocks). */
  exclusiveBlocks(sequence: KvSequence): number;
  /**
   * Gives back all that a sequence holds: at once, or when the open step ends if it takes part in it. `comesBack` (defaults to false) says that
   * it waits for memory and will want the same again.
   */
  release(sequence: KvSequence, comesBack?: boolean): void;
  /**
   * Blocks for what of logical blocks [firstBlock, firstBlock + count) of a sequence is neither cached nor being computed, to be filled from
   * elsewhere; with a window, for those of them that tokens after the last one attend to; in each cache group. The sequence needs no memory of its own. Null (nothing changed) unless those blocks are free, with `spareBlocks` (defaults to 0)
   * remaining, or where nothing is cached. May be called at any time between two verbs, also while a step is open.
   */
  beginFill(sequence: KvSequence, firstBlock: number, count: number, spareBlocks?: number): BlockFill | null;
  /**
   * Ends a fill or hold: the first `filledCount` of its blocks hold the K and V of their tokens and become cached, or are freed where an identical
   * block came in meanwhile; the rest is freed. With several cache groups the blocks are counted one group after the other. Its references end. Throws
   * IntegrityError if it has ended.
   */
  endFill(fill: BlockFill, filledCount: number): void;
  /**
   * Begins to bring the pages that follow `match` (at most up to `limitTokens`) back from the tiers into the prefix cache. Null if
   * the tiers have none, the blocks are not free with `spareBlocks` remaining, or computing them is expected to be faster. Else resolves, and never
   * rejects, when they are there or have failed; then `match` again. Sequences that lack the same pages wait for one load.
   * `isAhead` says that nobody waits for the pages yet.
   */
  pageIn(
    sequence: KvSequence,
    match: PrefixMatch,
    limitTokens: number,
    spareBlocks: number,
    isAhead: boolean,
  ): Promise<void> | null;
  /** Sequences to read ahead for: 0 without tiers; falls while what was read ahead is evicted unused. */
  readonly readaheadLimit: number;
  /**
   * Background reclaim, to be called while a step runs: evicts ahead of demand, a bounded number of blocks at a time, so that
   * a step finds free blocks and waits for no copy. Does nothing without tiers.
   */
  reclaim(): void;
  /** Transfers to and from the tiers; null without tiers. */
  readonly paging: PagingFigures | null;
  /** Resolves when no transfer is under way. */
  settled(): Promise<void>;
  /** Evicts all that nobody holds, so that the tiers have it: before the end. */
  pageOutAll(): Promise<void>;
  /** Fills and holds that have not ended. */
  readonly openFillCount: number;
  /**
   * Holds the leading full blocks of a sequence that are cached now, of at most `limitTokens` (defaults to all), as a fill without blocks: read them,
   * then end it. With a window, those that tokens after the longest hit attend to; with several cache groups, as many as all of them have.
   */
  holdPrefix(sequence: KvSequence, limitTokens?: number): BlockFill;
  usage(): MemoryUsage;
  /** How blocks lie. O(blocks + table entries). */
  layout(): MemoryLayout;
  slotUse(): SlotUse;
  readonly blockHistory: BlockHistoryFigures;
  /** Those of `blockHistory`, for every step to ask. */
  readonly refaults: number;
  /** The slot (block id * blockSize + offset) of a position in a sequence's blocks. */
  slot(sequence: KvSequence, position: number): number;
  /** Per block its references, and whether its content is in the prefix cache: a copy, for people to look at. */
  blockMap(): { readonly references: number[]; readonly cached: boolean[] };
  /** The same and more for viewers of events, by cache group, with the sequences that hold memory. O(blocks). */
  snapshot(): MemorySnapshot;
  /** A copy of a sequence's block table, with -1 for blocks that a window has left behind. */
  blocksOf(sequence: KvSequence): number[];
  /** Throws IntegrityError, naming the block and the numbers, unless every invariant holds. O(blocks). */
  checkIntegrity(): void;
}
