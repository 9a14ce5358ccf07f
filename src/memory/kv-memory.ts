// KvMemory: the one object through which the scheduler sees paged memory.

import { IntegrityError } from '../errors/index.ts';
import { HASH_WORDS } from './block-hash.ts';
import { checkMemoryIntegrity } from './integrity.ts';
import { createKvSequence, extendChain, type KvSequence, type KvSequenceState } from './kv-sequence.ts';
import { longestRun, measureLayout } from './layout.ts';
import { createMemoryParts } from './memory-parts.ts';
import { createOpenStep } from './open-step.ts';
import { createPageIn, type GroupPages } from './page-in.ts';
import { createSequenceBlocks } from './sequence-blocks.ts';
import { slotUseOf } from './slot-use.ts';
import { snapshotOf } from './snapshot.ts';
import { createStepCopies } from './step-copies.ts';
import type { KvMemory, KvMemoryOptions, PrefixMatch } from './types.ts';
import { matchInWindow } from './window-match.ts';

/** Memory of one cache group, which may be one of several. */
export interface GroupMemory extends KvMemory {
  /** Null without tiers. */
  readonly pages: GroupPages | null;
}

/** Memory with all blocks free; see KvMemory. Throws InvalidRequestError for sizes that are not positive integers and unknown names. */
export function createKvMemory(options: KvMemoryOptions): GroupMemory {
  const { maxNumSeqs, maxBlocksPerSequence } = options;
  const parts = createMemoryParts(options);
  const { blockSize, blockCount, caching, evictionPolicy, reach, hasher, allocator, pool, table, cache } = parts;
  const { evictable, history, reports, journal, store, holders, stepSequences, copies, pins } = parts;
  const { relocator, compact, placement, fills, paging, pages } = parts;
  const { retain, isCached, isFree } = store;
  const blocks = createSequenceBlocks(parts);
  const { append, entries, extend, shrink, hold, letGo } = blocks;
  const stepCopies = createStepCopies(parts);
  const step = createOpenStep(parts, blocks, stepCopies);
  const pageIn = pages && createPageIn([pages], blockSize);
  let unnamedCount = 0;

  const blocksFor = (tokens: number): number => Math.ceil(tokens / blockSize);

  /** Free blocks that a match takes. */
  function takenFree({ wholeBlocks, copySource }: PrefixMatch): number {
    let count = copySource !== -1 && isFree(copySource) ? 1 : 0;
    for (const block of wholeBlocks) if (block !== -1 && isFree(block)) count++;
    return count;
  }

  /** Blocks of a sequence with one token more than the open step gives it. */
  const nextBlockCount = ({ computedTokens, scheduledTokens }: KvSequenceState): number =>
    Math.ceil((computedTokens + scheduledTokens + 1) / blockSize);

  const state = (sequence: KvSequence): KvSequenceState => sequence as KvSequenceState;

  const memory: GroupMemory = {
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
    relocationsPerStep: parts.relocationsPerStep,
    blockTables: table.entries,
    blockTableStride: table.stride,
    blockCopies: copies,
    get counters() {
      const pageTable = table.counters;
      const { copyOnWrites, partialHitCopies } = stepCopies;
      const { prefixHitTokens, prefixMissTokens, merges } = step;
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
      else if (stepCopies.needsCopy(sequence)) free--;
      if (free < 0) return 0;
      return (held + Math.min(free, table.stride - held)) * blockSize - computed;
    },

    reserve(handle, tokenCount, match, spareBlocks = 0) {
      const sequence = state(handle);
      const joins = sequence.row === -1;
      const isPrepared = sequence.preparedTokens > 0;
      if (
        sequence.scheduledTokens > 0 ||
        sequence.releasing ||
        tokenCount < 1 ||
        joins !== (match !== undefined) ||
        (isPrepared && (tokenCount !== sequence.preparedTokens || stepCopies.needsCopy(sequence)))
      ) {
        throw new IntegrityError(
          `reserve of ${tokenCount} tokens for a sequence in the wrong state (row ${sequence.row})`,
        );
      }
      if (match !== undefined && table.freeRowCount === 0) return false;
      const taken = match !== undefined ? takenFree(match) : 0;
      const held = match !== undefined ? match.wholeBlocks.length : sequence.blockCount;
      const computed = match !== undefined ? match.cachedTokens : sequence.computedTokens;
      const wanted = blocksFor(computed + tokenCount);
      const copied = !joins && stepCopies.needsCopy(sequence) ? 1 : 0;
      if (wanted > table.stride) return false;
      if (wanted - held + copied + taken + spareBlocks > store.freeCount) return false;

      if (stepSequences.length === 0) history.tick();
      if (match !== undefined) step.join(sequence, match);
      else stepCopies.makePartialWritable(sequence);
      table.countHits(held - copied);
      extend(sequence, wanted);
      sequence.preparedTokens = 0;
      step.add(sequence, tokenCount);
      return true;
    },

    prepare(handles) {
      let wanted = 0;
      for (const handle of handles) {
        const sequence = state(handle);
        if (sequence.scheduledTokens === 0 || sequence.preparedTokens > 0 || sequence.releasing) {
          throw new IntegrityError(`prepare of a sequence in the wrong state (row ${sequence.row})`);
        }
        const blockCount = nextBlockCount(sequence);
        if (blockCount > table.stride || stepCopies.sharesNextBlock(sequence)) return false;
        wanted += blockCount - sequence.blockCount;
      }
      if (wanted > store.freeCount) return false;
      for (const handle of handles) {
        const sequence = state(handle);
        extend(sequence, nextBlockCount(sequence));
        sequence.preparedTokens = 1;
      }
      return true;
    },

    relocate() {
      if (stepSequences.length === 0) return;
      compact?.();
      placement?.migrate(stepSequences);
    },

    commit: step.commit,
    rollback: step.rollback,

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

    release(handle, comesBack = false) {
      const sequence = state(handle);
      if (sequence.row === -1) return;
      if (comesBack && paging !== null) {
        for (const block of entries(sequence, 0)) if (block !== -1) paging.noteWanted(block);
      }
      if (sequence.scheduledTokens > 0) sequence.releasing = true;
      else step.leave(sequence);
    },

    pages,
    pageIn: (sequence, { wholeBlocks, cachedTokens }, limitTokens, spareBlocks, isAhead) =>
      pageIn?.({
        members: [sequence],
        matchedBlocks: wholeBlocks.length,
        cachedTokens,
        limitTokens,
        spareBlocks: [spareBlocks],
        isAhead,
      }) ?? null,
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
    holdPrefix: (sequence, limitTokens) => fills.hold(state(sequence), limitTokens),

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
        kept: parts.kept,
        fills: fills.open,
        usage,
      });
    },
  };
  return memory;
}
