// What a rate is of the machine's limits.

import { openGguf } from '../../src/models/gguf/index.ts';
import { type SynthDType, type SynthShapeName, synthShape } from '../../src/models/synth/index.ts';
import { synthTensors } from '../../src/models/synth/tensors.ts';
import { type DType, rowBytes } from '../../src/tensor/index.ts';
import { type LimitName, type MachineLimits, readLimit } from '../common/limits.ts';
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

interface StoredTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly rows: number;
  readonly columns: number;
}

/** The weights of a GGUF file. */
export async function readWeights(path: string): Promise<ModelWeights> {
  const { source } = await openGguf(path);
  try {
    return weightsOf([...source.weights.values()]);
  } finally {
    await source.close();
  }
}

/** The weights that the file of a synthesised model has, without the file. */
export function synthWeights(shape: SynthShapeName, dtype: SynthDType): ModelWeights {
  return weightsOf(synthTensors(synthShape(shape), dtype, 0));
}

function weightsOf(tensors: readonly StoredTensor[]): ModelWeights {
  const named = (name: string) => tensors.find((it) => it.name === name);
  const head = named('output.weight') ?? named('token_embd.weight')!;
  const layers = tensors.filter(({ name, rows }) => name.startsWith('blk.') && rows > 1);
  const perType = new Map<DType, number>();
  for (const { dtype, rows, columns } of layers) perType.set(dtype, (perType.get(dtype) ?? 0) + rows * columns);
  const [dtype] = [...perType].reduce((most, entry) => (entry[1] > most[1] ? entry : most));
  return {
    layerWeights: layers.reduce((sum, { rows, columns }) => sum + rows * columns, 0),
    headWeights: head.rows * head.columns,
    bytes: [head, ...layers].reduce((sum, it) => sum + it.rows * rowBytes(it.dtype, it.columns), 0),
    dtype,
  };
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
 * Useful work over a limit. One sequence: bytes of weights read for each token over the bandwidth of the faster way to read. Otherwise two
 * operations for each weight and token over the peak of the type's products; a prefill has no vocabulary projection to
 * speak of (one row).
 */
export function shareOf(task: Task, rate: number, weights: ModelWeights, limits: MachineLimits): Share {
  if (isSingle(task)) {
    const limit = readLimit(limits);
    return { limit, share: (rate * weights.bytes) / limits[limit].all.median };
  }
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

export function isSingle(task: Task): boolean {
  return task.kind === 'decode' && task.sequences === 1;
}

/** Useful operations, two for each weight. */
export function operationsPerToken(task: Task, { layerWeights, headWeights }: ModelWeights): number {
  return 2 * (layerWeights + (task.kind === 'prefill' ? 0 : headWeights));
}
