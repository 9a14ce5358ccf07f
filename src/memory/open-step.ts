// The open step of paged memory: what takes part in it, what it fills, and how it ends.

import { extendChain, type KvSequenceState } from './kv-sequence.ts';
import type { MemoryParts } from './memory-parts.ts';
import type { SequenceBlocks } from './sequence-blocks.ts';
import type { StepCopies } from './step-copies.ts';
import type { PrefixMatch } from './types.ts';

export interface OpenStep {
  readonly prefixHitTokens: number;
  readonly prefixMissTokens: number;
  readonly merges: number;
  /** Gives a sequence memory with the blocks of its match, and a copy of a part of one. */
  join(sequence: KvSequenceState, match: PrefixMatch): void;
  /** Takes everything from a sequence, which may be prepared for the next step. */
  leave(sequence: KvSequenceState): void;
  /** A sequence takes part with its next `tokenCount` tokens, whose blocks it has. */
  add(sequence: KvSequenceState, tokenCount: number): void;
  /** See KvMemory. */
  commit(): void;
  rollback(): void;
}

export function createOpenStep(parts: MemoryParts, blocks: SequenceBlocks, stepCopies: StepCopies): OpenStep {
  const { blockSize, caching, reach, hasher, table, cache, history, reports, journal, store, stepSequences } = parts;
  const { paging, relocator } = parts;
  const { allocate, retain, hit, drop, cacheContent, forgetContent } = store;
  const { append, entries, shrink, leaveBehind, hold, letGo } = blocks;
  let prefixHitTokens = 0;
  let prefixMissTokens = 0;
  let merges = 0;

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
      const block = allocate(blocks.near(sequence));
      append(sequence, block);
      stepCopies.copyPartialHit(sequence, match.copySource, block, match.cachedTokens % blockSize);
    }
    if (match.cachedTokens > 0) journal.joined(sequence.id, match.cachedTokens);
    sequence.joined = true;
    sequence.cachedTokens = match.cachedTokens;
    sequence.computedTokens = match.cachedTokens;
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

  /** Caches the blocks that the step filled, or replaces them by identical ones; what a prepared step still reads goes to `superseded`. */
  function cacheFilled(sequence: KvSequenceState, fromTokens: number, superseded: number[]): void {
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
        if (sequence.preparedTokens > 0) superseded.push(block);
        else drop(block);
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
    stepCopies.end();
    for (const sequence of stepSequences) if (sequence.releasing) leave(sequence);
    stepSequences.length = 0;
  }

  function leave(sequence: KvSequenceState): void {
    if (sequence.preparedTokens > 0) {
      // Its token of the step after this one is written, for nobody.
      const last = table.get(sequence.row, sequence.blockCount - 1);
      retain(last);
      stepCopies.keepForNextStep([last]);
    }
    letGo(sequence);
  }

  return {
    get prefixHitTokens() {
      return prefixHitTokens;
    },
    get prefixMissTokens() {
      return prefixMissTokens;
    },
    get merges() {
      return merges;
    },
    join,
    leave,
    add(sequence, tokenCount) {
      sequence.scheduledTokens = tokenCount;
      stepSequences.push(sequence);
      if (caching) announce(sequence);
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
      const superseded: number[] = [];
      for (const sequence of stepSequences) {
        const fromTokens = sequence.computedTokens;
        sequence.computedTokens += sequence.scheduledTokens;
        sequence.scheduledTokens = 0;
        if (caching) cacheFilled(sequence, fromTokens, superseded);
        leaveBehind(sequence, fromTokens);
        if (caching && sequence.joined) {
          prefixHitTokens += sequence.cachedTokens;
          prefixMissTokens += sequence.tokenIds.length - sequence.cachedTokens;
        }
      }
      endStep();
      if (superseded.length > 0) stepCopies.keepForNextStep(superseded);
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
        sequence.preparedTokens = 0;
        if (sequence.joined) {
          letGo(sequence);
          continue;
        }
        shrink(sequence, Math.ceil(sequence.computedTokens / blockSize));
        stepCopies.undo(sequence);
      }
      endStep();
      relocator?.undo();
    },
  };
}
