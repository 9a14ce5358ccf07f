// The shares of the step being planned, within its budget of tokens and output rows.

import type { KvMemory } from '../memory/index.ts';
import { isSampled, outputRowCount, type SequenceState } from './sequence.ts';
import { createStepBatch } from './step-batch.ts';
import type { ScheduledSequence, StepPlan } from './types.ts';

export interface Share {
  readonly sequence: SequenceState;
  readonly admitted: boolean;
}

export interface StepShares {
  readonly shares: readonly Share[];
  /** Whether tokens of the budget are left. */
  readonly hasBudget: boolean;
  /** Begins a step without shares, that may compute any number of tokens of prompts. */
  begin(): void;
  /** From now on the step computes at most so many tokens of prompts. */
  limitPromptTokens(count: number): void;
  /** How many tokens from `firstPosition` on fit what is left of the token budget and of the output rows. */
  shareFor(sequence: SequenceState, firstPosition: number): number;
  /** A sequence has reserved its share. */
  add(sequence: SequenceState, isAdmitted: boolean): void;
  /** A running sequence, prepared in memory, goes on with what the step in flight picks from output row `source`. */
  addNext(sequence: SequenceState, source: number): void;
  /** All shares, as the backend takes them. */
  finish(): Pick<StepPlan, 'sequences' | 'bindings'>;
}

export function createStepShares(
  memory: KvMemory,
  limits: { readonly maxNumBatchedTokens: number; readonly maxNumSeqs: number; readonly maxOutputs: number },
): StepShares {
  const { maxNumBatchedTokens, maxNumSeqs, maxOutputs } = limits;
  const batch = createStepBatch(memory, { maxTokens: maxNumBatchedTokens, maxSequences: maxNumSeqs, maxOutputs });
  let shares: Share[] = [];
  let scheduled: ScheduledSequence[] = [];
  /** Tokens of prompts that it may still take. */
  let promptTokensLeft = Number.POSITIVE_INFINITY;

  return {
    get shares() {
      return shares;
    },
    get hasBudget() {
      return batch.tokenCount < maxNumBatchedTokens;
    },
    begin() {
      batch.reset();
      shares = [];
      scheduled = [];
      promptTokensLeft = Number.POSITIVE_INFINITY;
    },
    limitPromptTokens(count) {
      promptTokensLeft = count;
    },
    shareFor(sequence, firstPosition) {
      const budget = maxNumBatchedTokens - batch.tokenCount;
      const outputs = maxOutputs - batch.outputCount;
      const missing = sequence.tokenIds.length - firstPosition;
      const count = Math.min(missing, budget, missing > 1 ? promptTokensLeft : 1);
      const excess = outputRowCount(sequence, firstPosition, count) - outputs;
      return excess > 0 ? count - excess : count;
    },
    add(sequence, isAdmitted) {
      const { computedTokens: first, scheduledTokens: count } = sequence.memory;
      if (sequence.tokenIds.length - first > 1) promptTokensLeft -= count;
      sequence.planned = true;
      shares.push({ sequence, admitted: isAdmitted });
      scheduled.push(batch.add(sequence, outputRowCount(sequence, first, count), isSampled(sequence, first + count)));
    },
    addNext(sequence, source) {
      shares.push({ sequence, admitted: false });
      scheduled.push(batch.addNext(sequence, source));
    },
    finish: () => ({ sequences: scheduled, bindings: batch.finish() }),
  };
}
