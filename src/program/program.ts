// The recorded program: a flat list of operations over symbolic row counts that every backend compiles.

import type { AttentionAging } from './aging.ts';

/**
 * How many rows a value has in a step: one per scheduled token, or one per output row (a token whose logits are
 * wanted). Both are known only when a step runs.
 */
export type RowKind = 'tokens' | 'outputs';

/** An f32 activation of shape [rows, width]. Values are written by exactly one operation, or updated in place by `add`. */
export interface Value {
  readonly id: number;
  readonly name: string;
  readonly rows: RowKind;
  readonly width: number;
}

/** A weight by its canonical (GGUF) name. Matrices are [rows, columns] = [outputs, inputs]; vectors have rows = 1. */
export interface WeightRef {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
}

/**
 * Which elements of a head are rotated together: `half` pairs i with i + rotaryDim / 2 (Hugging Face, "neox");
 * `interleaved` pairs 2i with 2i + 1 (GGUF files of the Llama family, whose q/k rows are permuted for it).
 */
export type RopeLayout = 'half' | 'interleaved';

/** Rotary embedding parameters. `inverseFrequencies` has rotaryDim / 2 entries, scaling already applied. */
export interface RopeParameters {
  readonly layout: RopeLayout;
  readonly rotaryDim: number;
  readonly inverseFrequencies: Float64Array;
  /** Multiplies cos and sin; 1 unless a scaling scheme asks for more. */
  readonly attentionFactor: number;
}

/**
 * Positions 0 .. `tokens` - 1, attended beside a window. A token that they and the window hold between them sees all positions before it as they
 * are. Every later one sees the sinks from where the last of their slots together is (position `tokens` + window - 1), whatever its own position,
 * so that no distance exceeds that: its query is turned back by the difference. Attention over positions within the cache (Xiao et al.,
 * Efficient Streaming Language Models with Attention Sinks, 2024), without a key ever being rotated again.
 */
export interface AttentionSinks {
  /** At most 256. */
  readonly tokens: number;
  /** What the query was rotated by; null where it was not. Its `attentionFactor` must be 1. */
  readonly rope: RopeParameters | null;
}

export type Operation =
  /** out[t] = weight[tokenIds[t]]; tokens x columns. */
  | { readonly kind: 'embed'; readonly weight: WeightRef; readonly out: Value }
  /**
   * out = input / sqrt(mean(input^2) + epsilon) * weight, over slices of `weight.columns` elements: whole rows, or
   * every head of a row when the weight is as long as a head (q/k norms).
   */
  | {
      readonly kind: 'rmsNorm';
      readonly input: Value;
      readonly weight: WeightRef;
      readonly epsilon: number;
      readonly out: Value;
    }
  /** out = input * weight^T (+ bias). */
  | {
      readonly kind: 'linear';
      readonly input: Value;
      readonly weight: WeightRef;
      readonly bias: WeightRef | null;
      readonly out: Value;
    }
  /** In place: rotates every head of `value` ([tokens, heads * headSize]) by its token's position. */
  | { readonly kind: 'rope'; readonly value: Value; readonly headSize: number; readonly rope: RopeParameters }
  /** Writes k and v ([tokens, kvHeads * headSize]) of `layer` to the slots of the step's slot mapping. */
  | { readonly kind: 'writeKv'; readonly key: Value; readonly value: Value; readonly layer: number }
  /**
   * Causal attention of every token over its own sequence's slots 0..position, read through the block table.
   * `window` limits it to the last `window` positions (null: all). Query head h reads K/V head h / (heads / kvHeads).
   */
  | {
      readonly kind: 'pagedAttention';
      readonly query: Value;
      readonly layer: number;
      readonly headCount: number;
      readonly kvHeadCount: number;
      readonly headSize: number;
      readonly scale: number;
      readonly window: number | null;
      /** Only with a window. Undefined or null: none. */
      readonly sinks?: AttentionSinks | null;
      /** Only without a window. Undefined or null: K and V have one copy. */
      readonly aging?: AttentionAging | null;
      readonly out: Value;
    }
  /** out = silu(gate) * up. */
  | {
      readonly kind: 'gatedActivation';
      readonly gate: Value;
      readonly up: Value;
      readonly activation: 'silu';
      readonly out: Value;
    }
  /** In place: target += addend. */
  | { readonly kind: 'add'; readonly target: Value; readonly addend: Value }
  /** out[r] = input[outputRows[r]]: from token rows to output rows. */
  | { readonly kind: 'selectOutputs'; readonly input: Value; readonly out: Value };

/** A model as data. `logits` is the [outputs, vocabSize] value that a step returns. */
export interface Program {
  readonly operations: readonly Operation[];
  readonly values: readonly Value[];
  readonly weights: readonly WeightRef[];
  readonly logits: Value;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly layerCount: number;
  readonly kvHeadCount: number;
  readonly headSize: number;
}

/** What the attention of a program reaches in any layer: the last `window` positions (null: all), and `sinkTokens` leading ones. */
export function attentionReachOf(program: Program): { readonly window: number | null; readonly sinkTokens: number } {
  let window: number | null = 0;
  let sinkTokens = 0;
  for (const operation of program.operations) {
    if (operation.kind !== 'pagedAttention') continue;
    window = operation.window === null || window === null ? null : Math.max(window, operation.window);
    sinkTokens = Math.max(sinkTokens, operation.sinks?.tokens ?? 0);
  }
  return { window: window === 0 ? null : window, sinkTokens };
}
