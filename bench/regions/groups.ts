// Regions of a step that do the same in every layer, as one: their time, and the least that limits allow for their work.

import type { RegionTime } from '../../src/backends/cpu/index.ts';
import type { WeightRef } from '../../src/program/program.ts';
import { type DType, rowBytes } from '../../src/tensor/index.ts';
import { type LimitName, leastSeconds, type MachineLimits, readLimit } from '../common/limits.ts';
import { productLimit } from '../peer/shares.ts';

/** What one step computes: every sequence the last tokens of its context. */
export interface StepShape {
  readonly sequences: number;
  /** Of each sequence. */
  readonly tokens: number;
  readonly context: number;
  /** Of the step: rows whose logits are computed. */
  readonly outputs: number;
  /** Of K and V of a token in a layer. */
  readonly kvBytes: number;
}

/** An attention of the program. */
export interface AttentionShape {
  readonly headCount: number;
  readonly headSize: number;
  readonly window: number | null;
}

export interface GroupTime {
  readonly label: string;
  readonly count: number;
  readonly workMs: number;
  readonly waitMs: number;
  /** Useful operations and bytes of weights, keys and values; null for rows, which lie in caches. */
  readonly work: Work | null;
}

export interface Work {
  readonly operations: number;
  readonly bytes: number;
  /** Of the operands. */
  readonly dtype: DType;
}

/** What a region does, without the number of its layer. */
export function labelOf({
  kind,
  instructions,
  weights,
}: Pick<RegionTime, 'kind' | 'instructions' | 'weights'>): string {
  if (kind === 'attention') return 'attention';
  if (kind === 'rows') return instructions.join(', ');
  return weights.map(({ name }) => name.replace(/^blk\.\d+\./, '').replace(/\.weight$/, '')).join(' + ');
}

/** Groups in the order of their first regions. `attentions`: of the program, in order. */
export function groupRegions(
  regions: readonly RegionTime[],
  step: StepShape,
  attentions: readonly AttentionShape[],
  dtypeOf: (weight: WeightRef) => DType,
): GroupTime[] {
  const groups = new Map<string, GroupTime>();
  let attention = 0;
  for (const region of regions) {
    const label = labelOf(region);
    let work: GroupTime['work'] = null;
    if (region.kind === 'attention') work = attentionWork(step, attentions[attention++]);
    else if (region.kind !== 'rows') work = productWork(region, step, dtypeOf);
    const group = groups.get(label);
    groups.set(label, {
      label,
      count: 1 + (group?.count ?? 0),
      workMs: region.workMs + (group?.workMs ?? 0),
      waitMs: region.waitMs + (group?.waitMs ?? 0),
      work: work && {
        operations: work.operations + (group?.work?.operations ?? 0),
        bytes: work.bytes + (group?.work?.bytes ?? 0),
        dtype: work.dtype,
      },
    });
  }
  return [...groups.values()];
}

function productWork({ rows, weights }: RegionTime, step: StepShape, dtypeOf: (weight: WeightRef) => DType): Work {
  const rowCount = rows === 'tokens' ? step.sequences * step.tokens : step.outputs;
  const sum = (of: (weight: WeightRef) => number) => weights.reduce((total, weight) => total + of(weight), 0);
  return {
    operations: 2 * rowCount * sum((weight) => weight.rows * weight.columns),
    bytes: sum((weight) => weight.rows * rowBytes(dtypeOf(weight), weight.columns)),
    dtype: dtypeOf(weights[0]),
  };
}

/** Every token attends to its position and those before it; keys and values are read once for each sequence. */
function attentionWork(step: StepShape, { headCount, headSize, window }: AttentionShape): Work {
  const { sequences, tokens, context, kvBytes } = step;
  const reach = window ?? Number.POSITIVE_INFINITY;
  let keys = 0;
  for (let end = context - tokens + 1; end <= context; end++) keys += Math.min(end, reach);
  return {
    operations: 4 * headCount * headSize * keys * sequences,
    bytes: Math.min(context, reach + tokens - 1) * kvBytes * sequences,
    dtype: 'f32',
  };
}

/** The least milliseconds for some work, and the limit that says so. */
export function leastMs(work: Work, limits: MachineLimits): { readonly ms: number; readonly limit: LimitName } {
  const { seconds, limit } = leastSeconds(work, limits, productLimit(work.dtype, limits), readLimit(limits));
  return { ms: seconds * 1e3, limit };
}
