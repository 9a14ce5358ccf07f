// The step loop: schedule -> execute -> sample -> emit, until nothing is left to run.

import type { Executable, StepOutput } from '../backends/backend.ts';
import { BackendError } from '../errors/errors.ts';
import type { SampledToken, ScheduledSequence, Scheduler, StepPlan } from '../scheduler/types.ts';
import type { Choice } from './choice.ts';
import type { GenerationState } from './generation.ts';
import { argmax, logSumExp, type SampleResult, topLogprobs } from './sampling/sampler.ts';

/** Which choice of which generation a scheduler's sequence computes. */
export interface SequenceOwner {
  readonly state: GenerationState;
  choice: Choice;
  /** Choices of the same prompt that are forked off when its first token is sampled. */
  siblings: readonly Choice[];
}

export interface StepLoopOptions {
  readonly scheduler: Scheduler;
  readonly executable: Executable;
  readonly vocabSize: number;
  readonly owners: Map<number, SequenceOwner>;
  readonly nextSequenceId: () => number;
  readonly now: () => number;
  /** After every step, its results committed and its events emitted. */
  readonly afterStep: (step: {
    readonly stepMs: number;
    readonly kernelMs: number;
    readonly sampledTokens: number;
  }) => void;
  /** A generation all of whose choices have ended, or that failed. */
  readonly onEnd: (state: GenerationState, error: unknown) => void;
  /** The loop itself broke (a bug: scheduler or memory threw). Every generation has failed with it; nothing runs any more. */
  readonly onBreak: (error: unknown) => void;
}

export interface StepLoop {
  /** Makes the loop look for work; call it after anything was added. */
  wake(): void;
  /** Stops after the step in flight. */
  stop(): Promise<void>;
}

export function startStepLoop(options: StepLoopOptions): StepLoop {
  const { scheduler, executable, owners, now } = options;
  let stopping = false;
  let wakeUp: (() => void) | null = null;

  async function run(): Promise<void> {
    while (!stopping) {
      const startedMs = now();
      const plan = scheduler.schedule();
      if (plan === null) {
        await new Promise<void>((resolve) => {
          wakeUp = resolve;
        });
        wakeUp = null;
        continue;
      }
      let output: StepOutput;
      try {
        output = await executable.execute(plan.bindings);
      } catch (error) {
        failStep(plan, error);
        continue;
      }
      const sampledTokens = finishStep(plan, output);
      options.afterStep({ stepMs: now() - startedMs, kernelMs: output.kernelMs, sampledTokens });
      // Sockets and timers get their turn even where a backend resolves without leaving the event loop.
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
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

  function finishStep(plan: StepPlan, output: StepOutput): number {
    const nowMs = now();
    for (const { id, cachedTokens, resumed } of plan.admitted) {
      const state = owners.get(id)?.state;
      if (!state || resumed || state.firstScheduledMs !== null) continue;
      state.firstScheduledMs = nowMs;
      state.cachedTokens = cachedTokens;
    }
    const sampled: SampledToken[] = [];
    const forks: { parentId: number; owner: SequenceOwner; tokenId: number }[] = [];
    let sampledTokens = 0;
    for (const sequence of plan.sequences) {
      const owner = owners.get(sequence.id);
      if (!owner) continue;
      const { state } = owner;
      if (state.promptLogprobs) collectPromptLogprobs(sequence, owner, output.logits);
      else emitStart(state);
      if (!sequence.samples) continue;
      if (state.promptLogprobs) emitStart(state);
      const choices = [owner.choice, ...owner.siblings];
      const results = sampleAll(choices, output.logits, sequence.outputStart + sequence.outputCount - 1);
      if (results === null) {
        failGeneration(
          state,
          new BackendError('backend', `request ${state.requestId}: the model produced no finite logit`),
        );
        continue;
      }
      sampledTokens += results.length;
      noteTokenTime(state, nowMs);
      const live = choices.filter((choice, i) => !acceptToken(state, choice, results[i]));
      const tokenOf = (choice: Choice) => results[choices.indexOf(choice)].tokenId;
      owner.siblings = [];
      sampled.push({ id: sequence.id, tokenId: tokenOf(live[0] ?? choices[0]), finished: live.length === 0 });
      if (live.length === 0) owners.delete(sequence.id);
      else owner.choice = live[0];
      for (const choice of live.slice(1)) {
        forks.push({ parentId: sequence.id, owner: { state, choice, siblings: [] }, tokenId: tokenOf(choice) });
      }
    }
    scheduler.complete(plan, sampled);
    for (const { parentId, owner, tokenId } of forks) {
      const childId = options.nextSequenceId();
      scheduler.fork(parentId, childId, {
        maxNewTokens: owner.choice.maxTokens - 1,
        replaceLastTokenId: tokenId,
        exempt: true,
      });
      owners.set(childId, owner);
    }
    return sampledTokens;
  }

  /** Each choice samples from its own copy: penalties change a row in place. */
  function sampleAll(choices: readonly Choice[], logits: Float32Array, row: number): SampleResult[] | null {
    const { vocabSize } = options;
    const rowLogits = logits.subarray(row * vocabSize, (row + 1) * vocabSize);
    const results: SampleResult[] = [];
    for (const [i, choice] of choices.entries()) {
      const result = choice.sample(i === choices.length - 1 ? rowLogits : rowLogits.slice());
      if (result === null) return null;
      results.push(result);
    }
    return results;
  }

  /** Emits what a token causes; true if its choice has ended. */
  function acceptToken(state: GenerationState, choice: Choice, result: SampleResult): boolean {
    const { events, finished } = choice.accept(result);
    for (const event of events) state.emit(event);
    if (state.choices.every((other) => other.finished)) {
      state.end();
      options.onEnd(state, null);
    }
    return finished;
  }

  function collectPromptLogprobs(sequence: ScheduledSequence, owner: SequenceOwner, logits: Float32Array): void {
    const { state, choice } = owner;
    const { promptTokenIds, promptLogprobs } = state;
    const { vocabSize } = options;
    const firstOutput = sequence.firstPosition + sequence.tokenCount - sequence.outputCount;
    for (let i = 0; i < sequence.outputCount; i++) {
      const target = firstOutput + i + 1;
      if (promptLogprobs === null || target >= promptTokenIds.length || target !== promptLogprobs.length) continue;
      const row = logits.subarray((sequence.outputStart + i) * vocabSize, (sequence.outputStart + i + 1) * vocabSize);
      const best = argmax(row);
      const normalizer = logSumExp(row, row[Math.max(0, best)]);
      const tokenId = promptTokenIds[target];
      promptLogprobs.push({
        tokenId,
        logprob: row[tokenId] - normalizer,
        topLogprobs: topLogprobs(row, normalizer, choice.sampling.promptLogprobs ?? 0),
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
  return {
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

function emitStart(state: GenerationState): void {
  if (state.started) return;
  state.started = true;
  const { requestId, promptTokenIds, cachedTokens, promptLogprobs } = state;
  state.emit({ type: 'start', requestId, promptTokenIds, cachedTokens, promptLogprobs });
}

function noteTokenTime(state: GenerationState, nowMs: number): void {
  if (state.lastTokenMs === null) state.firstTokenMs = nowMs;
  else state.interTokenMs.push(nowMs - state.lastTokenMs);
  state.lastTokenMs = nowMs;
}
