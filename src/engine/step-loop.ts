// The step loop: schedule -> execute -> commit, until nothing is left to run; what a step caused is published while the next one runs.
//
// Between the results of one step and the start of the next there is only what the next one depends on: which tokens were
// picked and which sequences end with them (stop strings included), the scheduler, and the next picks. Text, events, streams and
// observers wait until the next step runs. All of that is one turn of the event loop, so no cancellation comes between a token's
// commit and its publication.
//
// Where a step is short and the next one only decodes on, that is planned and given to the backend while the first runs (scheduleNext): it begins when the
// first has ended, and nobody waits for this thread.

import type { Executable, StepOutput } from '../backends/backend.ts';
import { BackendError, EngineClosedError } from '../errors/errors.ts';
import type { CacheReport } from '../memory/index.ts';
import type { Scheduler, StepPlan } from '../scheduler/types.ts';
import type { GenerationState } from './generation.ts';
import { loadOf, type PrefillPace } from './prefill-pace.ts';
import type { StepClock } from './step-clock.ts';
import { createStepCommit, type StartedStep } from './step-commit.ts';
import { canPickNext, type SequenceOwner, workOf } from './step-work.ts';

/**
 * A step that takes longer in kernels is not overlapped: what lies between two steps, 0.2 to 0.6 ms on two Zen 5 cores, is under 3 % of it, and a request that comes meanwhile
 * would wait for one step more.
 */
const longestOverlappedMs = 20;

export interface StepLoopOptions {
  readonly scheduler: Scheduler;
  readonly executable: Executable;
  readonly vocabSize: number;
  readonly owners: Map<number, SequenceOwner>;
  readonly clock: StepClock;
  readonly pace: PrefillPace;
  /** Whether steps are given to the backend while the one before them runs; it queues steps. */
  readonly overlaps: boolean;
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

export function startStepLoop(options: StepLoopOptions): StepLoop {
  const { scheduler, executable, owners, clock, now } = options;
  let stopping = false;
  let wakeUp: (() => void) | null = null;
  /** What the last step caused that nothing waits for, in order. */
  let unpublished: (() => void)[] = [];
  const between: Between[] = [];
  let hasEnded = false;
  let lastKernelMs = Number.POSITIVE_INFINITY;
  const commit = createStepCommit({ ...options, failGeneration, publishLater: (action) => unpublished.push(action) });

  async function run(): Promise<void> {
    /** The step that runs, if the backend was given it while the one before it ran. */
    let step: StartedStep | null = null;
    while (step !== null || !stopping) {
      try {
        if (step === null) {
          runBetween();
          step = startStep();
        }
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
      const next = startNext(step);
      let output: StepOutput;
      try {
        output = await step.output;
      } catch (error) {
        clock.rest();
        // It has nothing to go on from.
        await next?.output.catch(() => undefined);
        failStep(step.work.plan, error);
        step = null;
        continue;
      }
      lastKernelMs = output.kernelMs;
      options.pace.observe(loadOf(step.work.plan), clock.end(output.kernelMs, output.pickMs));
      if (next !== null) {
        clock.start();
        next.startedMs = now();
      }
      // Sockets and timers had their turn while the step ran, unless the backend resolved without leaving the event loop.
      if (!turn.isOver()) await turn.over;
      options.onSampled(commit(step, output));
      step = next;
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
    const startedMs = now();
    clock.start();
    return give(plan, startedMs, 0);
  }

  /** Gives the backend the step after the one that runs, if that can be told and is worth it. */
  function startNext({ work }: StartedStep): StartedStep | null {
    if (!options.overlaps || stopping || between.length > 0 || lastKernelMs > longestOverlappedMs) return null;
    if (!canPickNext(work)) return null;
    const plan = scheduler.scheduleNext();
    return plan === null ? null : give(plan, 0, 1);
  }

  /** `pending`: tokens of each sequence that are not known yet. */
  function give(plan: StepPlan, startedMs: number, pending: 0 | 1): StartedStep {
    const work = workOf(plan, owners, pending);
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
