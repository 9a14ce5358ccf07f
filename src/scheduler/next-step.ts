// The step after the one in flight, planned before its results are known: every sequence goes on with the token that it picks.
//
// Asynchronous scheduling, as vLLM and SGLang have it ("overlap scheduler"): the backend begins a step as soon as the one before it has ended, and the
// scheduler's own time is hidden behind kernels. Only steps that decode are planned so. Whatever needs a decision (admission, prompts, memory that is short,
// copies, forks) waits for the ordinary plan. A sequence that ends with the step in flight for a reason nobody could know runs along once, in vain.

import type { KvMemory } from '../memory/index.ts';
import type { SequenceState, WaitingQueue } from './sequence.ts';
import type { Share, StepShares } from './step-shares.ts';
import type { TenantQuota } from './tenant-quota.ts';
import type { StepPlan } from './types.ts';

export interface NextStepParts {
  readonly memory: KvMemory;
  readonly running: readonly SequenceState[];
  readonly waiting: WaitingQueue;
  readonly step: StepShares;
  readonly quota: TenantQuota;
  readonly maxRunning: number;
}

/** Those of the step in flight that go on, with the output row of their token; null unless all that run do nothing but decode. */
function membersOf(
  plan: StepPlan,
  shares: readonly Share[],
  { running, waiting, maxRunning }: NextStepParts,
): { readonly sequence: SequenceState; readonly source: number }[] | null {
  // Nobody could be admitted.
  if (waiting.count > 0 && running.length < maxRunning) return null;
  const members = [];
  let alive = 0;
  for (const [i, { sequence }] of shares.entries()) {
    const { samples, outputStart, outputCount } = plan.sequences[i];
    // Logits of other rows are read when the step has ended.
    if (outputCount !== 1 || !samples) return null;
    if (sequence.ended) continue;
    alive++;
    if (sequence.generatedTokens + 1 < sequence.maxNewTokens) members.push({ sequence, source: outputStart });
    else if (waiting.count > 0) return null;
  }
  return alive === running.length && members.length > 0 ? members : null;
}

/** Plans the step after `plan`, or null where that needs its results. Memory is prepared for it. */
export function planNextStep(
  plan: StepPlan,
  shares: readonly Share[],
  parts: NextStepParts,
): { readonly plan: StepPlan; readonly shares: readonly Share[] } | null {
  const { memory, step, quota } = parts;
  const { copyCount, otherPools = [] } = plan.bindings;
  if (copyCount > 0 || otherPools.some((pool) => pool.copyCount > 0)) return null;
  const members = membersOf(plan, shares, parts);
  if (members === null) return null;
  const { blockSize } = memory;
  // Each may need a block.
  const others = (members.length - 1) * blockSize;
  if (members.some(({ sequence }) => quota.room(sequence, blockSize) <= sequence.memory.scheduledTokens + others)) {
    return null;
  }
  if (!memory.prepare(members.map(({ sequence }) => sequence.memory))) return null;
  step.begin();
  for (const { sequence, source } of members) step.addNext(sequence, source);
  const next = { stepIndex: plan.stepIndex + 1, ...step.finish(), admitted: [], preempted: [] };
  return { plan: next, shares: step.shares };
}
