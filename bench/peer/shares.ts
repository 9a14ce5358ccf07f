// What a rate is of the machine's limits, and what the reference table would be under them.

import { openGguf } from '../../src/models/gguf/index.ts';
import type { DType } from '../../src/tensor/index.ts';
import type { LimitName, MachineLimits } from '../common/limits.ts';
import { type ReferenceLimits, referenceLimits, referenceRates } from '../reference.ts';
import type { Task } from './protocol.ts';

/** Weights of a model that products run over. */
export interface ModelWeights {
  /** Of the layers' matrices. */
  readonly layerWeights: number;
  /** Of the vocabulary projection. */
  readonly headWeights: number;
  /** All of these as stored. */
  readonly bytes: number;
  /** Of most weights. */
  readonly dtype: DType;
}

export async function readWeights(path: string): Promise<ModelWeights> {
  const { source } = await openGguf(path);
  try {
    const head = source.weights.get('output.weight') ?? source.weights.get('token_embd.weight')!;
    const layers = [...source.weights.values()].filter(({ name, rows }) => name.startsWith('blk.') && rows > 1);
    const weightsOf = new Map<DType, number>();
    for (const { dtype, rows, columns } of layers) weightsOf.set(dtype, (weightsOf.get(dtype) ?? 0) + rows * columns);
    const [dtype] = [...weightsOf].reduce((most, entry) => (entry[1] > most[1] ? entry : most));
    return {
      layerWeights: layers.reduce((sum, { rows, columns }) => sum + rows * columns, 0),
      headWeights: head.rows * head.columns,
      bytes: layers.reduce((sum, { bytes }) => sum + bytes, head.bytes),
      dtype,
    };
  } finally {
    await source.close();
  }
}

export interface Share {
  readonly limit: LimitName;
  readonly share: number;
}

/** The limit of the products of a type: int8 for quantised ones, the faster of bf16 and f32 for halves, f32 for f32. */
export function productLimit(dtype: DType, limits: MachineLimits): LimitName {
  if (dtype === 'f32') return 'f32';
  if (dtype !== 'f16' && dtype !== 'bf16') return limits.int8 === null ? 'f32' : 'int8';
  return limits.bf16 !== null && limits.bf16.all.median > limits.f32.all.median ? 'bf16' : 'f32';
}

/**
 * Useful work over a limit. One sequence: bytes of weights read for each token over read bandwidth. Otherwise two
 * operations for each weight and token over the peak of the type's products; a prefill has no vocabulary projection to
 * speak of (one row).
 */
export function shareOf(task: Task, rate: number, weights: ModelWeights, limits: MachineLimits): Share {
  if (isSingle(task)) return { limit: 'read', share: (rate * weights.bytes) / limits.read.all.median };
  const limit = productLimit(weights.dtype, limits);
  return { limit, share: (rate * operationsPerToken(task, weights)) / limits[limit]!.all.median };
}

/** As `shareOf`, over the tiles of AMX; null without them, for one sequence and for f32. */
export function tileShareOf(task: Task, rate: number, weights: ModelWeights, limits: MachineLimits): Share | null {
  if (isSingle(task) || weights.dtype === 'f32') return null;
  const limit = weights.dtype === 'f16' || weights.dtype === 'bf16' ? 'amxBf16' : 'amxInt8';
  const peak = limits[limit];
  return peak === null ? null : { limit, share: (rate * operationsPerToken(task, weights)) / peak.all.median };
}

function isSingle(task: Task): boolean {
  return task.kind === 'decode' && task.sequences === 1;
}

function operationsPerToken(task: Task, { layerWeights, headWeights }: ModelWeights): number {
  return 2 * (layerWeights + (task.kind === 'prefill' ? 0 : headWeights));
}

/**
 * The reference table's rate for this task, times what this machine's limit is of the reference machine's: bandwidth for
 * one sequence, else the int8 dot product (bf16 for F16). BF16 is held against F16. Null where the table has nothing.
 */
export function scaledReference(shape: string, dtype: string, task: Task, limits: MachineLimits): number | null {
  const isHalf = dtype === 'f16' || dtype === 'bf16';
  const rates = referenceRates[shape]?.[isHalf ? 'f16' : dtype];
  if (rates === undefined) return null;
  if (task.kind === 'prefill' && task.tokens !== 512) return null;
  const rate =
    task.kind === 'prefill' ? rates.prefill : task.sequences === 1 ? rates.decode : rates.sequences?.[task.sequences];
  const limit: keyof ReferenceLimits = isSingle(task) ? 'read' : isHalf ? 'bf16' : 'int8';
  const today = limits[limit];
  if (rate === undefined || today === null) return null;
  return (rate * today.all.median) / referenceLimits[limit];
}
