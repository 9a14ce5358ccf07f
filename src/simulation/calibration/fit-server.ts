// What a server adds to its kernels, from its own record of small loads over HTTP; the same loads are simulated to see how well that fits.

import { createPrefillPace } from '../../engine/prefill-pace.ts';
import { closedLoopArrivals } from '../arrivals.ts';
import {
  type FittedCosts,
  firstSampled,
  kernelSeconds,
  type ServerCosts,
  type StepCoefficients,
} from '../cost-model.ts';
import { percentile } from '../percentile.ts';
import { type ReplayOptions, replay } from '../replay.ts';
import type { TraceRequest } from '../trace.ts';
import { nonNegativeLeastSquares } from './nnls.ts';
import type { ServerHistory, ServerRequest, ServerStep } from './server-steps.ts';

/** A closed loop as a client saw it, the median of its runs. */
export interface MeasuredLoad {
  readonly requests: readonly TraceRequest[];
  readonly concurrency: number;
  /** From the start to the last token. */
  readonly durationSeconds: number;
  readonly ttftSeconds: number;
}

/** One run of a load, in the order in which its requests were sent. */
export interface ClientRun {
  readonly concurrency: number;
  readonly ttftSeconds: readonly number[];
}

/** The server's settings. */
export type ServerSettings = Pick<
  ReplayOptions,
  'blockCount' | 'blockSize' | 'maxNumSeqs' | 'maxNumBatchedTokens' | 'maxModelLen' | 'maxStepStretch'
>;

export interface ServerFit {
  readonly costs: ServerCosts;
  /** Simulated / measured of each load. */
  readonly loads: readonly {
    readonly concurrency: number;
    readonly requests: number;
    /** Measured. */
    readonly durationSeconds: number;
    readonly ttftSeconds: number;
    readonly durationRatio: number;
    readonly ttftRatio: number;
  }[];
}

/** `runs`: all that the history holds, in order. */
export function fitServer(
  step: StepCoefficients,
  settings: ServerSettings,
  history: ServerHistory,
  runs: readonly ClientRun[],
  measured: readonly MeasuredLoad[],
): ServerFit {
  const costs = { ...stepCosts(step, history.steps), ...requestCosts(history.requests, runs) };
  return {
    costs,
    loads: measured.map((load) => {
      const { concurrency, requests, durationSeconds, ttftSeconds } = load;
      const [duration, ttft] = simulateLoad(load, { step, server: costs }, settings);
      return {
        concurrency,
        requests: requests.length,
        durationSeconds,
        ttftSeconds,
        durationRatio: duration / durationSeconds,
        ttftRatio: ttft / ttftSeconds,
      };
    }),
  };
}

type RequestTerm = 'requestSeconds' | 'latencySeconds' | 'deliverySeconds';
type StepCosts = Omit<ServerCosts, RequestTerm>;

/** Steps that took longer than this share of all beyond their kernels count as that one: a machine has pauses of its own. */
const longestShare = 0.99;

const noStepCosts: StepCosts = {
  stepSeconds: 0,
  disturbedSeconds: 0,
  disturbedShare: 0,
  sampledSeconds: 0,
  firstSampledSeconds: 0,
  endedSeconds: 0,
  readSeconds: 0,
};

/** Means are what counts: a step is disturbed a lot, or not at all. */
function stepCosts(step: StepCoefficients, steps: readonly ServerStep[]): StepCosts {
  const kernels = steps.map(({ work }) => kernelSeconds(work, step));
  const beyond = steps.map(({ seconds }, i) => seconds - kernels[i]);
  const most = quantile(beyond, longestShare);
  if (steps.length === 0) return noStepCosts;
  const rows = steps.map(({ publishedTokens, publishedEnds, readRequests }, i) => [
    publishedTokens > 0 ? 1 : 0,
    publishedTokens > 0 ? kernels[i] : 0,
    publishedTokens,
    Math.min(publishedTokens, firstSampled),
    publishedEnds > 0 ? 1 : 0,
    readRequests,
  ]);
  // Of relative errors, as long steps vary more.
  const [disturbedSeconds, disturbedShare, sampledSeconds, firstSampledSeconds, endedSeconds, readSeconds] =
    nonNegativeLeastSquares(
      rows.map((row, i) => row.map((value) => value / kernels[i])),
      beyond.map((seconds, i) => Math.min(seconds, most) / kernels[i]),
    );
  const gaps = steps.flatMap(({ gapSeconds }) => (gapSeconds === null ? [] : [gapSeconds]));
  return {
    stepSeconds: mean(gaps),
    disturbedSeconds,
    disturbedShare,
    sampledSeconds,
    firstSampledSeconds,
    endedSeconds,
    readSeconds,
  };
}

/** Reading is seen where many requests come at once; what a client waits beyond the server's own times and that is the way. */
function requestCosts(requests: readonly ServerRequest[], runs: readonly ClientRun[]): Pick<ServerCosts, RequestTerm> {
  const reads: number[] = [];
  const ways: number[] = [];
  const publishedWith: number[] = [];
  let first = 0;
  for (const { concurrency, ttftSeconds } of runs) {
    const served = requests.slice(first, first + ttftSeconds.length);
    first += ttftSeconds.length;
    if (served.length < ttftSeconds.length) break;
    const burst = Math.min(concurrency, served.length);
    if (burst > 1) reads.push((served[burst - 1].arrivedSeconds - served[0].arrivedSeconds) / (burst - 1));
    // Requests that were sent together may have come in another order, so single differences say little.
    const later = served.slice(concurrency);
    if (later.length === 0) continue;
    ways.push(trimmedMean(later.map((one, i) => ttftSeconds[concurrency + i] - one.ttftSeconds)));
    publishedWith.push(mean(later.map((one) => one.publishedWith)));
  }
  const requestSeconds = quantile(reads, 0.5);
  if (ways.length === 0) return { requestSeconds, latencySeconds: 0, deliverySeconds: 0 };
  const [latencySeconds, deliverySeconds] = nonNegativeLeastSquares(
    publishedWith.map((count) => [1, count]),
    ways.map((seconds) => Math.max(0, seconds - requestSeconds)),
  );
  return { requestSeconds, latencySeconds, deliverySeconds };
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Without the highest and lowest tenth. */
function trimmedMean(values: readonly number[]): number {
  const cut = Math.floor(values.length / 10);
  return mean([...values].sort((a, b) => a - b).slice(cut, values.length - cut));
}

function quantile(values: readonly number[], share: number): number {
  return values.length === 0 ? 0 : percentile(values, share);
}

/** Seconds to the last token, and the median TTFT. */
export function simulateLoad(
  { requests, concurrency }: Pick<MeasuredLoad, 'requests' | 'concurrency'>,
  cost: FittedCosts,
  settings: ServerSettings,
): [number, number] {
  const options: ReplayOptions = {
    ...settings,
    // The server was warm: its pace had measured steps.
    pace: createPrefillPace(settings.maxStepStretch ?? Number.POSITIVE_INFINITY),
    memory: 'paged',
    enablePrefixCaching: false,
    arrivals: 'trace',
    cost,
    seed: 0,
  };
  const arrivals = closedLoopArrivals(requests, concurrency);
  replay(closedLoopArrivals(requests.slice(0, concurrency), concurrency), options);
  const { figures } = replay(arrivals, options);
  return figures === null ? [0, 0] : [figures.durationS, figures.ttftMs.p50 / 1000];
}
