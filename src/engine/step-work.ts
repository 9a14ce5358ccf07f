// What a planned step is to pick from its logits, and for whom.

import type { TokenPick } from '../backends/picks.ts';
import type { ScheduledSequence, StepPlan } from '../scheduler/types.ts';
import type { Choice } from './choice.ts';
import type { GenerationState } from './generation.ts';

/** Which choice of which generation a scheduler's sequence computes. */
export interface SequenceOwner {
  readonly state: GenerationState;
  choice: Choice;
  /** Choices of the same prompt that are forked off when its first token is sampled. */
  siblings: readonly Choice[];
}

/** A sequence's share of a step with the picks made for it. */
export interface StepShare {
  readonly sequence: ScheduledSequence;
  readonly owner: SequenceOwner;
  /** Who samples; empty where the share samples nothing. */
  readonly choices: readonly Choice[];
  /** Its picks begin here: first one for each of `promptOutputs` rows, then one for each choice. */
  readonly firstPick: number;
  /** Leading output rows whose log-probabilities of prompt tokens are wanted. */
  readonly promptOutputs: number;
}

export interface StepWork {
  readonly plan: StepPlan;
  readonly shares: readonly StepShare[];
  readonly picks: readonly TokenPick[];
}

const greedy = { temperature: 0, topK: 0, topP: 1, minP: 0, uniform: 0, edits: null } as const;

/**
 * The shares and picks of a plan; sequences without an owner have been cancelled and get none. `pending` (defaults to 0): tokens that each has been given by the step that runs, and
 * that nobody knows yet.
 */
export function workOf(plan: StepPlan, owners: ReadonlyMap<number, SequenceOwner>, pending = 0): StepWork {
  const shares: StepShare[] = [];
  const picks: TokenPick[] = [];
  for (const sequence of plan.sequences) {
    const owner = owners.get(sequence.id);
    if (owner === undefined) continue;
    const { state, choice, siblings } = owner;
    const { outputStart, outputCount, samples } = sequence;
    const firstPick = picks.length;
    const promptOutputs = state.promptLogprobs === null ? 0 : promptOutputsOf(sequence, state.promptTokenIds.length);
    const topCount = choice.sampling.promptLogprobs;
    for (let i = 0; i < promptOutputs; i++) picks.push({ ...greedy, outputIndex: outputStart + i, topCount });
    const choices = samples ? (siblings.length === 0 ? [choice] : [choice, ...siblings]) : [];
    for (const it of choices) picks.push(it.pick(outputStart + outputCount - 1, pending));
    shares.push({ sequence, owner, choices, firstPick, promptOutputs });
  }
  return { plan, shares, picks };
}

/** Whether the picks of a step after this one can be told before its tokens are known, and nothing is forked off it. */
export function canPickNext({ shares }: StepWork): boolean {
  return shares.every(({ choices, promptOutputs }) => {
    return promptOutputs === 0 && choices.length === 1 && !choices[0].dependsOnOutput;
  });
}

/** Position that the first output row of a share predicts. */
export function firstTarget({ firstPosition, tokenCount, outputCount }: ScheduledSequence): number {
  return firstPosition + tokenCount - outputCount + 1;
}

/** Output rows that predict a token of the prompt. */
function promptOutputsOf(sequence: ScheduledSequence, promptTokens: number): number {
  return Math.max(0, Math.min(sequence.outputCount, promptTokens - firstTarget(sequence)));
}
