// The contiguous baseline: every sequence gets one run of blocks for all that it may come to hold, as servers did before paging.

import { IntegrityError, InvalidRequestError } from '../errors/index.ts';
import { createBlockJournal, createSilentSink } from '../events/index.ts';
import { createAllocator } from './allocators/index.ts';
import { HASH_WORDS } from './block-hash.ts';
import { createBlockHistory } from './block-history.ts';
import { checkContiguousIntegrity } from './contiguous-integrity.ts';
import type { KvSequence } from './kv-sequence.ts';
import { measureLayout } from './layout.ts';
import { createPageTable } from './page-table.ts';
import { snapshotOf } from './snapshot.ts';
import type { KvMemory, KvMemoryOptions } from './types.ts';

/**
 * What a sequence's run is long enough for: the longest sequence there may be; its final length, rounded up to a power of two; or
 * its final length, which servers do not know in advance unless the request says it.
 */
export const reservations = ['max', 'pow2', 'exact'] as const;
export type Reservation = (typeof reservations)[number];

export interface ContiguousMemoryOptions extends Omit<KvMemoryOptions, 'enablePrefixCaching'> {
  readonly reservation: Reservation;
}

/** Neighbouring blocks. The sequence that has them counts as a reference, and so does each fork that has yet to copy from them. */
export interface BlockRun {
  readonly first: number;
  readonly count: number;
  references: number;
}

/** A sequence as contiguous memory writes it. */
export interface ContiguousSequence extends KvSequence {
  row: number;
  blockCount: number;
  computedTokens: number;
  scheduledTokens: number;
  preparedTokens: number;
  readonly finalTokens: number;
  run: BlockRun | null;
  /** Of a fork that has not run yet: where its first `tokens` tokens are to be copied from. */
  source: { readonly run: BlockRun; tokens: number } | null;
  joined: boolean;
  /** Whether the open step copies from `source`. */
  copying: boolean;
  releasing: boolean;
}

/**
 * A KvMemory that shares nothing and caches nothing: `match` finds nothing, `fork` copies, `reserve` of a sequence that joins takes its whole run, first
 * fit or as `allocator` says, or fails. With `buddy` a run takes the power of two blocks above it, and keeps what it rounds up: the buddy system of the
 * baselines of Kwon et al. (2023). A sequence that has its run can grow to its end, so `spareBlocks` are not asked for, and nobody is ever
 * preempted. Its `blockCount` is that of its run. Throws InvalidRequestError like createKvMemory.
 */
export function createContiguousMemory(options: ContiguousMemoryOptions): KvMemory {
  const { blockCount, blockSize, maxNumSeqs, maxBlocksPerSequence, reservation } = options;
  for (const name of ['blockCount', 'blockSize', 'maxNumSeqs', 'maxBlocksPerSequence'] as const) {
    if (!Number.isSafeInteger(options[name]) || options[name] < 1) {
      throw new InvalidRequestError(`${name} must be a positive integer, not ${options[name]}`, name, options[name]);
    }
  }
  const placement = options.allocator ?? 'free-list';
  // The free list knows no runs.
  const allocator = createAllocator(placement === 'free-list' ? 'first-fit' : placement, blockCount);
  const table = createPageTable(maxNumSeqs, maxBlocksPerSequence);
  // A buddy system has no run longer than a power of two.
  const longestRun = Math.min(maxBlocksPerSequence, allocator.largestRun());
  const holders: (ContiguousSequence | null)[] = new Array(maxNumSeqs).fill(null);
  const stepSequences: ContiguousSequence[] = [];
  const copies: number[] = [];
  const sink = options.events ?? createSilentSink();
  const journal = createBlockJournal(sink, { group: options.group ?? 0, blockCount, hashWords: HASH_WORDS });
  let unnamedCount = 0;

  const noHistory = createBlockHistory(0, null);
  const blocksFor = (tokens: number): number => Math.ceil(tokens / blockSize);
  const blocksOfRun = ({ first, count }: BlockRun): number[] => Array.from({ length: count }, (_, i) => first + i);
  const state = (sequence: KvSequence): ContiguousSequence => sequence as ContiguousSequence;

  function runLength(sequence: ContiguousSequence): number {
    const tokens = Math.max(sequence.finalTokens, sequence.tokenIds.length);
    const reserved =
      reservation === 'max'
        ? longestRun
        : blocksFor(reservation === 'pow2' ? 2 ** Math.ceil(Math.log2(tokens)) : tokens);
    return Math.min(longestRun, placement === 'buddy' ? 2 ** Math.ceil(Math.log2(reserved)) : reserved);
  }

  /** Gives a sequence its row and its run, or nothing. */
  function hold(sequence: ContiguousSequence): boolean {
    if (table.freeRowCount === 0) return false;
    const count = runLength(sequence);
    const first = allocator.allocateRun(count);
    if (first === -1) return false;
    sequence.run = { first, count, references: 1 };
    sequence.row = table.takeRow();
    sequence.blockCount = count;
    holders[sequence.row] = sequence;
    for (let i = 0; i < count; i++) table.set(sequence.row, i, first + i);
    if (journal.isOn) journal.allocated(sequence.id, 0, blocksOfRun(sequence.run));
    return true;
  }

  function unreference(run: BlockRun): void {
    run.references--;
    if (run.references === 0) allocator.releaseRun(run.first, run.count);
  }

  function dropSource(sequence: ContiguousSequence): void {
    if (sequence.source !== null) {
      if (journal.isOn) journal.unheld('fork', blocksOfRun(sequence.source.run));
      unreference(sequence.source.run);
    }
    sequence.source = null;
    sequence.copying = false;
  }

  function letGo(sequence: ContiguousSequence): void {
    if (journal.isOn) journal.released(sequence.id, 0, blocksOfRun(sequence.run!));
    for (let i = 0; i < sequence.blockCount; i++) table.clear(sequence.row, i);
    table.giveRow(sequence.row);
    holders[sequence.row] = null;
    unreference(sequence.run!);
    dropSource(sequence);
    sequence.run = null;
    sequence.row = -1;
    sequence.blockCount = 0;
    sequence.computedTokens = 0;
    sequence.scheduledTokens = 0;
    sequence.preparedTokens = 0;
    sequence.joined = false;
    sequence.releasing = false;
  }

  /** A fork that has yet to copy keeps at most `tokenCount` tokens: the others are about to be written over, or are not wanted. */
  function shrinkSource(sequence: ContiguousSequence, tokenCount: number): void {
    const { source } = sequence;
    if (source === null || source.tokens <= tokenCount) return;
    source.tokens = tokenCount;
    if (sequence.copying) return;
    sequence.computedTokens = tokenCount;
    journal.truncated(sequence.id, tokenCount);
    if (tokenCount === 0) dropSource(sequence);
  }

  function copySource(sequence: ContiguousSequence): void {
    const { run, source } = sequence;
    if (run === null || source === null) return;
    for (let i = 0; i < blocksFor(source.tokens); i++) {
      const from = source.run.first + i;
      const to = run.first + i;
      copies.push(from, to);
      const tokens = Math.min(blockSize, source.tokens - i * blockSize);
      if (journal.isOn) journal.copied('fork', { from, to, sequences: [sequence.id], index: i, tokens });
    }
    sequence.copying = true;
  }

  function endStep(): void {
    copies.length = 0;
    for (const sequence of stepSequences) {
      sequence.joined = false;
      if (sequence.releasing) letGo(sequence);
    }
    stepSequences.length = 0;
  }

  return {
    blockSize,
    maxNumSeqs,
    enablePrefixCaching: false,
    evictionPolicy: null,
    longestSequenceTokens: longestRun * blockSize,
    copiesPerSequence: longestRun,
    relocationsPerStep: 0,
    blockTables: table.entries,
    blockTableStride: table.stride,
    blockCopies: copies,
    get counters() {
      return {
        evictions: 0,
        copyOnWrites: 0,
        partialHitCopies: 0,
        prefixHitTokens: 0,
        prefixMissTokens: 0,
        merges: 0,
        grantedRuns: 0,
        splitRuns: 0,
        relocatedBlocks: 0,
        migratedBlocks: 0,
        pageTable: table.counters,
      };
    },

    open(tokenIds, salt, finalTokens = Number.POSITIVE_INFINITY, id = -++unnamedCount): ContiguousSequence {
      return {
        id,
        salt,
        tokenIds,
        finalTokens: Math.min(finalTokens, longestRun * blockSize),
        row: -1,
        blockCount: 0,
        computedTokens: 0,
        scheduledTokens: 0,
        preparedTokens: 0,
        run: null,
        source: null,
        joined: false,
        copying: false,
        releasing: false,
      };
    },

    match: () => ({ cachedTokens: 0, wholeBlocks: [], copySource: -1 }),
    blocksFor,
    heldBlocks: (sequence) => sequence.blockCount,

    explainMatch: () => ({ reason: 'not_looked_up', firstMissing: 0 }),

    room(handle) {
      const sequence = state(handle);
      const held = sequence.row === -1 ? runLength(sequence) : sequence.blockCount;
      return held * blockSize - sequence.computedTokens;
    },

    reserve(handle, tokenCount, match) {
      const sequence = state(handle);
      const joins = sequence.row === -1;
      const isPrepared = sequence.preparedTokens > 0;
      if (
        sequence.scheduledTokens > 0 ||
        sequence.releasing ||
        tokenCount < 1 ||
        joins !== (match !== undefined) ||
        (isPrepared && tokenCount !== sequence.preparedTokens)
      ) {
        throw new IntegrityError(
          `reserve of ${tokenCount} tokens for a sequence in the wrong state (row ${sequence.row})`,
        );
      }
      const held = joins ? runLength(sequence) : sequence.blockCount;
      if (blocksFor(sequence.computedTokens + tokenCount) > held) return false;
      if (joins && !hold(sequence)) return false;
      if (!joins) table.countHits(held);
      sequence.joined = joins;
      sequence.preparedTokens = 0;
      sequence.scheduledTokens = tokenCount;
      stepSequences.push(sequence);
      copySource(sequence);
      return true;
    },

    prepare(handles) {
      const sequences = handles.map(state);
      for (const { scheduledTokens, preparedTokens, releasing, row } of sequences) {
        if (scheduledTokens === 0 || preparedTokens > 0 || releasing)
          throw new IntegrityError(`prepare of a sequence in the wrong state (row ${row})`);
      }
      const fits = sequences.every(
        ({ computedTokens, scheduledTokens, blockCount: held }) =>
          blocksFor(computedTokens + scheduledTokens + 1) <= held,
      );
      if (fits) for (const sequence of sequences) sequence.preparedTokens = 1;
      return fits;
    },
    relocate() {},

    commit() {
      if (journal.isOn) {
        const ends = stepSequences.map((sequence) => sequence.computedTokens + sequence.scheduledTokens);
        const ids = stepSequences.map(({ id }) => id);
        journal.computed(ids, ends);
      }
      for (const sequence of stepSequences) {
        sequence.computedTokens += sequence.scheduledTokens;
        sequence.scheduledTokens = 0;
        if (sequence.copying) dropSource(sequence);
      }
      endStep();
    },

    rollback() {
      for (const sequence of stepSequences) {
        sequence.scheduledTokens = 0;
        sequence.preparedTokens = 0;
        const { source } = sequence;
        if (source === null) continue;
        sequence.copying = false;
        sequence.computedTokens = source.tokens;
        journal.truncated(sequence.id, source.tokens);
        if (source.tokens === 0) dropSource(sequence);
      }
      for (const sequence of stepSequences) if (sequence.joined) sequence.releasing = true;
      endStep();
    },

    fork(parentHandle, childHandle, tokenCount) {
      const parent = state(parentHandle);
      const child = state(childHandle);
      if (child.row !== -1) throw new IntegrityError(`fork into a sequence that holds row ${child.row}`);
      const shared = Math.min(tokenCount, parent.source?.tokens ?? parent.computedTokens);
      if (parent.run === null || parent.joined || shared < 1) return false;
      if (blocksFor(shared) > runLength(child) || !hold(child)) return false;
      // What the parent has not copied itself yet is where it will copy it from.
      const run = parent.source?.run ?? parent.run;
      run.references++;
      child.source = { run, tokens: shared };
      child.computedTokens = shared;
      if (journal.isOn) journal.held('fork', blocksOfRun(run));
      journal.joined(child.id, shared);
      return true;
    },

    truncate(handle, tokenCount) {
      const sequence = state(handle);
      if (sequence.scheduledTokens > 0)
        throw new IntegrityError('truncate of a sequence that takes part in the open step');
      if (sequence.row === -1 || tokenCount >= sequence.computedTokens) return;
      if (tokenCount === 0) {
        letGo(sequence);
        return;
      }
      for (const other of holders) {
        if (other?.source?.run === sequence.run) shrinkSource(other, tokenCount);
      }
      shrinkSource(sequence, tokenCount);
      sequence.computedTokens = tokenCount;
      journal.truncated(sequence.id, tokenCount);
    },

    release(handle) {
      const sequence = state(handle);
      if (sequence.row === -1) return;
      if (sequence.scheduledTokens > 0) sequence.releasing = true;
      else letGo(sequence);
    },

    exclusiveBlocks: (sequence) => sequence.blockCount,
    pageIn: () => null,
    readaheadLimit: 0,
    reclaim() {},
    paging: null,
    async settled() {},
    async pageOutAll() {},
    beginFill: () => null,
    endFill() {},
    openFillCount: 0,
    holdPrefix: () => ({
      blocks: [],
      indices: [],
      cachedBlocks: [],
      cachedIndices: [],
      endBlock: 0,
      chain: new Uint32Array(0),
    }),

    blockHistory: noHistory.figures,
    refaults: 0,
    slotUse() {
      const heldSlots = (blockCount - allocator.freeCount) * blockSize;
      let usedSlots = 0;
      for (const holder of holders) if (holder !== null) usedSlots += holder.computedTokens + holder.scheduledTokens;
      return { heldSlots, usedSlots };
    },
    usage() {
      const { freeCount } = allocator;
      return { blockCount, freeBlocks: freeCount, evictableBlocks: 0, referencedBlocks: blockCount - freeCount };
    },
    layout: () => measureLayout(allocator, table, holders),
    slot: (sequence, position) => state(sequence).run!.first * blockSize + position,
    blockMap() {
      const references = Array.from({ length: blockCount }, () => 0);
      const runs = new Set(holders.flatMap((holder) => [holder?.run, holder?.source?.run]));
      for (const run of runs) if (run) references.fill(run.references, run.first, run.first + run.count);
      return { references, cached: references.map(() => false) };
    },
    snapshot() {
      const { references } = this.blockMap();
      const pool = { blockCount, references: (block: number) => references[block] };
      return snapshotOf({ blockSize, pool, table, cache: null, journal, history: noHistory, holders });
    },
    blocksOf(sequence) {
      const { run } = state(sequence);
      return run === null ? [] : blocksOfRun(run);
    },
    checkIntegrity: () => checkContiguousIntegrity({ blockSize, allocator, table, holders, stepSequences, copies }),
  };
}
