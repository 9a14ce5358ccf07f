// Runs a workload against anything that answers requests, and notes when what came.

import { setTimeout as sleep } from 'node:timers/promises';

export interface PlannedRequest {
  /** Milliseconds after the start; 0 in a closed loop. */
  readonly arrivalMs: number;
  readonly prompt: readonly number[];
  readonly outputTokens: number;
}

export interface Workload {
  readonly requests: readonly PlannedRequest[];
  /** Requests in flight at most: a closed loop starts the next as one ends. Null: each starts when it arrives. */
  readonly concurrency: number | null;
}

/** What one request met, in milliseconds of performance.now. */
export interface RequestRecord {
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** When it was sent, or, where arrivals are planned, when it should have been. */
  readonly startMs: number;
  /** When each token came; several tokens in one event count as one. */
  readonly tokenMs: readonly number[];
  readonly error: string | null;
}

/** Answers one request; calls `onToken` for each token, resolves to the number of tokens of the answer. */
export type Send = (request: PlannedRequest, index: number, onToken: () => void) => Promise<number>;

export interface DrivenRun {
  readonly records: readonly RequestRecord[];
  /** From the start to the last token. */
  readonly durationMs: number;
}

/** Runs all requests; errors are noted, not thrown. */
export async function drive({ requests, concurrency }: Workload, send: Send): Promise<DrivenRun> {
  const records = new Array<RequestRecord>(requests.length);
  const startMs = performance.now();

  async function one(index: number, requestStartMs: number): Promise<void> {
    const request = requests[index];
    const tokenMs: number[] = [];
    let outputTokens = 0;
    let error: string | null = null;
    try {
      outputTokens = await send(request, index, () => tokenMs.push(performance.now()));
      if (outputTokens !== request.outputTokens) error = `${outputTokens} tokens came, not ${request.outputTokens}`;
      if (tokenMs.length === 0) error = 'no token came';
    } catch (cause) {
      error = (cause as Error).message;
    }
    records[index] = { inputTokens: request.prompt.length, outputTokens, startMs: requestStartMs, tokenMs, error };
  }

  if (concurrency === null) {
    await Promise.all(
      requests.map(async ({ arrivalMs }, index) => {
        const dueMs = startMs + arrivalMs;
        // A timer may end a millisecond or two before its time.
        for (let left = dueMs - performance.now(); left > 0; left = dueMs - performance.now())
          await sleep(Math.ceil(left));
        await one(index, dueMs);
      }),
    );
  } else {
    let next = 0;
    const worker = async () => {
      while (next < requests.length) await one(next++, performance.now());
    };
    await Promise.all(Array.from({ length: Math.min(concurrency, requests.length) }, worker));
  }
  const lastMs = Math.max(startMs, ...records.flatMap(({ tokenMs }) => tokenMs.slice(-1)));
  return { records, durationMs: lastMs - startMs };
}
