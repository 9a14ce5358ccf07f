// The tables of bench:serve.

import { formatShare, formatTable } from '../common/table.ts';
import { formatSummary, summarize } from '../stats.ts';
import type { SideRun } from './contestants.ts';
import type { Distribution } from './measures.ts';

export interface SideRuns {
  readonly name: string;
  readonly runs: readonly SideRun[];
}

const MiB = 2 ** 20;

/** The median, and the spread where there is any. */
function cell(values: readonly number[], digits: number): string {
  return values.every((value) => value === values[0])
    ? values[0].toFixed(digits)
    : formatSummary(summarize(values), digits);
}

/** Rates and times of each side; with two sides, the ratio of the first to the second, run by run. */
export function comparisonTable(sides: readonly SideRuns[]): string {
  const rows: string[][] = [];
  const row = (title: string, read: (run: SideRun) => number | null, digits: number) => {
    const values = sides.map(({ runs }) => runs.map(read));
    if (values.every((of) => of.every((value) => value === null))) return;
    const cells = values.map((of) => (of.some((value) => value === null) ? '-' : cell(of as number[], digits)));
    const [ours, theirs] = values;
    if (sides.length > 1) {
      const ratios = ours.map((value, run) => (value ?? Number.NaN) / (theirs[run] ?? Number.NaN));
      cells.push(ratios.every(Number.isFinite) ? cell(ratios, 2) : '-');
    }
    rows.push([title, ...cells]);
  };
  row('output tok/s', (run) => run.outputTokensPerSecond, 1);
  row('total tok/s', (run) => run.totalTokensPerSecond, 1);
  row('requests/s', (run) => run.requestsPerSecond, 2);
  row('good requests/s', (run) => run.goodputPerSecond, 2);
  const times: readonly (readonly [string, (run: SideRun) => Distribution])[] = [
    ['TTFT', (run) => run.ttftMs],
    ['ITL', (run) => run.itlMs],
    ['TPOT', (run) => run.tpotMs],
    ['E2E', (run) => run.e2eMs],
  ];
  for (const [title, read] of times) {
    for (const key of ['mean', 'p50', 'p90', 'p99'] as const) row(`${title} ${key}, ms`, (run) => read(run)[key], 1);
  }
  row('ITL p99 / p50', (run) => run.itlMs.p99 / run.itlMs.p50, 2);
  row('prompt tokens sent', (run) => run.promptTokensSent, 0);
  row('prompt tokens computed', (run) => run.promptTokensComputed, 0);
  row('tokens per event', (run) => run.tokensPerEvent, 3);
  row('peak resident, MiB', (run) => (run.peakResidentBytes === null ? null : run.peakResidentBytes / MiB), 0);
  row('requests failed', (run) => run.failed, 0);
  return formatTable(['', ...sides.map(({ name }) => name), ...(sides.length > 1 ? ['ratio, run by run'] : [])], rows);
}

/** What only our server tells, a line each. */
export function serverLines({ runs }: SideRuns): string[] {
  const lines: string[] = [];
  const over = (
    title: string,
    read: (run: SideRun) => number | null | undefined,
    format: (value: number) => string,
  ) => {
    const values = runs.map(read).filter((value): value is number => typeof value === 'number');
    if (values.length === 0) return;
    const { median, lowest, highest } = summarize(values);
    lines.push(`${title}: ${format(median)} (${format(lowest)} to ${format(highest)})`);
  };
  const plain = (digits: number) => (value: number) => value.toFixed(digits);
  over('Prompt tokens found in the prefix cache', (run) => run.server?.prefixHitTokens, plain(0));
  over('Steps', (run) => run.server?.steps, plain(0));
  over('Preemptions', (run) => run.server?.preemptions, plain(0));
  over('Share of the steps outside kernels', (run) => run.server?.outsideKernelsShare, formatShare);
  over("Server's event-loop delay p99, ms", (run) => run.server?.eventLoopDelayP99Ms, plain(1));
  over('Processor time of the load generator, of one core', (run) => run.generatorShare, formatShare);
  over(
    'Peak resident memory beyond weights and pool, MiB',
    ({ peakResidentBytes, server }) => {
      const { weightBytes, kvBytes } = server ?? {};
      if (peakResidentBytes === null || weightBytes == null || kvBytes == null) return null;
      return (peakResidentBytes - weightBytes - kvBytes) / MiB;
    },
    plain(0),
  );
  const { weightBytes, kvBytes } = runs[0]?.server ?? {};
  if (weightBytes != null && kvBytes != null) {
    lines.push(`Weights ${(weightBytes / MiB).toFixed(0)} MiB, pool ${(kvBytes / MiB).toFixed(0)} MiB`);
  }
  return lines;
}
