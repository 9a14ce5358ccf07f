// What llama.cpp's own programs would reach on a machine of today's limits, from what they reached on the reference machine.

import { type SynthDType, type SynthShapeName, synthDTypes, synthShapeNames } from '../../src/models/synth/index.ts';
import type { MachineLimits } from '../common/limits.ts';
import { type ReferenceLimits, referenceLimits, referenceRates } from '../reference.ts';
import type { Task } from './protocol.ts';
import { isSingle, type ModelWeights, operationsPerToken, synthWeights } from './shares.ts';

/** Tokens per second. */
export interface ScaledReference {
  /** Times one limit over the reference machine's: read bandwidth for one sequence, else the products of the type. */
  readonly byOneLimit: number;
  /** Times the ratio of the times that the rooflines of both machines give for a step of this task. */
  readonly byRoofline: number;
  /** Null where the reference machine ran this shape and type. Else the shapes and types that stand in for what nobody measured. */
  readonly estimatedFrom: string | null;
}

/**
 * The table's rate for a task, scaled to today's limits. BF16 is held against F16, as no BF16 was measured. Where the table
 * has no rate, it is taken to reach the highest share of the roofline that the type reached in any shape. One sequence is
 * taken to read weights as fast as the type was read in any shape (Q8_0 if it was not), and to take the least time beside
 * that which any type took in this shape: of the two types that were measured in small shapes, one is told from the other
 * within 6 % that way, where the share alone is off by 1.8. Null where nothing was measured.
 */
export function scaledReference(
  shape: string,
  dtype: string,
  task: Task,
  weights: ModelWeights,
  limits: MachineLimits,
): ScaledReference | null {
  const today = limitsOf(limits);
  const own = rateOf(shape, dtype, task);
  const estimate = own === null ? estimateRate(shape, dtype, task, weights) : null;
  const rate = own ?? estimate?.rate;
  if (rate === undefined) return null;
  return {
    byOneLimit: (rate * oneLimit(task, weights, today)) / oneLimit(task, weights, referenceLimits),
    byRoofline: (rate * rooflineRate(task, weights, today)) / rooflineRate(task, weights, referenceLimits),
    estimatedFrom: estimate?.from ?? null,
  };
}

/**
 * Tokens per second of a task if nothing but the limits held it up: a step takes the longer of reading all weights once and of
 * its operations, as if both overlapped in full.
 */
export function rooflineRate(task: Task, weights: ModelWeights, limits: ReferenceLimits): number {
  const tokens = task.kind === 'prefill' ? task.tokens : task.sequences;
  const seconds = Math.max(
    weights.bytes / limits.read,
    (tokens * operationsPerToken(task, weights)) / productPeak(weights, limits),
  );
  return tokens / seconds;
}

/** Today's limits on all threads as far as the reference machine's are known: no tiles, and reading in order, as llama.cpp reads. */
export function limitsOf({ f32, int8, bf16, read }: MachineLimits): ReferenceLimits {
  return {
    f32: f32.all.median,
    int8: int8?.all.median ?? f32.all.median,
    bf16: bf16?.all.median ?? f32.all.median,
    read: read.all.median,
  };
}

/** The dot product of a type: int8 for quantised ones, the faster of bf16 and f32 for halves. */
function productPeak({ dtype }: ModelWeights, { f32, int8, bf16 }: ReferenceLimits): number {
  if (dtype === 'f32') return f32;
  return dtype === 'f16' || dtype === 'bf16' ? Math.max(bf16, f32) : int8;
}

function oneLimit(task: Task, weights: ModelWeights, limits: ReferenceLimits): number {
  return isSingle(task) ? limits.read : productPeak(weights, limits);
}

function rateOf(shape: string, dtype: string, task: Task): number | null {
  const rates = referenceRates[shape]?.[dtype === 'bf16' ? 'f16' : dtype];
  if (rates === undefined || (task.kind === 'prefill' && task.tokens !== 512)) return null;
  if (task.kind === 'prefill') return rates.prefill;
  return (task.sequences === 1 ? rates.decode : rates.sequences?.[task.sequences]) ?? null;
}

interface Estimate {
  readonly rate: number;
  readonly from: string;
}

interface ReferenceShare {
  readonly share: number;
  readonly from: string;
}

const measuredShapes = synthShapeNames.filter((name) => name in referenceRates);

function estimateRate(shape: string, dtype: string, task: Task, weights: ModelWeights): Estimate | null {
  const name = measuredShapes.find((it) => it === shape);
  if (name === undefined) return null;
  const best = bestShare(dtype, task) ?? (isSingle(task) ? bestShare('q8_0', task) : null);
  if (best === null) return null;
  const rate = best.share * rooflineRate(task, weights, referenceLimits);
  if (!isSingle(task)) return { rate, from: best.from };
  const beside = secondsBesideReading(name, task);
  return {
    rate: 1 / (1 / rate + beside.seconds),
    from: beside.seconds > 0 ? `${best.from} and ${beside.from}` : best.from,
  };
}

/** What a step of one sequence takes beside reading its weights as fast as the type was read in any shape: the least of the types measured in a shape. */
function secondsBesideReading(shape: SynthShapeName, task: Task): { seconds: number; from: string } {
  const types = Object.keys(referenceRates[shape]!);
  const each = types.flatMap((dtype) => {
    const own = shareOnReference(shape, dtype, task);
    const best = bestShare(dtype, task);
    if (own === null || best === null) return [];
    const atBest = rooflineRate(task, synthWeights(shape, dtype as SynthDType), referenceLimits);
    return { seconds: 1 / (own.share * atBest) - 1 / (best.share * atBest), from: own.from };
  });
  return each.reduce((least, it) => (it.seconds < least.seconds ? it : least));
}

/** The highest share of the roofline that a type reached in any shape; null where nobody measured. */
function bestShare(dtype: string, task: Task): ReferenceShare | null {
  const shares = measuredShapes.flatMap((name) => shareOnReference(name, dtype, task) ?? []);
  return shares.reduce<ReferenceShare | null>((best, it) => (best === null || it.share > best.share ? it : best), null);
}

/** The share of its roofline that the reference machine reached; null where nobody measured. */
function shareOnReference(shape: SynthShapeName, dtype: string, task: Task): ReferenceShare | null {
  const rate = rateOf(shape, dtype, task);
  const known = synthDTypes.find((it): it is SynthDType => it === dtype);
  if (rate === null || known === undefined) return null;
  return { share: rate / rooflineRate(task, synthWeights(shape, known), referenceLimits), from: `${shape} ${dtype}` };
}
