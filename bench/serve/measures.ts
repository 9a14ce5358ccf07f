// What a run of requests over HTTP comes to, by the definitions that simulations share.

import type { DrivenRun, RequestRecord } from '../../src/cli/load/drive.ts';
import {
  type LoadFigures,
  loadFigures,
  type Objectives,
  parseObjectives as parse,
  type RequestTimes,
} from '../../src/simulation/index.ts';
import { UsageError } from '../common/options.ts';

export type { Distribution, Objectives } from '../../src/simulation/index.ts';

export interface Measures extends LoadFigures {
  readonly completed: number;
  readonly failed: number;
  readonly firstError: string | null;
  /** Tokens for each event of the stream; above 1, several tokens came at once and ITL spans them. */
  readonly tokensPerEvent: number;
}

/** `ttft:ms,tpot:ms,e2e:ms`, any of them. Throws UsageError. */
export function parseObjectives(text: string): Objectives {
  try {
    return parse(text);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function timesOf({ startMs, tokenMs, inputTokens, outputTokens }: RequestRecord): RequestTimes {
  const firstMs = tokenMs[0];
  const lastMs = tokenMs[tokenMs.length - 1];
  const tpot = outputTokens < 2 ? null : (lastMs - firstMs) / (outputTokens - 1);
  return { inputTokens, outputTokens, ttft: firstMs - startMs, tpot, e2e: lastMs - startMs };
}

export function measureRun({ records, durationMs }: DrivenRun, objectives: Objectives | null): Measures {
  const completed = records.filter(({ error }) => error === null);
  const gaps = completed.flatMap(({ tokenMs }) => tokenMs.slice(1).map((ms, i) => ms - tokenMs[i]));
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  return {
    completed: completed.length,
    failed: records.length - completed.length,
    firstError: records.find(({ error }) => error !== null)?.error ?? null,
    ...loadFigures(completed.map(timesOf), gaps, durationMs, objectives),
    tokensPerEvent:
      sum(completed.map(({ outputTokens }) => outputTokens)) / sum(completed.map(({ tokenMs }) => tokenMs.length)),
  };
}
