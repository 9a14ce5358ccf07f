// What a server adds to its kernels, from workloads that were run over HTTP and are simulated with other constants until they agree.

import { closedLoopArrivals } from '../arrivals.ts';
import type { FittedCosts, ServerCosts, StepCoefficients } from '../cost-model.ts';
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

const names = ['stepSeconds', 'sampledSeconds', 'requestSeconds', 'latencySeconds'] as const;
const toCosts = (values: readonly number[]): ServerCosts =>
  Object.fromEntries(names.map((name, i) => [name, values[i]])) as unknown as ServerCosts;

/** How little a constant is changed to see what it does. */
const nudgeSeconds = 0.0001;

/** Gauss and Newton's method, on relative errors, with constants of at least 0. */
export function fitServer(
  step: StepCoefficients,
  settings: ServerSettings,
  measured: readonly MeasuredLoad[],
): ServerFit {
  const target = measured.flatMap(({ durationSeconds, ttftSeconds }) => [durationSeconds, ttftSeconds]);
  const simulate = (values: readonly number[]): number[] =>
    measured.flatMap((load) => simulateLoad(load, { step, server: toCosts(values) }, settings));
  let values = [0.0001, 0.00005, 0.0005, 0.0005];
  let best = { values, error: Number.POSITIVE_INFINITY };
  for (let round = 0; round < 8; round++) {
    const now = simulate(values);
    const error = now.reduce((sum, seconds, i) => sum + Math.abs(seconds / target[i] - 1), 0);
    if (error < best.error) best = { values, error };
    const slopes = names.map((_, j) => {
      const nudged = simulate(values.map((value, k) => (k === j ? value + nudgeSeconds : value)));
      return nudged.map((seconds, i) => (seconds - now[i]) / nudgeSeconds);
    });
    const matrix = target.map((seconds, i) => slopes.map((slope) => slope[i] / seconds));
    const wanted = target.map(
      (seconds, i) =>
        1 - now[i] / seconds + slopes.reduce((sum, slope, j) => sum + (slope[i] / seconds) * values[j], 0),
    );
    const next = nonNegativeLeastSquares(matrix, wanted);
    // Half the way: batches form differently as the constants change.
    values = values.map((value, j) => (value + next[j]) / 2);
  }
  const final = simulate(best.values);
  return {
    costs: toCosts(best.values),
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
  const { figures } = replay(closedLoopArrivals(requests, concurrency), {
    ...settings,
    memory: 'paged',
    enablePrefixCaching: true,
    arrivals: 'trace',
    cost,
    seed: 0,
  });
  return figures === null ? [0, 0] : [figures.durationS, figures.ttftMs.p50 / 1000];
}
