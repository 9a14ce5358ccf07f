// The machine's limits as the other benches use them: probed before and after a run, in a process of its own.

import { type LimitSamples, type MachineProbe, probeMachine } from '../../src/backends/cpu/index.ts';
import { type Summary, summarize } from '../stats.ts';

/** One limit, in operations or bytes per second. */
export interface Limit {
  readonly single: Summary;
  readonly all: Summary;
}

/** Limits that the machine lacks are null. */
export type MachineLimits = {
  readonly [K in LimitName]: null extends MachineProbe[K] ? Limit | null : Limit;
} & {
  /** Nanoseconds from one processor to another; null where there is one. */
  readonly handoverNs: Summary | null;
};
export type LimitName = Exclude<keyof MachineProbe, 'handoverNs'>;

export const limitNames = ['f32', 'int8', 'bf16', 'amxInt8', 'amxBf16', 'read', 'readAhead', 'readSmall'] as const;

export interface MeasureOptions {
  readonly threads: number;
  readonly bufferBytes?: number;
  readonly repetitions?: number;
}

/**
 * The limits of this machine now, medians with their spread: two to three seconds. Run it before and after a bench and
 * join the two with `joinLimits`: clouds and laptops drift.
 */
export async function measureLimits(options: MeasureOptions): Promise<MachineLimits> {
  return summarizeProbes([await probeMachine(options)]);
}

/** Limits over the samples of several probes. */
export function summarizeProbes(probes: readonly MachineProbe[]): MachineLimits {
  const entries = limitNames.map((name): [LimitName, Limit | null] => {
    const samples = probes.map((probe) => probe[name]).filter((it): it is LimitSamples => it !== null);
    if (samples.length === 0) return [name, null];
    return [
      name,
      { single: summarize(samples.flatMap(({ single }) => single)), all: summarize(samples.flatMap(({ all }) => all)) },
    ];
  });
  const handovers = probes.flatMap(({ handoverNs }) => handoverNs);
  const handoverNs = handovers.length === 0 ? null : summarize(handovers);
  return { ...Object.fromEntries(entries), handoverNs } as MachineLimits;
}

/** Probes around `body`, and gives the limits over both probes with what `body` returned. */
export async function withLimits<T>(
  options: MeasureOptions,
  body: (before: MachineLimits) => Promise<T>,
): Promise<{ readonly limits: MachineLimits; readonly result: T }> {
  const before = await probeMachine(options);
  const result = await body(summarizeProbes([before]));
  const after = await probeMachine(options);
  return { limits: summarizeProbes([before, after]), result };
}

/** The faster way to read a large buffer. */
export function readLimit({ read, readAhead }: MachineLimits): 'read' | 'readAhead' {
  return readAhead.all.median > read.all.median ? 'readAhead' : 'read';
}

/** Limits on `threads` threads of which were measured 1 or all. */
export function onThreads(limit: Limit | null, threads: 'single' | 'all'): number | null {
  return limit === null ? null : limit[threads].median;
}

/** The least seconds that the limits of computing and of reading allow for some work, as if both overlapped in full, and the one of the two that says so. */
export function leastSeconds(
  { operations, bytes }: { readonly operations: number; readonly bytes: number },
  limits: MachineLimits,
  computing: LimitName,
  reading: LimitName,
): { readonly seconds: number; readonly limit: LimitName } {
  const compute = operations / limits[computing]!.all.median;
  const read = bytes / limits[reading]!.all.median;
  return compute > read ? { seconds: compute, limit: computing } : { seconds: read, limit: reading };
}

/** Limits of all threads on one line. */
export function formatLimits({ int8, f32, read, readAhead, readSmall, handoverNs }: MachineLimits): string {
  const giga = (value: number | undefined) => ((value ?? Number.NaN) / 1e9).toFixed(1);
  return (
    `Limits, before and after: int8 ${giga(int8?.all.median)} GOP/s, f32 ${giga(f32.all.median)} GFLOP/s, ` +
    `read ${giga(read.all.median)} GB/s (fetched ahead: ${giga(readAhead.all.median)}, 100 MB: ${giga(readSmall.all.median)})${formatHandover(handoverNs)}.`
  );
}

/** To be appended to limits. */
export function formatHandover(handoverNs: Summary | null): string {
  if (handoverNs === null) return '';
  const { median, lowest, highest } = handoverNs;
  return `, from one processor to the other ${median.toFixed(0)} ns (${lowest.toFixed(0)} to ${highest.toFixed(0)})`;
}
