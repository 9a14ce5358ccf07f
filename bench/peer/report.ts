// Rows of bench:peer with what they are held against, and the table of them.

import type { LimitName, MachineLimits } from '../common/limits.ts';
import { formatRatio, formatShare, formatTable } from '../common/table.ts';
import { formatSummary } from '../stats.ts';
import type { Task } from './protocol.ts';
import type { Result } from './run-task.ts';
import { type ScaledReference, scaledReference } from './scaling.ts';
import { type ModelWeights, shareOf, tileShareOf } from './shares.ts';
import { describeVerdict, judge, peerTarget, referenceTarget, type Verdict } from './targets.ts';

export interface Row extends Result {
  readonly limit: LimitName;
  readonly share: number;
  readonly tileShare: number | null;
  readonly reference: ScaledReference | null;
  readonly toOneLimit: number | null;
  readonly toRoofline: number | null;
  readonly verdict: Verdict | null;
  /** The least ratio to the peer and whether the median reached it; null without a peer or a target. */
  readonly peerVerdict: { readonly target: number; readonly isMet: boolean } | null;
}

export interface RowContext {
  readonly shape: string;
  readonly dtype: string;
  readonly weights: ModelWeights;
  readonly limits: MachineLimits;
}

export function rowOf(result: Result, task: Task, { shape, dtype, weights, limits }: RowContext): Row {
  const rate = result.octavo.median;
  const reference = scaledReference(shape, dtype, task, weights, limits);
  const target = peerTarget(task);
  return {
    ...result,
    ...shareOf(task, rate, weights, limits),
    tileShare: tileShareOf(task, rate, weights, limits)?.share ?? null,
    reference,
    toOneLimit: reference === null ? null : rate / reference.byOneLimit,
    toRoofline: reference === null ? null : rate / reference.byRoofline,
    verdict: judge(rate, reference, referenceTarget(shape, dtype, task)),
    peerVerdict: result.ratio === null || target === null ? null : { target, isMet: result.ratio.median >= target },
  };
}

const heading = [
  '',
  'octavo',
  'node-llama-cpp',
  'ratio, run by run',
  'its target',
  'of limit',
  'limit',
  'of AMX',
  'by one limit',
  'ratio',
  'by roofline',
  'ratio',
  'target',
  'outside kernels',
];

export function formatRows(rows: readonly Row[]): string {
  return formatTable(
    heading,
    rows.map((row) => {
      const reference = (rate: number) => `${row.reference?.estimatedFrom === null ? '' : '~'}${rate.toFixed(1)}`;
      return [
        row.task,
        formatSummary(row.octavo),
        row.peer === null ? '-' : `${formatSummary(row.peer)}, ${row.peer.setting}`,
        row.ratio === null ? '-' : formatSummary(row.ratio, 2),
        row.peerVerdict === null
          ? '-'
          : `${row.peerVerdict.target.toFixed(2)} ${row.peerVerdict.isMet ? 'met' : 'missed'}`,
        formatShare(row.share),
        row.limit,
        formatShare(row.tileShare),
        row.reference === null ? '-' : reference(row.reference.byOneLimit),
        formatRatio(row.toOneLimit),
        row.reference === null ? '-' : reference(row.reference.byRoofline),
        formatRatio(row.toRoofline),
        describeVerdict(row.verdict),
        row.outsideKernels === null
          ? '-'
          : `${formatShare(row.outsideKernels.share)}, ${row.outsideKernels.msPerStep.toFixed(2)} ms`,
      ];
    }),
  );
}

/** Which measurements stand in for rates that nobody took, in one line; null where none was needed. */
export function describeEstimates(rows: readonly Row[]): string | null {
  const estimated = rows.flatMap(({ task, reference }) => {
    const from = reference?.estimatedFrom ?? null;
    return from === null ? [] : [`${task}: ${from}`];
  });
  if (estimated.length === 0) return null;
  return `~: no measurement of this shape and type; estimated (docs/benchmarks.md) from ${estimated.join('; ')}.`;
}

/** The verdicts of all models, one line for each that was missed, and how many were met. */
export function summarizeVerdicts(
  reports: readonly { readonly model: string; readonly rows: readonly Row[] }[],
): string {
  const judged = reports.flatMap(({ model, rows }) =>
    rows.flatMap(({ task, verdict }) => (verdict === null ? [] : [{ name: `${model}, ${task}`, verdict }])),
  );
  if (judged.length === 0) return 'No row has a target.';
  const missed = judged
    .filter(({ verdict }) => !verdict.isMet)
    .map(({ name, verdict }) => `  missed: ${name}: ${verdict.byRoofline.toFixed(2)} of ${verdict.target.toFixed(2)}`);
  return [`${judged.length - missed.length} of ${judged.length} targets met, by the roofline.`, ...missed].join('\n');
}
