// What the benchmark asks of a contestant, each in a process of its own.

import { monitorEventLoopDelay } from 'node:perf_hooks';

/** One measurement: tokens per second over all sequences, and the event loop's delay while it ran. */
export interface Measurement {
  /** Of several sequences: while all of them were decoding. */
  readonly tokensPerSecond: number;
  /** Of several sequences: from the first prompt to the last token; else as `tokensPerSecond`. */
  readonly overallTokensPerSecond: number;
  readonly delayP99Ms: number;
  /** Null where the contestant does not tell. */
  readonly outsideKernels: OutsideKernels | null;
}

/** What of a step is not kernels, from step to step over one measurement. */
export interface OutsideKernels {
  readonly msPerStep: number;
  readonly share: number;
}

type Rates = Pick<Measurement, 'tokensPerSecond' | 'overallTokensPerSecond'>;

export type Task =
  | { readonly kind: 'prefill'; readonly tokens: number }
  /** Prompts of `prompt` tokens each, answered by `tokens` tokens each, all at once. */
  | { readonly kind: 'decode'; readonly sequences: number; readonly prompt: number; readonly tokens: number };

export interface Contestant {
  /**
   * Answers these prompts all at once with `tokens` tokens each, whatever the tokens are; resolves to the time of each
   * token of each answer, in milliseconds of performance.now.
   */
  generate(prompts: readonly (readonly number[])[], tokens: number): Promise<readonly (readonly number[])[]>;
  /** Since it was asked last. */
  outsideKernels?(): OutsideKernels | null;
  close(): Promise<void>;
}

/** Serves tasks that arrive over IPC until the parent goes. */
export function serveTasks(make: () => Promise<Contestant>): void {
  void (async () => {
    const contestant = await make();
    process.on('message', async ({ task, seed }: { task: Task; seed: number }) => {
      const delay = monitorEventLoopDelay({ resolution: 2 });
      delay.enable();
      const rates = await measure(contestant, task, seed);
      delay.disable();
      const outsideKernels = contestant.outsideKernels?.() ?? null;
      process.send?.({ ...rates, delayP99Ms: delay.percentile(99) / 1e6, outsideKernels });
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

async function measure(contestant: Contestant, task: Task, seed: number): Promise<Rates> {
  const startMs = performance.now();
  if (task.kind === 'prefill') {
    const [times] = await contestant.generate([randomPrompt(task.tokens, seed)], 1);
    const tokensPerSecond = (task.tokens / (times[0] - startMs)) * 1000;
    return { tokensPerSecond, overallTokensPerSecond: tokensPerSecond };
  }
  const prompts = Array.from({ length: task.sequences }, (_, i) => randomPrompt(task.prompt, seed * 100 + i));
  return decodeRates(await contestant.generate(prompts, task.tokens), startMs);
}

/**
 * Tokens per second while every sequence decodes: those after the last first token and up to the first last one. Where
 * no such time was (a contestant that runs one after the other), both rates are the overall one.
 */
export function decodeRates(times: readonly (readonly number[])[], startMs: number): Rates {
  const all = times.flat();
  const endMs = Math.max(...all);
  const overallTokensPerSecond = (all.length / (endMs - startMs)) * 1000;
  const fromMs = Math.max(...times.map((of) => of[0]));
  const untilMs = Math.min(...times.map((of) => of[of.length - 1]));
  const count = all.filter((ms) => ms > fromMs && ms <= untilMs).length;
  const isSteady = untilMs > fromMs && count >= all.length / 4;
  return {
    tokensPerSecond: isSteady ? (count / (untilMs - fromMs)) * 1000 : overallTokensPerSecond,
    overallTokensPerSecond,
  };
}

/** Token ids that no two seeds share, far from special ones. */
export function randomPrompt(length: number, seed: number): number[] {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return 300 + ((state >>> 8) % 20000);
  });
}
