// What the benchmark asks of a contestant, each in a process of its own.

/** One measurement: tokens per second over all sequences, and the event loop's delay while it ran. */
export interface Measurement {
  readonly tokensPerSecond: number;
  readonly delayP99Ms: number;
  /** Of the steps of the run, where the contestant tells: milliseconds outside kernels per step, and their share. */
  readonly outsideKernels: OutsideKernels | null;
}

export interface OutsideKernels {
  readonly ms: number;
  readonly share: number;
}

export type Task =
  | { readonly kind: 'prefill'; readonly tokens: number }
  | { readonly kind: 'decode'; readonly prompt: number; readonly tokens: number }
  | { readonly kind: 'concurrent'; readonly sequences: number; readonly prompt: number; readonly tokens: number };

export interface Contestant {
  run(task: Task, seed: number): Promise<number>;
  /** Of the last run. */
  outsideKernels?(): OutsideKernels | null;
  close(): Promise<void>;
}

/** Serves tasks that arrive over IPC until the parent goes; the contestant's `run` returns tokens per second. */
export function serveTasks(make: () => Promise<Contestant>): void {
  void (async () => {
    const contestant = await make();
    const { monitorEventLoopDelay } = await import('node:perf_hooks');
    process.on('message', async ({ task, seed }: { task: Task; seed: number }) => {
      const delay = monitorEventLoopDelay({ resolution: 2 });
      delay.enable();
      const tokensPerSecond = await contestant.run(task, seed);
      delay.disable();
      process.send?.({
        tokensPerSecond,
        delayP99Ms: delay.percentile(99) / 1e6,
        outsideKernels: contestant.outsideKernels?.() ?? null,
      });
    });
    process.on('disconnect', () => {
      void contestant.close().finally(() => process.exit(0));
    });
    process.send?.('ready');
  })().catch((error) => {
    console.error(error);
    process.exit(1);
  });
}

/** Token ids that no two seeds share, far from special ones. */
export function randomPrompt(length: number, seed: number): number[] {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return 300 + ((state >>> 8) % 20000);
  });
}
