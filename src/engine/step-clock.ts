// How long steps take, and which part of that time is not spent in kernels.

/** Sums since start. */
export interface StepTimes {
  /** From the start of each step to its results. */
  readonly stepMs: number;
  /** In kernels, picking tokens included. */
  readonly kernelMs: number;
  /** In picking tokens. */
  readonly pickMs: number;
  /** Steps that another one followed at once, without waiting for work. */
  readonly followedSteps: number;
  /** From the start of each of those to the start of the step that followed it. */
  readonly followedMs: number;
  /** In the kernels of those steps. (followedMs - followedKernelMs) / followedMs is the share outside kernels. */
  readonly followedKernelMs: number;
}

export interface StepClock {
  readonly times: StepTimes;
  /** A step is handed to the backend. */
  start(): void;
  /** Its results are there. Returns how long it took. */
  end(kernelMs: number, pickMs: number): number;
  /** There is nothing to do, or a step failed: the next start follows nothing. */
  rest(): void;
}

/** `now` in milliseconds, monotonic. */
export function createStepClock(now: () => number): StepClock {
  const times = { stepMs: 0, kernelMs: 0, pickMs: 0, followedSteps: 0, followedMs: 0, followedKernelMs: 0 };
  let startedMs = 0;
  /** Kernel time of the step that ended last, if the next start follows it at once. */
  let endedKernelMs: number | null = null;
  return {
    times,
    start() {
      const nowMs = now();
      if (endedKernelMs !== null) {
        times.followedSteps++;
        times.followedMs += nowMs - startedMs;
        times.followedKernelMs += endedKernelMs;
      }
      startedMs = nowMs;
      endedKernelMs = null;
    },
    end(kernelMs, pickMs) {
      const stepMs = now() - startedMs;
      times.stepMs += stepMs;
      times.kernelMs += kernelMs;
      times.pickMs += pickMs;
      endedKernelMs = kernelMs;
      return stepMs;
    },
    rest() {
      endedKernelMs = null;
    },
  };
}

/** Share of the time of steps that was not spent in kernels, over the steps that others followed at once; 0 before the first. */
export function outsideKernelsShare({ followedMs, followedKernelMs }: StepTimes): number {
  return followedMs > 0 ? Math.max(0, (followedMs - followedKernelMs) / followedMs) : 0;
}
