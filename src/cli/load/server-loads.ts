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
  /** No further round begins after that long. */
  readonly budgetSeconds: number;
  /** Called as requests end. */
  readonly onProgress: (done: number, total: number) => void;
}

export interface LoadResults {
  readonly loads: readonly MeasuredLoad[];
  /** Every run, the first ones included, in order. */
  readonly runs: readonly ClientRun[];
}

/** Runs the loads one after the other, behind a few requests that warm the server up. Rejects if a request fails. */
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
    runs.push({ concurrency: design.concurrency, ttftSeconds: ttft.map((ms) => ms / 1000) });
    return {
      requests: requestsOf(design),
      concurrency: design.concurrency,
      durationSeconds: driven.durationMs / 1000,
      ttftSeconds: distributionOf(ttft).p50 / 1000,
    };
  };
  try {
    const warm = designs.reduce((most, one) => (one.concurrency > most.concurrency ? one : most));
    await run({ ...warm, requestCount: warm.concurrency }, false);
    const measured = designs.map((): MeasuredLoad[] => []);
    const startedMs = performance.now();
    for (let round = 0; round < rounds; round++) {
      if (round > 0 && performance.now() - startedMs > budgetSeconds * 1000) break;
      for (const [i, design] of designs.entries()) measured[i].push(await run(design, true));
    }
    const loads = measured.map((each) => ({
      ...each[0],
      durationSeconds: distributionOf(each.map(({ durationSeconds }) => durationSeconds)).p50,
      ttftSeconds: distributionOf(each.map(({ ttftSeconds }) => ttftSeconds)).p50,
    }));
    return { loads, runs };
  } finally {
    client.close();
  }
}
