// Simulations of every combination of some settings, and which of them nothing beats.

import { InvalidRequestError } from '../errors/index.ts';
import { type EvictionPolicyName, evictionPolicyNames, type MemoryMode, memoryModes } from '../memory/index.ts';
import type { Arrivals } from './arrivals.ts';
import type { LoadFigures } from './measures.ts';
import { type SimulationOptions, simulate, simulateWithHostTier } from './simulate.ts';
import type { HostTierOptions } from './tiered-replay.ts';
import type { Timeline } from './timeline.ts';

/** `recompute`: what is preempted or evicted is computed again; `swap`: it goes to host memory and comes back from there. */
export const preemptionModes = ['recompute', 'swap'] as const;
export type PreemptionMode = (typeof preemptionModes)[number];

/** Combinations of one sweep at most. */
export const maxSweepPoints = 256;

/** What a simulation is set to. */
export interface Scenario {
  readonly blockSize: number;
  readonly blockCount: number;
  readonly policy: EvictionPolicyName;
  readonly memory: MemoryMode;
  readonly preemption: PreemptionMode;
  readonly maxNumBatchedTokens: number;
  readonly maxNumSeqs: number;
  /** Of generated arrivals, a second; null for others. */
  readonly rate: number | null;
}

type Setting = Partial<Scenario> & { readonly poolTokens?: number };

interface Axis {
  readonly read: (text: string) => Setting | null;
  readonly expected: string;
}

const integer = (text: string, low: number, high: number): number | null =>
  /^\d{1,12}$/.test(text) && Number(text) >= low && Number(text) <= high ? Number(text) : null;

function numberAxis(low: number, high: number, setting: (value: number) => Setting): Axis {
  return {
    expected: `integers from ${low} to ${high}`,
    read(text) {
      const value = integer(text, low, high);
      return value === null ? null : setting(value);
    },
  };
}

function nameAxis<T extends string>(names: readonly T[], setting: (name: T) => Setting): Axis {
  return {
    expected: names.join(', '),
    read: (text) => (names.includes(text as T) ? setting(text as T) : null),
  };
}

const axes = {
  pool: numberAxis(1, 2 ** 28, (blockCount) => ({ blockCount })),
  'pool-tokens': numberAxis(1, 2 ** 40, (poolTokens) => ({ poolTokens })),
  'block-size': numberAxis(1, 65536, (blockSize) => ({ blockSize })),
  policy: nameAxis(evictionPolicyNames, (policy) => ({ policy })),
  memory: nameAxis(memoryModes, (memory) => ({ memory })),
  preemption: nameAxis(preemptionModes, (preemption) => ({ preemption })),
  'token-budget': numberAxis(1, 2 ** 24, (maxNumBatchedTokens) => ({ maxNumBatchedTokens })),
  'max-num-seqs': numberAxis(1, 65536, (maxNumSeqs) => ({ maxNumSeqs })),
  rate: {
    expected: 'numbers over 0',
    read: (text) => (/^\d+(\.\d+)?$/.test(text) && Number(text) > 0 ? { rate: Number(text) } : null),
  },
} as const satisfies Record<string, Axis>;

export type SweepName = keyof typeof axes;
export const sweepNames = Object.keys(axes) as SweepName[];

export interface SweepPoint {
  /** As they were given. */
  readonly settings: Readonly<Record<string, string>>;
  readonly scenario: Scenario;
}

/**
 * Every combination of `texts`, each `NAME=VALUE,VALUE,…`, over `base`. Throws InvalidRequestError for unknown names, values out of range,
 * a name given twice, and more than `maxSweepPoints` combinations.
 */
export function sweepPoints(texts: readonly string[], base: Scenario): SweepPoint[] {
  const fail = (text: string, detail: string): never => {
    throw new InvalidRequestError(`--sweep ${text}: ${detail}`, 'sweep', text);
  };
  const seen = new Set<string>();
  let points: { settings: Record<string, string>; setting: Setting }[] = [{ settings: {}, setting: {} }];
  for (const text of texts) {
    const [name, list, ...more] = text.split('=');
    if (list === undefined || list === '' || more.length > 0) fail(text, 'must have the form NAME=VALUE,VALUE');
    if (!(name in axes)) fail(text, `${name} is not one of ${sweepNames.join(', ')}`);
    if (seen.has(name)) fail(text, `${name} is given twice`);
    seen.add(name);
    const axis: Axis = axes[name as SweepName];
    const values = list.split(',');
    points = points.flatMap(({ settings, setting }) =>
      values.map((value) => {
        const read =
          axis.read(value) ?? fail(text, `${value === '' ? 'an empty value' : value} is none of ${axis.expected}`);
        return { settings: { ...settings, [name]: value }, setting: { ...setting, ...read } };
      }),
    );
    if (points.length > maxSweepPoints) {
      fail(text, `makes ${points.length} combinations; at most ${maxSweepPoints} are simulated`);
    }
  }
  if (seen.has('pool') && seen.has('pool-tokens')) fail(texts.join(' '), 'pool and pool-tokens exclude each other');
  if (seen.has('rate') && base.rate === null) fail(texts.join(' '), 'rate needs generated arrivals');
  return points.map(({ settings, setting: { poolTokens, ...changes } }) => {
    const scenario = { ...base, ...changes };
    const blockCount =
      poolTokens === undefined ? scenario.blockCount : Math.max(1, Math.floor(poolTokens / scenario.blockSize));
    return { settings, scenario: { ...scenario, blockCount } };
  });
}

export interface SweepResult extends SweepPoint {
  readonly poolTokens: number;
  /** Null where nobody said what a token takes. */
  readonly poolBytes: number | null;
  readonly figures: LoadFigures | null;
  readonly finishedRequests: number;
  readonly refusedRequests: number;
  readonly blockHitRate: number;
  readonly preemptions: number;
  readonly evictions: number;
  readonly pagesIn: number;
  readonly peakRequestsInFlight: number;
  readonly simulatedSeconds: number;
  readonly timeline: Timeline | null;
  /** Why it could not be simulated; null if it could. */
  readonly error: string | null;
  /** Whether no other result needs less memory and is better as well: see paretoFront. */
  readonly isOnFront: boolean;
}

export interface SweepOptions {
  readonly points: readonly SweepPoint[];
  readonly arrivalsFor: (scenario: Scenario) => Arrivals;
  /** What no scenario changes. */
  readonly base: Pick<SimulationOptions, 'cost' | 'seed' | 'objectives' | 'maxModelLen' | 'maxStepStretch'>;
  readonly hostTierFor: (scenario: Scenario) => HostTierOptions;
  /** Of K and V of a token; null if unknown. */
  readonly tokenBytes: number | null;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Simulates one scenario: its serving replay, and the prefix cache's too if `withCache`. Throws as `simulate` does. */
export function simulateScenario(
  scenario: Scenario,
  { arrivalsFor, base, hostTierFor }: Omit<SweepOptions, 'points' | 'tokenBytes'>,
  more: Partial<SimulationOptions> = {},
): ReturnType<typeof simulateWithHostTier> {
  const { blockCount, blockSize, policy, memory, maxNumBatchedTokens, maxNumSeqs } = scenario;
  const options: SimulationOptions = {
    ...base,
    trace: arrivalsFor(scenario),
    blockCount,
    blockSize,
    policy,
    memory,
    maxNumBatchedTokens,
    maxNumSeqs,
    replays: ['serving'],
    ...more,
  };
  return scenario.preemption === 'swap'
    ? simulateWithHostTier(options, hostTierFor(scenario))
    : Promise.resolve(simulate(options));
}

/** One after the other; what cannot be simulated says so in its result. */
export async function runSweep(options: SweepOptions): Promise<SweepResult[]> {
  const { points, tokenBytes } = options;
  const results: SweepResult[] = [];
  for (const [i, point] of points.entries()) {
    const { blockCount, blockSize } = point.scenario;
    const poolTokens = blockCount * blockSize;
    const known = { ...point, poolTokens, poolBytes: tokenBytes === null ? null : poolTokens * tokenBytes };
    try {
      const { serving } = await simulateScenario(point.scenario, options, {
        onProgress: (done, total) => options.onProgress?.(i + done / total, points.length),
      });
      const { overall: _, saturated: __, ...result } = serving!;
      results.push({ ...result, ...known, error: null, isOnFront: false });
    } catch (error) {
      if (!(error instanceof InvalidRequestError)) throw error;
      results.push({ ...nothing, ...known, error: error.message, isOnFront: false });
    }
    options.onProgress?.(i + 1, points.length);
  }
  const front = paretoFront(results);
  return results.map((result, i) => ({ ...result, isOnFront: front.has(i) }));
}

const nothing = {
  figures: null,
  finishedRequests: 0,
  refusedRequests: 0,
  blockHitRate: 0,
  preemptions: 0,
  evictions: 0,
  pagesIn: 0,
  peakRequestsInFlight: 0,
  simulatedSeconds: 0,
  timeline: null,
};

/** What a result is judged by: goodput where there are objectives, else TTFT p99; more is better. */
export function meritOf(figures: LoadFigures): number {
  return figures.goodputPerSecond ?? -figures.ttftMs.p99;
}

/** Indices of results such that no other one with as little memory is better, and none that is as good needs less. */
export function paretoFront(
  results: readonly Pick<SweepResult, 'poolTokens' | 'figures' | 'refusedRequests'>[],
): Set<number> {
  const candidates = results.flatMap(({ poolTokens, figures, refusedRequests }, index) =>
    // Who serves fewer requests has it easier.
    figures === null || refusedRequests > 0 ? [] : [{ index, poolTokens, merit: meritOf(figures) }],
  );
  const isBeaten = (one: (typeof candidates)[number]): boolean =>
    candidates.some(
      (other) =>
        other.poolTokens <= one.poolTokens &&
        other.merit >= one.merit &&
        (other.poolTokens < one.poolTokens || other.merit > one.merit),
    );
  return new Set(candidates.filter((one) => !isBeaten(one)).map(({ index }) => index));
}
