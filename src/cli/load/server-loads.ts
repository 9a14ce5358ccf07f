// Small loads against `octavo serve`: what calibration compares its simulation with.

import type { ClientRun, MeasuredLoad } from '../../simulation/calibration/index.ts';
import { distributionOf, type TraceRequest } from '../../simulation/index.ts';
import { drive, type PlannedRequest } from './drive.ts';
import { createHttpClient } from './http-client.ts';

/** A closed loop of equal requests that share nothing. */
export interface LoadDesign {
  readonly concurrency: number;
  readonly requestCount: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
}

/** Few and many at once, long answers and short ones, short prompts and long ones. */
export function designLoads(maxModelLen: number): LoadDesign[] {
  const wanted: LoadDesign[] = [
    { concurrency: 1, requestCount: 8, promptTokens: 24, outputTokens: 24 },
    { concurrency: 8, requestCount: 24, promptTokens: 24, outputTokens: 32 },
    { concurrency: 16, requestCount: 64, promptTokens: 40, outputTokens: 6 },
    { concurrency: 32, requestCount: 64, promptTokens: 16, outputTokens: 16 },
    { concurrency: 4, requestCount: 12, promptTokens: 200, outputTokens: 8 },
    { concurrency: 12, requestCount: 36, promptTokens: 100, outputTokens: 32 },
  ];
  return wanted.map((load) => ({
    ...load,
    promptTokens: Math.min(load.promptTokens, maxModelLen >> 1),
    outputTokens: Math.min(load.outputTokens, (maxModelLen >> 1) - 1),
  }));
}

/** The same as the simulation takes it. */
export function requestsOf({ requestCount, promptTokens, outputTokens }: LoadDesign): TraceRequest[] {
  const request: TraceRequest = { arrivalMs: 0, promptTokens, outputTokens, hashIds: null };
  return Array.from({ length: requestCount }, () => request);
}

export interface MeasureLoadOptions {
  readonly url: string;
  readonly vocabSize: number;
  /** Each load is run so often, at most, the loads in turn; the median counts. */
  readonly rounds: number;
  /** No further round begins after that long. The loads run for as long before, to warm the server up. */
  readonly budgetSeconds: number;
  /** Called as requests that count end. */
  readonly onProgress: (done: number, total: number) => void;
}

export interface LoadResults {
  readonly loads: readonly MeasuredLoad[];
  /** Every run that counts, in order. */
  readonly runs: readonly ClientRun[];
  /** Requests that came before, and do not count. */
  readonly warmRequests: number;
}

/**
 * Runs the loads one after the other. A server that has just started is busy compiling itself, on the cores of the kernels: its costs fall by half
 * within half a minute of work, so the same loads run first for as long as they are measured. Rejects if a request fails.
 */
export async function measureLoads(
  designs: readonly LoadDesign[],
  { url, vocabSize, rounds, budgetSeconds, onProgress }: MeasureLoadOptions,
): Promise<LoadResults> {
  const client = createHttpClient(url);
  const total = rounds * designs.reduce((sum, { requestCount }) => sum + requestCount, 0);
  const runs: ClientRun[] = [];
  let done = 0;
  let state = 1;
  const token = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    // Special tokens lie at the ends of vocabularies.
    return Math.floor(vocabSize / 8 + ((state >>> 8) / 2 ** 24) * vocabSize * 0.75);
  };
  const run = async (design: LoadDesign, counts: boolean): Promise<MeasuredLoad> => {
    const requests = Array.from({ length: design.requestCount }, (): PlannedRequest => {
      const prompt = Array.from({ length: design.promptTokens }, token);
      return { arrivalMs: 0, prompt, outputTokens: design.outputTokens };
    });
    const bodies = requests.map((request) => client.prepare(request));
    const driven = await drive({ requests, concurrency: design.concurrency }, async (_, index, onToken) => {
      const tokens = await client.send(bodies[index], onToken);
      if (counts) onProgress(++done, total);
      return tokens;
    });
    const failed = driven.records.find(({ error }) => error !== null);
    if (failed) throw new Error(`a request of the calibration failed: ${failed.error}`);
    const ttft = driven.records.map(({ startMs, tokenMs }) => tokenMs[0] - startMs);
    if (counts) runs.push({ concurrency: design.concurrency, ttftSeconds: ttft.map((ms) => ms / 1000) });
    return {
      requests: requestsOf(design),
      concurrency: design.concurrency,
      durationSeconds: driven.durationMs / 1000,
      ttftSeconds: distributionOf(ttft).p50 / 1000,
    };
  };
  try {
    let warmRequests = 0;
    let startedMs = performance.now();
    for (let i = 0; i === 0 || performance.now() - startedMs < budgetSeconds * 1000; i++) {
      const design = designs[i % designs.length];
      await run(design, false);
      warmRequests += design.requestCount;
    }
    const measured = designs.map((): MeasuredLoad[] => []);
    startedMs = performance.now();
    for (let round = 0; round < rounds; round++) {
      if (round > 0 && performance.now() - startedMs > budgetSeconds * 1000) break;
      for (const [i, design] of designs.entries()) measured[i].push(await run(design, true));
    }
    const loads = measured.map((each) => ({
      ...each[0],
      durationSeconds: distributionOf(each.map(({ durationSeconds }) => durationSeconds)).p50,
      ttftSeconds: distributionOf(each.map(({ ttftSeconds }) => ttftSeconds)).p50,
    }));
    return { loads, runs, warmRequests };
  } finally {
    client.close();
  }
}
