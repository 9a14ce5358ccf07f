// What the scheduler tells viewers: small objects, made only while somebody listens.

import type { EventSink, WaitCause } from '../events/index.ts';
import type { CacheReport, KvMemory, PrefixMatch } from '../memory/index.ts';
import type { HeadroomChange } from './headroom.ts';
import type { SequenceState, WaitingQueue } from './sequence.ts';
import type { Share } from './step-shares.ts';
import type { StepPlan } from './types.ts';

/** Waiting sequences that a step names. */
const mostNamed = 64;
/** Sequences behind the one that holds up the queue whose cause is looked at. */
const mostQueued = 16;
const mostSharers = 32;

export interface StepEvents {
  added(sequence: SequenceState): void;
  /** Sets what a waiting sequence waits for, and tells of a change. */
  waits(sequence: SequenceState, cause: WaitCause): void;
  /** This one and those behind it wait for their turn. */
  queued(first: SequenceState | null): void;
  admitted(sequence: SequenceState, match: PrefixMatch, cache: CacheReport, running: readonly SequenceState[]): void;
  /** Before the victim gives its memory back; its cause is set. */
  preempted(victim: SequenceState, by: SequenceState, exclusiveBlocks: number): void;
  /** `shares` as those of the plan; sequences that have ended are left out. */
  scheduled(plan: StepPlan, running: number, waiting: WaitingQueue, shares: readonly Share[]): void;
  completed(plan: StepPlan, shares: readonly Share[], generatedTokens: number): void;
  aborted(shares: readonly Share[]): void;
  forked(parent: SequenceState, child: SequenceState): void;
  /** Both before the sequence is forgotten. */
  finished(sequence: SequenceState, reason: 'stop' | 'length' | 'computed'): void;
  cancelled(sequence: SequenceState): void;
  headroom(change: HeadroomChange): void;
}

export function createStepEvents(sink: EventSink, memory: KvMemory, tokenBudget: number): StepEvents {
  const { blockSize } = memory;

  /** Leading blocks of the first `count` that two sequences have both. They are the same up to some block, and differ after it. */
  function sharedBlocks(one: SequenceState, other: SequenceState, count: number): number {
    let low = 0;
    let high = Math.min(count, other.memory.blockCount);
    while (low < high) {
      const middle = (low + high) >> 1;
      const position = middle * blockSize;
      const slot = memory.slot(one.memory, position);
      if (slot >= 0 && slot === memory.slot(other.memory, position)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  function waits(sequence: SequenceState, cause: WaitCause): void {
    if (sequence.waitCause === cause) return;
    sequence.waitCause = cause;
    if (sink.wantsSteps) sink.emit({ type: 'waiting', sequence: sequence.id, cause });
  }

  return {
    added({ id, requestId, promptTokens, maxNewTokens }) {
      if (sink.wantsSteps) sink.emit({ type: 'added', sequence: id, requestId, promptTokens, maxNewTokens });
    },
    waits,
    queued(first) {
      let left = mostQueued;
      for (let sequence = first; sequence !== null && left > 0; sequence = sequence.next, left--) {
        if (!sequence.paging) waits(sequence, 'queue');
      }
    },
    admitted(sequence, match, { reason, firstMissing }, running) {
      if (!sink.wantsSteps) return;
      const sharedWith: { sequence: number; blocks: number }[] = [];
      for (const other of running) {
        if (match.wholeBlocks.length === 0 || sharedWith.length === mostSharers) break;
        if (other === sequence) continue;
        const blocks = sharedBlocks(sequence, other, match.wholeBlocks.length);
        if (blocks > 0) sharedWith.push({ sequence: other.id, blocks });
      }
      sink.emit({
        type: 'admitted',
        sequence: sequence.id,
        cachedTokens: match.cachedTokens,
        resumed: sequence.hasRun,
        reason,
        firstMissing,
        sharedWith,
      });
    },
    preempted(victim, by, exclusiveBlocks) {
      if (!sink.wantsSteps) return;
      sink.emit({
        type: 'preempted',
        sequence: victim.id,
        mode: 'recompute',
        by: by.id,
        reason: victim.waitCause === 'quota' ? 'quota' : 'blocks',
        computedTokens: victim.memory.computedTokens,
        exclusiveBlocks,
      });
    },
    scheduled({ sequences, bindings }, running, waiting, shares) {
      if (!sink.wantsSteps) return;
      const waitingSequences: number[] = [];
      for (let next = waiting.head; next !== null && waitingSequences.length < mostNamed; next = next.next) {
        waitingSequences.push(next.id);
      }
      const ids: number[] = [];
      const positions: number[] = [];
      const tokens: number[] = [];
      for (const [i, { id, firstPosition, tokenCount }] of sequences.entries()) {
        if (shares[i].sequence.ended) continue;
        ids.push(id);
        positions.push(firstPosition);
        tokens.push(tokenCount);
      }
      sink.emit({
        type: 'scheduled',
        sequences: ids,
        positions,
        tokens,
        tokenCount: bindings.tokenCount,
        tokenBudget,
        running,
        waiting: waiting.count,
        waitingSequences,
      });
    },
    completed({ sequences, bindings }, shares, generatedTokens) {
      if (!sink.wantsSteps) return;
      const sampled: number[] = [];
      for (let i = 0; i < sequences.length; i++) {
        if (sequences[i].samples && !shares[i].sequence.ended) sampled.push(sequences[i].id);
      }
      sink.emit({ type: 'completed', sampled, tokenCount: bindings.tokenCount, generatedTokens });
    },
    aborted(shares) {
      if (!sink.wantsSteps) return;
      const returned = shares.filter(({ sequence, admitted }) => admitted && !sequence.ended);
      sink.emit({ type: 'aborted', returned: returned.map(({ sequence }) => sequence.id) });
    },
    forked(parent, { id, requestId, tokenIds, memory: held, running }) {
      if (!sink.wantsSteps) return;
      const sharedTokens = held.computedTokens;
      const totalTokens = tokenIds.length;
      sink.emit({ type: 'forked', parent: parent.id, sequence: id, requestId, totalTokens, sharedTokens, running });
    },
    finished({ id, tokenIds, generatedTokens }, reason) {
      if (!sink.wantsSteps) return;
      sink.emit({ type: 'finished', sequence: id, reason, totalTokens: tokenIds.length, generatedTokens });
    },
    cancelled({ id, generatedTokens }) {
      if (sink.wantsSteps) sink.emit({ type: 'cancelled', sequence: id, generatedTokens });
    },
    headroom({ fromShare, toShare, reason }) {
      if (!sink.wantsSteps) return;
      sink.emit({ type: 'controller', name: 'headroom', from: fromShare, to: toShare, reason });
    },
  };
}
