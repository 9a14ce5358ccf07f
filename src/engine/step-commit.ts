// What a step's results change: tokens accepted, sequences ended and forked, and what is to be published of it while the next step runs.

import type { StepOutput } from '../backends/backend.ts';
import type { PickedToken } from '../backends/picks.ts';
import { BackendError } from '../errors/errors.ts';
import type { CacheReport } from '../memory/index.ts';
import type { SampledToken, Scheduler, StepPlan } from '../scheduler/types.ts';
import type { Choice } from './choice.ts';
import type { GenerationState } from './generation.ts';
import { firstTarget, type SequenceOwner, type StepShare, type StepWork } from './step-work.ts';

export interface StepCommitOptions {
  readonly scheduler: Scheduler;
  readonly vocabSize: number;
  readonly owners: Map<number, SequenceOwner>;
  readonly nextSequenceId: () => number;
  readonly now: () => number;
  /** A request's prompt was looked up in the cache. */
  readonly onAdmitted: (report: CacheReport) => void;
  /** A generation all of whose choices have ended. */
  readonly onEnd: (state: GenerationState, error: unknown) => void;
  readonly failGeneration: (state: GenerationState, error: unknown) => void;
  /** Takes what nothing waits for, in order. */
  readonly publishLater: (action: () => void) => void;
}

/** A step that the backend has been given. */
export interface StartedStep {
  readonly work: StepWork;
  readonly output: Promise<StepOutput>;
  /** When it began. */
  startedMs: number;
}

interface Fork {
  readonly parentId: number;
  readonly owner: SequenceOwner;
  readonly tokenId: number;
}

/** Returns a function that commits what the next step depends on, and returns how many tokens were sampled. */
export function createStepCommit(options: StepCommitOptions): (step: StartedStep, output: StepOutput) => number {
  const { scheduler, vocabSize, owners, nextSequenceId, now, onAdmitted, onEnd, failGeneration, publishLater } =
    options;

  function commit({ work: { plan, shares }, startedMs }: StartedStep, output: StepOutput): number {
    const nowMs = now();
    noteAdmissions(plan, startedMs);
    const sampled: SampledToken[] = [];
    const forks: Fork[] = [];
    let sampledTokens = 0;
    for (const share of shares) {
      const { sequence, owner, choices, firstPick, promptOutputs } = share;
      if (!owners.has(sequence.id)) continue;
      const { state } = owner;
      if (promptOutputs > 0) collectPromptLogprobs(share, output);
      if (!state.started && (state.promptLogprobs === null || sequence.samples)) {
        publishLater(() => emitStart(state));
      }
      if (!sequence.samples) continue;
      const firstToken = firstPick + promptOutputs;
      const picked = output.picked.slice(firstToken, firstToken + choices.length);
      if (picked.some(({ tokenId }) => tokenId < 0)) {
        failGeneration(
          state,
          new BackendError('backend', `request ${state.requestId}: the model produced no finite logit`),
        );
        continue;
      }
      sampledTokens += picked.length;
      noteTokenTime(state, nowMs);
      sampled.push(acceptTokens(share, picked, forks));
    }
    scheduler.complete(plan, sampled);
    for (const fork of forks) startFork(fork);
    return sampledTokens;
  }

  /** Takes one token for each choice. The first that goes on keeps the sequence, the others are forked off it. */
  function acceptTokens(
    { sequence: { id }, owner, choices }: StepShare,
    picked: readonly PickedToken[],
    forks: Fork[],
  ): SampledToken {
    const { state } = owner;
    const picks = choices.length;
    let kept: SampledToken | null = null;
    for (const [i, choice] of choices.entries()) {
      const { tokenId } = picked[i];
      if (acceptToken(state, choice, picked[i])) continue;
      if (kept === null) {
        kept = { id, tokenId, finished: false, picks };
        owner.choice = choice;
      } else {
        forks.push({ parentId: id, owner: { state, choice, siblings: [] }, tokenId });
      }
    }
    owner.siblings = [];
    if (kept !== null) return kept;
    owners.delete(id);
    const reason = choices[0].finishReason === 'length' ? 'length' : 'stop';
    return { id, tokenId: picked[0].tokenId, finished: true, reason, picks };
  }

  /** True if the token ends its choice. */
  function acceptToken(state: GenerationState, choice: Choice, picked: PickedToken): boolean {
    const { finished, events } = choice.accept(picked);
    const isLast = finished && state.choices.every((other) => other.finished);
    publishLater(() => {
      for (const event of events()) state.emit(event);
      if (!isLast) return;
      state.end();
      onEnd(state, null);
    });
    return finished;
  }

  function startFork({ parentId, owner, tokenId }: Fork): void {
    const childId = nextSequenceId();
    scheduler.fork(parentId, childId, {
      maxNewTokens: owner.choice.maxTokens - 1,
      replaceLastTokenId: tokenId,
      exempt: true,
    });
    owners.set(childId, owner);
  }

  function noteAdmissions(plan: StepPlan, startedMs: number): void {
    for (const { id, cachedTokens, resumed, cache } of plan.admitted) {
      const state = owners.get(id)?.state;
      if (!state || resumed || state.firstScheduledMs !== null) continue;
      state.firstScheduledMs = startedMs;
      state.cachedTokens = cachedTokens;
      state.cacheReport = cache;
      onAdmitted(cache);
    }
  }

  function collectPromptLogprobs({ sequence, owner, firstPick, promptOutputs }: StepShare, output: StepOutput): void {
    const { promptTokenIds, promptLogprobs } = owner.state;
    if (promptLogprobs === null) return;
    for (let i = 0; i < promptOutputs; i++) {
      const target = firstTarget(sequence) + i;
      if (target !== promptLogprobs.length) continue;
      const { best, logSum, top } = output.picked[firstPick + i];
      const tokenId = promptTokenIds[target];
      const logit = output.logits[(sequence.outputStart + i) * vocabSize + tokenId];
      promptLogprobs.push({
        tokenId,
        logprob: best === null || logSum === null ? Number.NaN : logit - best - logSum,
        topLogprobs: top ?? [],
      });
    }
  }

  return commit;
}

function emitStart(state: GenerationState): void {
  if (state.started) return;
  state.started = true;
  const { requestId, promptTokenIds, cachedTokens, cacheReport, promptLogprobs } = state;
  state.emit({ type: 'start', requestId, promptTokenIds, cachedTokens, cacheReport, promptLogprobs });
}

function noteTokenTime(state: GenerationState, nowMs: number): void {
  if (state.lastTokenMs === null) state.firstTokenMs = nowMs;
  else state.interTokenMs.push(nowMs - state.lastTokenMs);
  state.lastTokenMs = nowMs;
}
