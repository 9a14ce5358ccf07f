// What a run of requests comes to, defined as `vllm bench serve` defines it.

import { UsageError } from '../common/options.ts';
import { percentile } from '../stats.ts';
import type { DrivenRun, RequestRecord } from './drive.ts';

export interface Distribution {
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

/**
 * TTFT: from sending to the first token. ITL: gaps between tokens, over all requests together. TPOT: for each request of
 * two tokens or more, the time from first to last token over the tokens but one. E2E: from sending to the last token.
 */
export interface Measures {
  readonly completed: number;
  readonly failed: number;
  readonly firstError: string | null;
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
  /** Tokens for each event of the stream; above 1, several tokens came at once and ITL spans them. */
  readonly tokensPerEvent: number;
}

/** Milliseconds that a good request stays within. */
export interface Objectives {
  readonly ttft?: number;
  readonly tpot?: number;
  readonly e2e?: number;
}

/** `ttft:ms,tpot:ms,e2e:ms`, any of them. Throws UsageError. */
export function parseObjectives(text: string): Objectives {
  const objectives: Record<string, number> = {};
  for (const part of text.split(',')) {
    const match = /^(ttft|tpot|e2e):(\d+(?:\.\d+)?)$/.exec(part);
    if (match === null) throw new UsageError(`--goodput ${text} is not of the form ttft:ms,tpot:ms,e2e:ms`);
    objectives[match[1]] = Number(match[2]);
  }
  return objectives;
}

function distribution(values: readonly number[]): Distribution {
  if (values.length === 0) return { mean: Number.NaN, p50: Number.NaN, p90: Number.NaN, p99: Number.NaN };
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, p50: percentile(values, 0.5), p90: percentile(values, 0.9), p99: percentile(values, 0.99) };
}

interface RequestTimes {
  readonly ttft: number;
  /** Null for an answer of one token. */
  readonly tpot: number | null;
  readonly e2e: number;
}

function timesOf({ startMs, tokenMs, outputTokens }: RequestRecord): RequestTimes {
  const firstMs = tokenMs[0];
  const lastMs = tokenMs[tokenMs.length - 1];
  const tpot = outputTokens < 2 ? null : (lastMs - firstMs) / (outputTokens - 1);
  return { ttft: firstMs - startMs, tpot, e2e: lastMs - startMs };
}

function isGood({ ttft, tpot, e2e }: RequestTimes, objectives: Objectives): boolean {
  return (
    ttft <= (objectives.ttft ?? Number.POSITIVE_INFINITY) &&
    (tpot ?? 0) <= (objectives.tpot ?? Number.POSITIVE_INFINITY) &&
    e2e <= (objectives.e2e ?? Number.POSITIVE_INFINITY)
  );
}

export function measureRun({ records, durationMs }: DrivenRun, objectives: Objectives | null): Measures {
  const completed = records.filter(({ error }) => error === null);
  const times = completed.map(timesOf);
  const durationS = durationMs / 1000;
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const outputTokens = sum(completed.map((record) => record.outputTokens));
  const inputTokens = sum(completed.map((record) => record.inputTokens));
  const gaps = completed.flatMap(({ tokenMs }) => tokenMs.slice(1).map((ms, i) => ms - tokenMs[i]));
  return {
    completed: completed.length,
    failed: records.length - completed.length,
    firstError: records.find(({ error }) => error !== null)?.error ?? null,
    durationS,
    outputTokensPerSecond: outputTokens / durationS,
    totalTokensPerSecond: (inputTokens + outputTokens) / durationS,
    requestsPerSecond: completed.length / durationS,
    ttftMs: distribution(times.map(({ ttft }) => ttft)),
    itlMs: distribution(gaps),
    tpotMs: distribution(times.map(({ tpot }) => tpot).filter((tpot): tpot is number => tpot !== null)),
    e2eMs: distribution(times.map(({ e2e }) => e2e)),
    goodputPerSecond: objectives === null ? null : times.filter((it) => isGood(it, objectives)).length / durationS,
    tokensPerEvent: outputTokens / sum(completed.map(({ tokenMs }) => tokenMs.length)),
  };
}
