// The requests of a run, made in full before it starts: prompts as token ids, answer lengths, arrival times.

import type { PlannedRequest, Workload } from '../../src/cli/load/drive.ts';
import { createRandom, gamma, randomTokens } from '../common/random.ts';
import { type TraceEntry, tracePrompts } from './trace.ts';

export type { PlannedRequest, Workload };

export interface SyntheticOptions {
  readonly requestCount: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Leading tokens that all prompts have in common. */
  readonly sharedPrefix: number;
  readonly arrivals: Arrivals;
  readonly seed: number;
}

export type Arrivals =
  | { readonly kind: 'closed'; readonly concurrency: number }
  /** Gaps are gamma distributed with mean 1 / rate; a burstiness of 1 makes them Poisson's, below 1 more bursty. */
  | { readonly kind: 'open'; readonly ratePerSecond: number; readonly burstiness: number };

export function syntheticWorkload(options: SyntheticOptions): Workload {
  const { requestCount, inputTokens, outputTokens, sharedPrefix, arrivals, seed } = options;
  const random = createRandom(seed);
  const prefix = randomTokens(sharedPrefix, random);
  let arrivalMs = 0;
  const requests = Array.from({ length: requestCount }, (): PlannedRequest => {
    const prompt = [...prefix, ...randomTokens(inputTokens - sharedPrefix, random)];
    const request = { arrivalMs, prompt, outputTokens };
    if (arrivals.kind === 'open') {
      const { ratePerSecond, burstiness } = arrivals;
      arrivalMs += gamma(burstiness, 1000 / (ratePerSecond * burstiness), random);
    }
    return request;
  });
  return { requests, concurrency: arrivals.kind === 'closed' ? arrivals.concurrency : null };
}

export interface TraceOptions {
  readonly entries: readonly TraceEntry[];
  /** Factor of all lengths. */
  readonly scale: number;
  /** How many times faster than recorded requests arrive. */
  readonly speed: number;
  /** Prompt and answer of a request at most, in tokens. */
  readonly maxTokens: number;
  readonly concurrency: number | null;
  readonly seed: number;
}

/** Requests as a trace has them, with its prefix sharing where it tells of it. */
export function traceWorkload({ entries, scale, speed, maxTokens, concurrency, seed }: TraceOptions): Workload {
  const prompts = tracePrompts(entries, scale, seed);
  const requests = entries.map((entry, i): PlannedRequest => {
    const outputTokens = Math.min(Math.max(1, Math.round(entry.outputTokens * scale)), maxTokens - 1);
    const prompt = prompts[i].slice(0, maxTokens - outputTokens);
    return { arrivalMs: concurrency === null ? entry.timestampMs / speed : 0, prompt, outputTokens };
  });
  return { requests, concurrency };
}

/** Prompt and answer of the longest request, in tokens. */
export function longestTokens({ requests }: Workload): number {
  return Math.max(...requests.map(({ prompt, outputTokens }) => prompt.length + outputTokens));
}

export function promptTokens({ requests }: Workload): number {
  return requests.reduce((sum, { prompt }) => sum + prompt.length, 0);
}
