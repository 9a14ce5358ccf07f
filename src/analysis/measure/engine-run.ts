// Runs requests on a real engine and notes what its own clocks say of them.

import type { Engine, RequestTimes } from '../../engine/api.ts';
import { logNormalLength } from '../../simulation/random.ts';
import { createRandom, integerBetween } from '../workload/random.ts';

export interface EngineRequest {
  readonly tokenIds: readonly number[];
  readonly maxTokens: number;
}

/** Requests of random tokens: prompts of `promptTokens`, answers log-normal about `meanTokens`, prompt and answer within `longest`. */
export function randomRequests(
  count: number,
  seed: number,
  options: {
    readonly vocabSize: number;
    readonly promptTokens: readonly [number, number];
    readonly meanTokens: number;
    readonly longest: number;
  },
): EngineRequest[] {
  const random = createRandom(seed, 21);
  return Array.from({ length: count }, () => {
    const prompt = integerBetween(random, ...options.promptTokens);
    return {
      tokenIds: Array.from({ length: prompt }, () => integerBetween(random, 0, options.vocabSize - 1)),
      maxTokens: logNormalLength(random, options.meanTokens, 0.8, options.longest - prompt),
    };
  });
}

/** Greedy, to exactly `maxTokens`. */
export const startRequest = (engine: Engine, { tokenIds, maxTokens }: EngineRequest) =>
  engine.generate({ tokenIds, sampling: { temperature: 0, maxTokens, ignoreEos: true } });

export interface BatchRun {
  readonly seconds: number;
  readonly generatedTokens: number;
  /** From the start of the run, when all requests were there, to the end of each. */
  readonly latenciesMs: readonly number[];
  /** Between the tokens of each request, over all together. */
  readonly interTokenMs: readonly number[];
  /** Requests that ran, on average: from their first steps to their ends. */
  readonly meanInFlight: number;
  readonly steps: number;
  readonly preemptions: number;
}

/**
 * Static batching hands over `batchSize` requests and waits for all of them before the next; continuous batching hands all over at once
 * to an engine that runs `batchSize` at a time.
 */
export async function runBatches(
  engine: Engine,
  requests: readonly EngineRequest[],
  batching: 'static' | 'continuous',
  batchSize: number,
  now: () => number,
): Promise<BatchRun> {
  const before = engine.stats();
  const startedMs = now();
  const latenciesMs: number[] = [];
  const ended: RequestTimes[] = [];
  const stop = engine.onRequestEnd((times) => ended.push(times));
  const one = async (request: EngineRequest): Promise<void> => {
    await startRequest(engine, request).result();
    latenciesMs.push(now() - startedMs);
  };
  const size = batching === 'static' ? batchSize : requests.length;
  try {
    for (let at = 0; at < requests.length; at += size) await Promise.all(requests.slice(at, at + size).map(one));
  } finally {
    stop();
  }
  const seconds = (now() - startedMs) / 1000;
  const ranMs = ended.reduce(
    (sum, { firstScheduledMs, finishedMs }) => sum + finishedMs - (firstScheduledMs ?? finishedMs),
    0,
  );
  const after = engine.stats();
  return {
    seconds,
    generatedTokens: after.generatedTokens - before.generatedTokens,
    latenciesMs,
    interTokenMs: ended.flatMap(({ interTokenMs }) => interTokenMs),
    meanInFlight: ranMs / 1000 / seconds,
    steps: after.steps - before.steps,
    preemptions: after.preemptions - before.preemptions,
  };
}

export interface TimedRequest extends RequestTimes {
  /** Mean time from a token's step to its arrival at the reader of the stream. */
  readonly streamMs: number;
}

/** Hands requests over at their times (milliseconds after the start), reads their streams, and returns their times in the order in which they ended. */
export async function runArrivals(
  engine: Engine,
  requests: readonly (EngineRequest & { readonly arrivalMs: number })[],
  now: () => number,
): Promise<TimedRequest[]> {
  const ended: RequestTimes[] = [];
  const stop = engine.onRequestEnd((times) => ended.push(times));
  const read = new Map<string, number[]>();
  const startedMs = now();
  const run = async (request: EngineRequest & { readonly arrivalMs: number }): Promise<void> => {
    const waitMs = startedMs + request.arrivalMs - now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    const generation = startRequest(engine, request);
    const arrivals: number[] = [];
    read.set(generation.requestId, arrivals);
    for await (const event of generation) if (event.type === 'token') arrivals.push(now());
  };
  await Promise.all(requests.map(run));
  stop();
  return ended.map((times) => ({ ...times, streamMs: streamDelay(times, read.get(times.requestId) ?? []) }));
}

/** The engine's clock says when each token was there; the reader's when it came. */
function streamDelay({ firstTokenMs, interTokenMs }: RequestTimes, arrivals: readonly number[]): number {
  if (firstTokenMs === null || arrivals.length === 0) return 0;
  let tokenMs = firstTokenMs;
  let sum = 0;
  arrivals.forEach((arrivedMs, i) => {
    if (i > 0) tokenMs += interTokenMs[i - 1];
    sum += arrivedMs - tokenMs;
  });
  return sum / arrivals.length;
}
