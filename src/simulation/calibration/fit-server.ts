// What a server adds to its kernels, from workloads that were run over HTTP and are simulated with other constants until they agree.

import { createPrefillPace } from '../../engine/prefill-pace.ts';
import { closedLoopArrivals } from '../arrivals.ts';
import { type FittedCosts, type ServerCosts, type StepCoefficients, serverTermNames } from '../cost-model.ts';
import { type ReplayOptions, replay } from '../replay.ts';
import type { TraceRequest } from '../trace.ts';
import { nonNegativeLeastSquares } from './nnls.ts';

/** A closed loop as a client saw it. */
export interface MeasuredLoad {
  readonly requests: readonly TraceRequest[];
  readonly concurrency: number;
  /** From the start to the last token. */
  readonly durationSeconds: number;
  readonly ttftSeconds: number;
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

const toCosts = (values: readonly number[]): ServerCosts =>
  Object.fromEntries(serverTermNames.map((name, i) => [name, values[i]])) as unknown as ServerCosts;

/** How little a constant is changed to see what it does. */
const nudgeSeconds = 0.0001;

/** Medians of TTFT depend on how requests happen to fall into steps: they count less than durations. */
const ttftWeight = 0.4;

/** Gauss and Newton's method, on relative errors, with constants of at least 0. */
export function fitServer(
  step: StepCoefficients,
  settings: ServerSettings,
  measured: readonly MeasuredLoad[],
): ServerFit {
  const target = measured.flatMap(({ durationSeconds, ttftSeconds }) => [durationSeconds, ttftSeconds]);
  const weights = target.map((seconds, i) => (i % 2 === 0 ? 1 : ttftWeight) / seconds);
  const simulate = (values: readonly number[]): number[] =>
    measured.flatMap((load) => simulateLoad(load, { step, server: toCosts(values) }, settings));
  const errorOf = (now: readonly number[]): number =>
    now.reduce((sum, seconds, i) => sum + ((seconds - target[i]) * weights[i]) ** 2, 0);
  let values: readonly number[] = serverTermNames.map(() => nudgeSeconds);
  let now = simulate(values);
  let error = errorOf(now);
  for (let round = 0; round < 12; round++) {
    const slopes = values.map((_, j) => {
      const nudged = simulate(values.map((value, k) => (k === j ? value + nudgeSeconds : value)));
      return nudged.map((seconds, i) => (seconds - now[i]) / nudgeSeconds);
    });
    const aim = nonNegativeLeastSquares(
      target.map((_, i) => slopes.map((slope) => slope[i] * weights[i])),
      target.map(
        (seconds, i) =>
          (seconds - now[i] + slopes.reduce((sum, slope, j) => sum + slope[i] * values[j], 0)) * weights[i],
      ),
    );
    // Batches form differently as the constants change: go as far as it helps.
    let isBetter = false;
    for (const part of [1, 0.5, 0.25, 0.1, 0.03]) {
      const next = values.map((value, j) => value + part * (aim[j] - value));
      const simulated = simulate(next);
      const nextError = errorOf(simulated);
      if (nextError >= error * 0.999) continue;
      values = next;
      now = simulated;
      error = nextError;
      isBetter = true;
      break;
    }
    if (!isBetter) break;
  }
  const final = now;
  return {
    costs: toCosts(values),
    loads: measured.map(({ concurrency, requests, durationSeconds, ttftSeconds }, i) => ({
      concurrency,
      requests: requests.length,
      durationSeconds,
      ttftSeconds,
      durationRatio: final[2 * i] / target[2 * i],
      ttftRatio: final[2 * i + 1] / target[2 * i + 1],
    })),
  };
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
