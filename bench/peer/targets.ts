// What the project has set itself: ratios to the scaled reference, by shape, type and phase, and to node-llama-cpp.

import type { Task } from './protocol.ts';
import type { ScaledReference } from './scaling.ts';

type ByShape = Readonly<Record<string, number>>;

const shapes = ['smollm2-135m', 'qwen2.5-0.5b', 'llama-3.2-1b'] as const;
const byShape = (...ratios: readonly [number, number, number]): ByShape =>
  Object.fromEntries(shapes.map((shape, i) => [shape, ratios[i]]));

/** A prefill of 512 tokens. */
const prefill: Readonly<Record<string, ByShape>> = {
  q8_0: byShape(2.0, 2.2, 2.7),
  q4_0: byShape(2.0, 2.0, 2.2),
  q4_k: byShape(1.7, 1.7, 2.0),
  bf16: byShape(2.0, 2.0, 2.0),
  f16: byShape(1.15, 1.15, 1.15),
};
/** One sequence, any type. */
const single = byShape(1.2, 1.05, 1.0);
/** Several sequences, Q8_0 and Q4_0. */
const several: Readonly<Record<number, ByShape>> = {
  8: byShape(2.5, 2.5, 3.0),
  16: byShape(3.0, 3.0, 3.0),
  32: byShape(3.0, 3.0, 3.0),
};

/** The least ratio to the scaled reference; null where none is set. */
export function referenceTarget(shape: string, dtype: string, task: Task): number | null {
  if (task.kind === 'prefill') return task.tokens === 512 ? (prefill[dtype]?.[shape] ?? null) : null;
  if (task.sequences === 1) return single[shape] ?? null;
  return dtype === 'q8_0' || dtype === 'q4_0' ? (several[task.sequences]?.[shape] ?? null) : null;
}

/** The least ratio to node-llama-cpp; null where none is set. */
export function peerTarget(task: Task): number | null {
  if (task.kind === 'prefill' || task.sequences === 1) return 1;
  return task.sequences === 16 ? 4 : null;
}

export interface Verdict {
  readonly target: number;
  /** Ratio to the reference scaled by the roofline, and by one limit. */
  readonly byRoofline: number;
  readonly byOneLimit: number;
  /** By the roofline. */
  readonly isMet: boolean;
}

/** How a rate stands to its target; null where there is none, or nothing to hold it against. */
export function judge(rate: number, reference: ScaledReference | null, target: number | null): Verdict | null {
  if (reference === null || target === null) return null;
  const byRoofline = rate / reference.byRoofline;
  return { target, byRoofline, byOneLimit: rate / reference.byOneLimit, isMet: byRoofline >= target };
}

/** The verdict in words: by the roofline, and what one limit says where it says something else. */
export function describeVerdict(verdict: Verdict | null): string {
  if (verdict === null) return '-';
  const word = (isMet: boolean) => (isMet ? 'met' : 'missed');
  const isMetByOneLimit = verdict.byOneLimit >= verdict.target;
  const rest = isMetByOneLimit === verdict.isMet ? '' : ` (${word(isMetByOneLimit)} by one limit)`;
  return `${verdict.target.toFixed(2)} ${word(verdict.isMet)}${rest}`;
}
