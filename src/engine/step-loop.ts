// The step loop: schedule -> execute -> commit, until nothing is left to run; what a step caused is published while the next one runs.
//
// Between the results of one step and the start of the next there is only what the next one depends on: which tokens were
// picked and which sequences end with them (stop strings included), the scheduler, and the next picks. Text, events, streams and
// observers wait until the next step runs. All of that is one turn of the event loop, so no cancellation comes between a token's
// commit and its publication.

import type { Executable, StepOutput } from '../backends/backend.ts';
import type { PickedToken } from '../backends/picks.ts';
import { BackendError, EngineClosedError } from '../errors/errors.ts';
import type { CacheReport } from '../memory/index.ts';
import type { SampledToken, Scheduler, StepPlan } from '../scheduler/types.ts';
import type { Choice } from './choice.ts';
import type { GenerationState } from './generation.ts';
import { loadOf, type PrefillPace } from './prefill-pace.ts';
import type { StepClock } from './step-clock.ts';
import { firstTarget, type SequenceOwner, type StepShare, type StepWork, workOf } from './step-work.ts';

export interface StepLoopOptions {
  readonly scheduler: Scheduler;
  readonly executable: Executable;
  readonly vocabSize: number;
  readonly owners: Map<number, SequenceOwner>;
  readonly clock: StepClock;
  readonly pace: PrefillPace;
  readonly nextSequenceId: () => number;
  readonly now: () => number;
  /** A step runs: the time for work that nothing waits for. */
  readonly onStepRunning: () => void;
  /** A request's prompt was looked up in the cache. */
  readonly onAdmitted: (report: CacheReport) => void;
  /** After every step, its results committed. */
  readonly onSampled: (tokenCount: number) => void;
  /** A generation all of whose choices have ended, or that failed. */
  readonly onEnd: (state: GenerationState, error: unknown) => void;
  /** The loop itself broke (a bug: scheduler or memory threw). Every generation has failed with it; nothing runs any more. */
  readonly onBreak: (error: unknown) => void;
}

export interface StepLoop {
  /** Makes the loop look for work; call it after anything was added. */
  wake(): void;
  /**
   * Runs an action while no step runs: at once, or after the step in flight, one action before each step. Rejects with what it
   * throws, and with EngineClosedError if the loop has stopped or broke.
   */
  between(action: () => void): Promise<void>;
  /** Stops after the step in flight. */
  stop(): Promise<void>;
}

interface Between {
  readonly action: () => void;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** A step that runs. */
interface StartedStep {
  readonly work: StepWork;
  readonly output: Promise<StepOutput>;
  readonly startedMs: number;
}

interface Fork {
  readonly parentId: number;
  readonly owner: SequenceOwner;
  readonly tokenId: number;
}

export function startStepLoop(options: StepLoopOptions): StepLoop {
  const { scheduler, executable, owners, clock, now } = options;
  let stopping = false;
  let wakeUp: (() => void) | null = null;
  /** What the last step caused that nothing waits for, in order. */
  let unpublished: (() => void)[] = [];
  const between: Between[] = [];
  let hasEnded = false;

  async function run(): Promise<void> {
    while (!stopping) {
      runBetween();
      let step: StartedStep | null;
      try {
        step = startStep();
      } finally {
        publish();
      }
      if (step === null) {
        clock.rest();
        if (between.length > 0) continue;
        await new Promise<void>((resolve) => {
          wakeUp = resolve;
        });
        wakeUp = null;
        continue;
      }
      options.onStepRunning();
      const turn = eventLoopTurn();
      let output: StepOutput;
      try {
        output = await step.output;
      } catch (error) {
        clock.rest();
        failStep(step.work.plan, error);
        continue;
      }
      options.pace.observe(loadOf(step.work.plan), clock.end(output.kernelMs, output.pickMs));
      // Sockets and timers had their turn while the step ran, unless the backend resolved without leaving the event loop.
      if (!turn.isOver()) await turn.over;
      options.onSampled(commitStep(step, output));
    }
    publish();
  }

  function runBetween(): void {
    const next = between.shift();
    if (next === undefined) return;
    try {
      next.action();
      next.resolve();
    } catch (error) {
      next.reject(error);
    }
  }

  function startStep(): StartedStep | null {
    const plan = scheduler.schedule();
    if (plan === null) return null;
    const work = workOf(plan, owners);
    const startedMs = now();
    clock.start();
    const output = executable.execute({ ...plan.bindings, picks: work.picks });
    // Publishing may throw before the loop awaits it.
    output.catch(() => undefined);
    return { work, output, startedMs };
  }

  function publish(): void {
    const ready = unpublished;
    unpublished = [];
    for (const action of ready) action();
  }

  /** A failed step takes its own requests with it, and nothing else. */
  function failStep(plan: StepPlan, error: unknown): void {
    scheduler.abort(plan);
    const failure =
      error instanceof BackendError
        ? error
        : new BackendError('backend', `a step failed: ${String(error)}`, { cause: error });
    for (const { id } of plan.sequences) {
      const owner = owners.get(id);
      if (owner) failGeneration(owner.state, failure);
    }
  }

  function failGeneration(state: GenerationState, error: unknown): void {
    for (const [id, owner] of owners) {
      if (owner.state !== state) continue;
      owners.delete(id);
      scheduler.cancel(id);
    }
    state.fail(error);
    options.onEnd(state, error);
  }

  /** Commits what the next step depends on; returns how many tokens were sampled. */
  function commitStep({ work: { plan, shares }, startedMs }: StartedStep, output: StepOutput): number {
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
        unpublished.push(() => emitStart(state));
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
    unpublished.push(() => {
      for (const event of events()) state.emit(event);
      if (!isLast) return;
      state.end();
      options.onEnd(state, null);
    });
    return finished;
  }

  function startFork({ parentId, owner, tokenId }: Fork): void {
    const childId = options.nextSequenceId();
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
      options.onAdmitted(cache);
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
      const logit = output.logits[(sequence.outputStart + i) * options.vocabSize + tokenId];
      promptLogprobs.push({
        tokenId,
        logprob: best === null || logSum === null ? Number.NaN : logit - best - logSum,
        topLogprobs: top ?? [],
      });
    }
  }

  const finished = run().catch((error: unknown) => {
    for (const { state } of [...owners.values()]) {
      if (state.ended) continue;
      state.fail(error);
      options.onEnd(state, error);
    }
    owners.clear();
    options.onBreak(error);
  });
  finished.then(() => {
    hasEnded = true;
    for (const { reject } of between.splice(0)) reject(new EngineClosedError());
  });
  return {
    between(action) {
      if (hasEnded) return Promise.reject(new EngineClosedError());
      return new Promise((resolve, reject) => {
        between.push({ action, resolve, reject });
        wakeUp?.();
      });
    },
    wake() {
      wakeUp?.();
    },
    async stop() {
      stopping = true;
      wakeUp?.();
      await finished;
    },
  };
}

/** The next turn of the event loop. */
function eventLoopTurn(): { readonly over: Promise<void>; isOver(): boolean } {
  let isOver = false;
  const over = new Promise<void>((resolve) => {
    setImmediate(() => {
      isOver = true;
      resolve();
    });
  });
  return { over, isOver: () => isOver };
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
