// What a run of requests comes to, defined as `vllm bench serve` defines it; of benches over HTTP and of simulations.

import { InvalidRequestError } from '../errors/index.ts';
import { percentileOfSorted } from './percentile.ts';

export interface Distribution {
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

/** Milliseconds that a good request stays within. */
export interface Objectives {
  readonly ttft?: number;
  readonly tpot?: number;
  readonly e2e?: number;
}

/** One request that has ended, in milliseconds. */
export interface RequestTimes {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly ttft: number;
  /** Null for an answer of one token. */
  readonly tpot: number | null;
  readonly e2e: number;
}

/**
 * TTFT: from sending to the first token. ITL: gaps between tokens, over all requests together. TPOT: for each request of
 * two tokens or more, the time from first to last token over the tokens but one. E2E: from sending to the last token.
 */
export interface LoadFigures {
  readonly durationS: number;
  readonly outputTokensPerSecond: number;
  readonly totalTokensPerSecond: number;
  readonly requestsPerSecond: number;
  readonly ttftMs: Distribution;
  readonly itlMs: Distribution;
  readonly tpotMs: Distribution;
  readonly e2eMs: Distribution;
  /** Requests per second that meet every objective; null without objectives. */
  readonly goodputPerSecond: number | null;
}

/** `ttft:ms,tpot:ms,e2e:ms`, any of them. Throws InvalidRequestError. */
export function parseObjectives(text: string): Objectives {
  const objectives: Record<string, number> = {};
  for (const part of text.split(',')) {
    const match = /^(ttft|tpot|e2e):(\d+(?:\.\d+)?)$/.exec(part);
    if (match === null) {
      throw new InvalidRequestError(`--goodput ${text} is not of the form ttft:ms,tpot:ms,e2e:ms`, 'goodput', text);
    }
    objectives[match[1]] = Number(match[2]);
  }
  return objectives;
}

/** Mean and percentiles (nearest rank); NaN of nothing. */
export function distributionOf(values: ArrayLike<number>): Distribution {
  const sorted = Float64Array.from(values).sort();
  const mean = sorted.length === 0 ? Number.NaN : sorted.reduce((sum, value) => sum + value, 0) / sorted.length;
  const [p50, p90, p99] = [0.5, 0.9, 0.99].map((share) => percentileOfSorted(sorted, share));
  return { mean, p50, p90, p99 };
}

export function isGood({ ttft, tpot, e2e }: RequestTimes, objectives: Objectives): boolean {
  return (
    ttft <= (objectives.ttft ?? Number.POSITIVE_INFINITY) &&
    (tpot ?? 0) <= (objectives.tpot ?? Number.POSITIVE_INFINITY) &&
    e2e <= (objectives.e2e ?? Number.POSITIVE_INFINITY)
  );
}

/** `gapsMs`: between the tokens of each request, over all together. */
export function loadFigures(
  requests: readonly RequestTimes[],
  gapsMs: ArrayLike<number>,
  durationMs: number,
  objectives: Objectives | null,
): LoadFigures {
  const durationS = durationMs / 1000;
  let inputTokens = 0;
  let outputTokens = 0;
  for (const request of requests) {
    inputTokens += request.inputTokens;
    outputTokens += request.outputTokens;
  }
  return {
    durationS,
    outputTokensPerSecond: outputTokens / durationS,
    totalTokensPerSecond: (inputTokens + outputTokens) / durationS,
    requestsPerSecond: requests.length / durationS,
    ttftMs: distributionOf(requests.map(({ ttft }) => ttft)),
    itlMs: distributionOf(gapsMs),
    tpotMs: distributionOf(requests.map(({ tpot }) => tpot).filter((tpot): tpot is number => tpot !== null)),
    e2eMs: distributionOf(requests.map(({ e2e }) => e2e)),
    goodputPerSecond: objectives === null ? null : requests.filter((it) => isGood(it, objectives)).length / durationS,
  };
}
