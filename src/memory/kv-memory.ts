// KvMemory: the one object through which the scheduler sees paged memory.

import { IntegrityError, InvalidRequestError } from '../errors/index.ts';
import { type CopyCause, createBlockJournal, createSilentSink } from '../events/index.ts';
import { type AddressableAllocator, createAllocator } from './allocators/index.ts';
import { createAttentionReach } from './attention-reach.ts';
import { createBlockFills } from './block-fill.ts';
import { createBlockHasher, HASH_WORDS } from './block-hash.ts';
import { createBlockHistory } from './block-history.ts';
import { createBlockPool } from './block-pool.ts';
import { createBlockStore } from './block-store.ts';
import { createCacheReports } from './cache-report.ts';
import { createCompactor } from './compaction.ts';
import {
  createEvictableSet,
  createEvictionPolicy,
  createMovableEvictableSet,
  defaultEvictionPolicy,
} from './eviction/index.ts';
import { checkMemoryIntegrity } from './integrity.ts';
import { createKvSequence, extendChain, type KvSequence, type KvSequenceState } from './kv-sequence.ts';
import { longestRun, measureLayout } from './layout.ts';
import { createNodeAllocator, createNodeMap, createNumaPlacement } from './numa/index.ts';
import { createPageIn } from './page-in.ts';
import { createPageTable } from './page-table.ts';
import { createPaging } from './paging.ts';
import { createPrefixCache } from './prefix-cache.ts';
import { createRelocator } from './relocation.ts';
import { slotUseOf } from './slot-use.ts';
import { snapshotOf } from './snapshot.ts';
import type { KvMemory, KvMemoryOptions, PrefixMatch } from './types.ts';
import { matchInWindow } from './window-match.ts';

/** The open step's hold on the source of its copies. */
interface Pin {
  readonly count: number;
  /** Tokens of a sequence that gets the block back if the step is rolled back. */
  readonly keptTokens: number;
}

/** Tokens before one for which attention costs about what the rest of computing it costs: between those of small and large models. */
const ATTENTION_TOKENS = 8192;

/** Memory with all blocks free; see KvMemory. Throws InvalidRequestError for sizes that are not positive integers and unknown names. */
export function createKvMemory(options: KvMemoryOptions): KvMemory {
  const { blockCount, blockSize, maxNumSeqs, maxBlocksPerSequence } = options;
  for (const name of ['blockCount', 'blockSize', 'maxNumSeqs', 'maxBlocksPerSequence'] as const) {
    if (!Number.isSafeInteger(options[name]) || options[name] < 1) {
      throw new InvalidRequestError(`${name} must be a positive integer, not ${options[name]}`, name, options[name]);
    }
  }
  const caching = options.enablePrefixCaching ?? true;
  const reach = createAttentionReach(blockSize, options.windowTokens, options.sinkTokens);
  const compactionBlocks = requireCount('compactionBlocksPerStep', options.compactionBlocksPerStep ?? 0);
  const numa = options.numa && options.numa.topology.nodes.length > 1 ? options.numa : null;
  const migrationBlocks = numa ? requireCount('migrationBlocksPerStep', numa.migrationBlocksPerStep ?? 4) : 0;
  const moves = compactionBlocks + migrationBlocks > 0;
  const allocatorName = options.allocator ?? 'free-list';
  const nodes = numa ? createNodeMap(blockCount, numa.topology) : null;
  // The stack behind the default serves where nobody asks which blocks are neighbours.
  const isStack = allocatorName === 'free-list' && !moves && nodes === null;
  const create = (count: number): AddressableAllocator => createAllocator(allocatorName, count);
  const allocator = isStack ? null : nodes ? createNodeAllocator(nodes, create) : create(blockCount);
  const pool = createBlockPool(blockCount, allocator);
  const table = createPageTable(maxNumSeqs, maxBlocksPerSequence, moves ? blockCount : 0);
  const hasher = createBlockHasher(blockSize);
  const cachedBlockCount = caching ? blockCount : 0;
  const cache = createPrefixCache(cachedBlockCount, blockSize);
  const evictionPolicy = options.evictionPolicy ?? defaultEvictionPolicy;
  const attentionDepth = ATTENTION_TOKENS / blockSize;
  const policy = createEvictionPolicy(evictionPolicy, { blockCount: cachedBlockCount, attentionDepth });
  const evictableSet = caching ? createEvictableSet(blockCount, policy) : null;
  const evictable = evictableSet && moves ? createMovableEvictableSet(blockCount, evictableSet) : evictableSet;
  const history = createBlockHistory(cachedBlockCount, options.now ?? null);
  const reports = createCacheReports(cachedBlockCount, blockSize, hasher, history, options.remembersSalts ?? false);
  const sink = options.events ?? createSilentSink();
  const journal = createBlockJournal(sink, { group: options.group ?? 0, blockCount, hashWords: HASH_WORDS });
  const paging = caching && options.tiers ? createPaging(blockCount, options.tiers, journal, sink) : null;
  const store = createBlockStore(
    pool,
    caching ? cache : null,
    evictable,
    history,
    journal,
    (block) => paging?.evict(block, cache.hashes) ?? 'dropped',
    (block) => paging?.pager.tierOf(block, cache.hashes) ?? '',
  );
  const { allocate, retain, hit, drop, cacheContent, forgetContent, isCached, isFree } = store;
  /** Who holds which row. */
  const holders: (KvSequenceState | null)[] = new Array(maxNumSeqs).fill(null);
  /** The open step: its sequences in the order of their first reserve, the copies, and the references it holds on their sources. */
  const stepSequences: KvSequenceState[] = [];
  const copies: number[] = [];
  const pins = new Map<number, Pin>();
  const onMove = (from: number, to: number): void => paging?.noteMove(from, to);
  const relocator = moves
    ? createRelocator({ blockSize, pool, store, table, holders, pins, copies, journal, onMove })
    : null;
  const compact =
    relocator && allocator && compactionBlocks > 0
      ? createCompactor({
          allocator,
          pool,
          table,
          holders,
          relocator,
          blocksPerStep: compactionBlocks,
          nodeOf: nodes?.nodeOf ?? (() => 0),
        })
      : null;
  const placement = nodes
    ? createNumaPlacement({ map: nodes, pool, table, relocator, blocksPerStep: migrationBlocks })
    : null;
  for (const [node, { first, count }] of nodes?.ranges.entries() ?? []) {
    numa?.bind?.(first, count, numa.topology.nodes[node].id);
  }
  const fills = createBlockFills(store, cache, hasher, blockSize, reach, journal, relocator?.origin);
  let unnamedCount = 0;
  const pageIn =
    paging && options.tiers
      ? createPageIn({ paging, tiers: options.tiers, blockSize, cache, hasher, reach, fills, history, journal, sink })
      : null;
  let copyOnWrites = 0;
  let partialHitCopies = 0;
  let prefixHitTokens = 0;
  let prefixMissTokens = 0;
  let merges = 0;

  const blocksFor = (tokens: number): number => Math.ceil(tokens / blockSize);

  function pin(block: number, keptTokens: number): void {
    const before = pins.get(block);
    pins.set(block, { count: (before?.count ?? 0) + 1, keptTokens: Math.max(keptTokens, before?.keptTokens ?? 0) });
  }

  /**
   * Whether writing on in the partial block would change what others hold. A copy's hold on its source does not count, as
   * copies come before writes; but a rollback gives the source back, so tokens that it held may not be written over.
   */
  function isShared(sequence: KvSequenceState, block: number): boolean {
    const held = pins.get(block);
    if (held === undefined) return pool.references(block) > 1;
    return pool.references(block) - held.count > 1 || sequence.computedTokens < held.keptTokens;
  }

  /** The block that the next token goes into if it has tokens already, or -1. */
  function partialBlock(sequence: KvSequenceState): number {
    if (sequence.computedTokens % blockSize === 0) return -1;
    return table.get(sequence.row, Math.floor(sequence.computedTokens / blockSize));
  }

  function needsCopy(sequence: KvSequenceState): boolean {
    const block = partialBlock(sequence);
    return block !== -1 && isShared(sequence, block);
  }

  /** Free blocks that a match takes. */
  function takenFree({ wholeBlocks, copySource }: PrefixMatch): number {
    let count = copySource !== -1 && isFree(copySource) ? 1 : 0;
    for (const block of wholeBlocks) if (block !== -1 && isFree(block)) count++;
    return count;
  }

  function append(sequence: KvSequenceState, block: number): void {
    table.set(sequence.row, sequence.blockCount++, block);
  }

  /** The block that the next one of a sequence should be near: undefined if it has none, or a window has left it behind. */
  function nearBlock(sequence: KvSequenceState): number | undefined {
    if (placement !== null) return placement.near(sequence);
    const block = sequence.blockCount === 0 ? -1 : table.get(sequence.row, sequence.blockCount - 1);
    return block === -1 ? undefined : block;
  }

  /** What a sequence's block table holds from `index` on, before `end`. */
  function entries({ row, blockCount: count }: KvSequenceState, index: number, end = count): number[] {
    const blocks: number[] = [];
    for (let at = index; at < end; at++) blocks.push(table.get(row, at));
    return blocks;
  }

  /** Gives a sequence new blocks up to `blockCount`; they are there. */
  function extend(sequence: KvSequenceState, wantedBlocks: number): void {
    const held = sequence.blockCount;
    // The free list gives no runs.
    if (allocatorName === 'free-list') {
      while (sequence.blockCount < wantedBlocks) append(sequence, allocate(placement?.near(sequence)));
    } else if (sequence.blockCount < wantedBlocks) {
      const take = (block: number): void => append(sequence, block);
      store.allocateRuns(wantedBlocks - sequence.blockCount, nearBlock(sequence), take);
    }
    if (journal.isOn && wantedBlocks > held) journal.allocated(sequence.id, held, entries(sequence, held));
  }

  /** Has a block copied before the open step writes, from where its content is until then. */
  function copy(from: number, to: number): void {
    copies.push(relocator === null ? from : relocator.origin(from), to);
  }

  /** A copy into the block that the sequence's next token goes to. */
  function noteCopy(cause: CopyCause, sequence: KvSequenceState, from: number, to: number, tokens: number): void {
    if (journal.isOn) {
      journal.copied(cause, { from, to, sequences: [sequence.id], index: sequence.blockCount - 1, tokens });
    }
  }

  /** Removes blocks from the end of a block table, last first, so that a sequence's tail is evicted before its head. */
  function shrink(sequence: KvSequenceState, keepBlocks: number): void {
    if (journal.isOn && sequence.blockCount > keepBlocks) {
      journal.released(sequence.id, keepBlocks, entries(sequence, keepBlocks));
    }
    while (sequence.blockCount > keepBlocks) {
      const index = --sequence.blockCount;
      const block = table.get(sequence.row, index);
      if (block === -1) continue;
      table.clear(sequence.row, index);
      drop(block);
    }
  }

  /** Gives back the blocks that the window has left behind since `fromTokens`; those that are cached stay evictable. */
  function leaveBehind(sequence: KvSequenceState, fromTokens: number): void {
    const end = reach.firstBlock(sequence.computedTokens);
    const first = Math.max(reach.sinkBlocks, reach.firstBlock(fromTokens));
    if (journal.isOn && first < end) journal.leftBehind(sequence.id, first, entries(sequence, first, end));
    for (let index = first; index < end; index++) {
      const block = table.get(sequence.row, index);
      table.clear(sequence.row, index);
      drop(block);
    }
  }

  function hold(sequence: KvSequenceState): void {
    sequence.row = table.takeRow();
    holders[sequence.row] = sequence;
  }

  function letGo(sequence: KvSequenceState): void {
    shrink(sequence, 0);
    table.giveRow(sequence.row);
    holders[sequence.row] = null;
    sequence.row = -1;
    sequence.computedTokens = 0;
    sequence.scheduledTokens = 0;
    sequence.joined = false;
    sequence.releasing = false;
  }

  function join(sequence: KvSequenceState, match: PrefixMatch): void {
    hold(sequence);
    for (const block of match.wholeBlocks) {
      if (block === -1) {
        sequence.blockCount++;
        continue;
      }
      paging?.noteHit(block);
      hit(block);
      append(sequence, block);
    }
    if (journal.isOn && sequence.blockCount > 0) journal.shared('prefix_hit', sequence.id, 0, entries(sequence, 0));
    if (match.copySource !== -1) {
      retain(match.copySource);
      pin(match.copySource, 0);
      const block = allocate(nearBlock(sequence));
      append(sequence, block);
      copy(match.copySource, block);
      partialHitCopies++;
      noteCopy('partial_hit', sequence, match.copySource, block, match.cachedTokens % blockSize);
    }
    if (match.cachedTokens > 0) journal.joined(sequence.id, match.cachedTokens);
    sequence.joined = true;
    sequence.cachedTokens = match.cachedTokens;
    sequence.computedTokens = match.cachedTokens;
  }

  /** Makes the partial block one that the sequence alone may write, and that promises nothing to anyone. */
  function makePartialWritable(sequence: KvSequenceState): void {
    const block = partialBlock(sequence);
    if (block === -1) return;
    if (isShared(sequence, block)) {
      const own = allocate(block);
      // The sequence's reference to the old block becomes the step's, so that a rollback finds it as it was.
      pin(block, sequence.computedTokens);
      table.set(sequence.row, Math.floor(sequence.computedTokens / blockSize), own);
      copy(block, own);
      sequence.copiedFrom = block;
      copyOnWrites++;
      noteCopy('copy_on_write', sequence, block, own, sequence.computedTokens % blockSize);
    } else if (isCached(block)) {
      forgetContent(block);
    }
  }

  /** Lets later sequences of this step hit the blocks that this one fills in it. */
  function announce(sequence: KvSequenceState): void {
    const endBlock = Math.floor((sequence.computedTokens + sequence.scheduledTokens) / blockSize);
    extendChain(sequence, endBlock, hasher);
    for (let index = Math.floor(sequence.computedTokens / blockSize); index < endBlock; index++) {
      if (cache.find(sequence.chain, index + 1) === -1) {
        cache.addPending(table.get(sequence.row, index), sequence.chain, index + 1);
      }
    }
  }

  /** Caches the blocks that the step filled, or replaces them by identical ones. */
  function cacheFilled(sequence: KvSequenceState, fromTokens: number): void {
    const endBlock = Math.floor(sequence.computedTokens / blockSize);
    for (let index = Math.floor(fromTokens / blockSize); index < endBlock; index++) {
      const block = table.get(sequence.row, index);
      const twin = cache.find(sequence.chain, index + 1);
      if (twin === -1 || twin === block) {
        // Leaves go before roots only where a chain is worth nothing without its roots.
        const hasParent = index > 0 && reach.windowTokens === null;
        const parent = hasParent ? table.get(sequence.row, index - 1) : -1;
        cacheContent(block, sequence.chain, index + 1, sequence.tokenIds, parent);
        reports.remember(sequence, index, index + 1);
      } else {
        hit(twin);
        table.set(sequence.row, index, twin);
        drop(block);
        merges++;
        if (journal.isOn) journal.merged({ sequence: sequence.id, index, from: block, to: twin });
      }
    }
  }

  function endStep(): void {
    // A releasing sequence goes last, when the others have taken what they share with it.
    for (const sequence of stepSequences) {
      sequence.joined = false;
      sequence.copiedFrom = -1;
    }
    for (const [block, { count }] of pins) {
      for (let i = 0; i < count; i++) {
        journal.unheld('copy', [block]);
        drop(block);
      }
    }
    pins.clear();
    copies.length = 0;
    for (const sequence of stepSequences) if (sequence.releasing) letGo(sequence);
    stepSequences.length = 0;
  }

  const state = (sequence: KvSequence): KvSequenceState => sequence as KvSequenceState;

  const memory: KvMemory = {
    blockSize,
    maxNumSeqs,
    enablePrefixCaching: caching,
    evictionPolicy,
    longestSequenceTokens:
      Math.min(
        maxBlocksPerSequence,
        reach.blocksFor(maxBlocksPerSequence * blockSize) <= blockCount ? maxBlocksPerSequence : blockCount,
      ) * blockSize,
    // Its partial block.
    copiesPerSequence: 1,
    relocationsPerStep: compactionBlocks + migrationBlocks,
    blockTables: table.entries,
    blockTableStride: table.stride,
    blockCopies: copies,
    get counters() {
      const pageTable = table.counters;
      const counted = { copyOnWrites, partialHitCopies, prefixHitTokens, prefixMissTokens };
      const { evictions, grantedRuns, splitRuns } = store;
      const placed = { grantedRuns, splitRuns, relocatedBlocks: relocator?.relocatedBlocks ?? 0 };
      const migratedBlocks = placement?.migratedBlocks ?? 0;
      return { evictions, ...counted, merges: merges + fills.merges, ...placed, migratedBlocks, pageTable };
    },
    open: (tokenIds, salt, _finalTokens, id) => createKvSequence(tokenIds, salt, hasher, id ?? -++unnamedCount),

    match(handle, limitTokens, allowCopy = true) {
      const sequence = state(handle);
      const wholeBlocks: number[] = [];
      if (!caching) return { cachedTokens: 0, wholeBlocks, copySource: -1 };
      const limit = Math.min(limitTokens, sequence.tokenIds.length);
      if (reach.windowTokens !== null)
        matchInWindow(sequence, Math.floor(limit / blockSize), reach, { blockSize, cache, hasher, wholeBlocks });
      else
        while ((wholeBlocks.length + 1) * blockSize <= limit) {
          extendChain(sequence, Math.max(sequence.hashedBlocks, wholeBlocks.length + 1), hasher);
          const block = cache.find(sequence.chain, wholeBlocks.length + 1);
          if (block === -1) break;
          wholeBlocks.push(block);
        }
      const start = wholeBlocks.length * blockSize;
      const partial = allowCopy
        ? cache.findPartial(sequence.chain, wholeBlocks.length, sequence.tokenIds, start, limit)
        : { block: -1, tokenCount: 0 };
      const cachedTokens = start + partial.tokenCount;
      wholeBlocks.fill(-1, reach.sinkBlocks, Math.max(reach.sinkBlocks, reach.firstBlock(cachedTokens)));
      return { cachedTokens, wholeBlocks, copySource: partial.block };
    },

    explainMatch: (handle, match, limitTokens) => reports.explain(state(handle), match, caching ? limitTokens : 0),

    blocksFor: reach.blocksFor,
    heldBlocks: (sequence) => reach.heldCount(sequence.blockCount, sequence.computedTokens),

    room(handle, match, spareBlocks = 0) {
      const sequence = state(handle);
      const held = match?.wholeBlocks.length ?? sequence.blockCount;
      const computed = match?.cachedTokens ?? sequence.computedTokens;
      let free = store.freeCount - spareBlocks;
      if (match !== undefined) free -= takenFree(match);
      else if (needsCopy(sequence)) free--;
      if (free < 0) return 0;
      return (held + Math.min(free, table.stride - held)) * blockSize - computed;
    },

    reserve(handle, tokenCount, match, spareBlocks = 0) {
      const sequence = state(handle);
      const joins = sequence.row === -1;
      if (sequence.scheduledTokens > 0 || sequence.releasing || tokenCount < 1 || joins !== (match !== undefined)) {
        throw new IntegrityError(
          `reserve of ${tokenCount} tokens for a sequence in the wrong state (row ${sequence.row})`,
        );
      }
      if (match !== undefined && table.freeRowCount === 0) return false;
      const taken = match !== undefined ? takenFree(match) : 0;
      const held = match !== undefined ? match.wholeBlocks.length : sequence.blockCount;
      const computed = match !== undefined ? match.cachedTokens : sequence.computedTokens;
      const wanted = blocksFor(computed + tokenCount);
      const copied = !joins && needsCopy(sequence) ? 1 : 0;
      if (wanted > table.stride) return false;
      if (wanted - held + copied + taken + spareBlocks > store.freeCount) return false;

      if (stepSequences.length === 0) history.tick();
      if (match !== undefined) join(sequence, match);
      else makePartialWritable(sequence);
      table.countHits(held - copied);
      extend(sequence, wanted);
      sequence.scheduledTokens = tokenCount;
      stepSequences.push(sequence);
      if (caching) announce(sequence);
      return true;
    },

    relocate() {
      if (stepSequences.length === 0) return;
      compact?.();
      placement?.migrate(stepSequences);
    },

    commit() {
      history.tick();
      if (journal.isOn) {
        const ids: number[] = [];
        const ends: number[] = [];
        for (const { id, computedTokens, scheduledTokens } of stepSequences) {
          ids.push(id);
          ends.push(computedTokens + scheduledTokens);
        }
        journal.computed(ids, ends);
      }
      for (const sequence of stepSequences) {
        const fromTokens = sequence.computedTokens;
        sequence.computedTokens += sequence.scheduledTokens;
        sequence.scheduledTokens = 0;
        if (caching) cacheFilled(sequence, fromTokens);
        leaveBehind(sequence, fromTokens);
        if (caching && sequence.joined) {
          prefixHitTokens += sequence.cachedTokens;
          prefixMissTokens += sequence.tokenIds.length - sequence.cachedTokens;
        }
      }
      endStep();
      relocator?.finish();
    },

    rollback() {
      for (const sequence of stepSequences) {
        for (let index = Math.floor(sequence.computedTokens / blockSize); index < sequence.blockCount; index++) {
          const block = table.get(sequence.row, index);
          if (caching && cache.content(block) === 'pending') forgetContent(block);
        }
      }
      for (let i = stepSequences.length - 1; i >= 0; i--) {
        const sequence = stepSequences[i];
        sequence.scheduledTokens = 0;
        if (sequence.joined) {
          letGo(sequence);
          continue;
        }
        shrink(sequence, blocksFor(sequence.computedTokens));
        if (sequence.copiedFrom !== -1) {
          const index = sequence.blockCount - 1;
          drop(table.get(sequence.row, index));
          noteCopy('copy_on_write_undone', sequence, table.get(sequence.row, index), sequence.copiedFrom, 0);
          table.set(sequence.row, index, sequence.copiedFrom);
          const held = pins.get(sequence.copiedFrom)!;
          pins.set(sequence.copiedFrom, { ...held, count: held.count - 1 });
        }
      }
      endStep();
      relocator?.undo();
    },

    fork(parentHandle, childHandle, tokenCount) {
      const parent = state(parentHandle);
      const child = state(childHandle);
      if (child.row !== -1) throw new IntegrityError(`fork into a sequence that holds row ${child.row}`);
      const shared = Math.min(tokenCount, parent.computedTokens);
      if (parent.row === -1 || parent.joined || shared < 1 || table.freeRowCount === 0) return false;
      if (reach.firstBlock(shared) < reach.firstBlock(parent.computedTokens)) return false;
      hold(child);
      for (let index = 0; index < blocksFor(shared); index++) {
        const isPartial = index === Math.floor(parent.computedTokens / blockSize);
        // A copy made for the open step has no content yet: share what it is copied from.
        const block = isPartial && parent.copiedFrom !== -1 ? parent.copiedFrom : table.get(parent.row, index);
        if (block === -1) {
          child.blockCount++;
          continue;
        }
        retain(block);
        append(child, block);
      }
      child.computedTokens = shared;
      if (journal.isOn) {
        journal.shared('fork', child.id, 0, entries(child, 0));
        journal.joined(child.id, shared);
      }
      if (caching) {
        const fullBlocks = Math.floor(shared / blockSize);
        extendChain(parent, Math.max(parent.hashedBlocks, fullBlocks), hasher);
        child.chain = parent.chain.slice(0, (fullBlocks + 1) * HASH_WORDS);
        child.hashedBlocks = fullBlocks;
      }
      return true;
    },

    truncate(handle, tokenCount) {
      const sequence = state(handle);
      if (sequence.scheduledTokens > 0)
        throw new IntegrityError('truncate of a sequence that takes part in the open step');
      sequence.hashedBlocks = Math.min(sequence.hashedBlocks, Math.floor(tokenCount / blockSize));
      reports.truncate(sequence, sequence.hashedBlocks);
      if (sequence.row === -1 || tokenCount >= sequence.computedTokens) return;
      if (tokenCount === 0 || reach.firstBlock(tokenCount) < reach.firstBlock(sequence.computedTokens)) {
        letGo(sequence);
        return;
      }
      sequence.computedTokens = tokenCount;
      shrink(sequence, blocksFor(tokenCount));
      journal.truncated(sequence.id, tokenCount);
    },

    exclusiveBlocks(sequence) {
      let count = 0;
      for (let index = 0; index < sequence.blockCount; index++) {
        if (pool.references(table.get(sequence.row, index)) === 1) count++;
      }
      return count;
    },

    release(handle) {
      const sequence = state(handle);
      if (sequence.row === -1) return;
      if (sequence.scheduledTokens > 0) sequence.releasing = true;
      else letGo(sequence);
    },

    pageIn: (handle, match, limitTokens, spareBlocks, isAhead) =>
      pageIn?.(state(handle), match, limitTokens, spareBlocks, isAhead) ?? null,
    get readaheadLimit() {
      return paging?.readaheadLimit ?? 0;
    },
    reclaim() {
      journal.evictionCause = 'background';
      paging?.reclaim(pool, store);
      journal.evictionCause = 'demand';
    },
    get paging() {
      return paging?.figures ?? null;
    },
    settled: async () => paging?.pager.settled(),
    async pageOutAll() {
      journal.evictionCause = 'close';
      await paging?.evictAll(store);
    },
    beginFill(sequence, firstBlock, count, spareBlocks = 0) {
      history.tick();
      return caching ? fills.begin(state(sequence), firstBlock, count, spareBlocks, 'fill') : null;
    },
    endFill(fill, filledCount) {
      history.tick();
      fills.end(fill, filledCount);
    },
    get openFillCount() {
      return fills.open.size;
    },
    holdPrefix: (sequence) => fills.hold(state(sequence)),

    get blockHistory() {
      return history.figures;
    },
    get refaults() {
      return history.refaults;
    },
    slotUse: () => slotUseOf(memory, holders),
    usage() {
      return {
        blockCount,
        freeBlocks: store.freeCount,
        evictableBlocks: store.evictableCount,
        referencedBlocks: blockCount - store.freeCount,
      };
    },
    layout: () =>
      measureLayout(allocator ?? { freeCount: pool.freeCount, largestRun: () => longestRun(pool) }, table, holders),
    slot(sequence, position) {
      const block = table.get(sequence.row, Math.floor(position / blockSize));
      return block * blockSize + (position % blockSize);
    },
    blockMap() {
      const references: number[] = [];
      const cached: boolean[] = [];
      for (let block = 0; block < blockCount; block++) {
        references.push(pool.references(block));
        cached.push(isCached(block));
      }
      return { references, cached };
    },
    snapshot: () => snapshotOf({ blockSize, pool, table, cache: caching ? cache : null, journal, history, holders }),
    blocksOf(sequence) {
      if (sequence.row === -1) return [];
      const start = sequence.row * table.stride;
      return Array.from(table.entries.subarray(start, start + sequence.blockCount));
    },
    checkIntegrity() {
      const usage = memory.usage();
      checkMemoryIntegrity({
        blockSize,
        reach,
        pool,
        table,
        cache: caching ? cache : null,
        evictable,
        hasher,
        holders,
        stepSequences,
        pins: relocator === null ? pins : relocator.withHolds(pins),
        fills: fills.open,
        usage,
      });
    },
  };
  return memory;
}

function requireCount(name: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new InvalidRequestError(`${name} must be a non-negative integer, not ${value}`, name, value);
  }
  return value;
}
