// What to ask of the backend for the next token of a choice: its settings, its draw, and its penalties as edits of single logits.

import type { LogitEdits, TokenPick } from '../../backends/picks.ts';
import type { ResolvedSampling } from './params.ts';
import { uniformAt } from './random.ts';

/** Per-choice state: what was said so far, for penalties, and where the next draw is counted from. */
export interface Sampler {
  /** Whether picks depend on the tokens accepted, as penalties do. */
  readonly dependsOnOutput: boolean;
  /**
   * The pick of the token at `position` from an output row. With `blocked`, the sampler's `blockable` ids cannot be chosen.
   * Its edits are the sampler's own arrays: they hold until the next call of `accept` or `pick`.
   */
  pick(outputIndex: number, position: number, blocked: boolean): TokenPick;
  /** Counts a token of the output; call it for every token that becomes part of it. */
  accept(tokenId: number): void;
}

/** `stream` keeps the draws of several choices with one seed apart. */
export function createSampler(
  sampling: ResolvedSampling,
  promptTokenIds: readonly number[],
  stream: number,
  blockable: readonly number[] = [],
): Sampler {
  const { repetitionPenalty, presencePenalty, frequencyPenalty, temperature, topK, topP, minP } = sampling;
  const countsOutput = repetitionPenalty !== 1 || presencePenalty !== 0 || frequencyPenalty !== 0;
  const list = createEditList();
  const outputCounts = new Map<number, number>();
  const biases = new Map(sampling.logitBias);
  const blockableIds = new Set(blockable);
  let isBlocking = false;

  function offsetOf(tokenId: number): number {
    if (isBlocking && blockableIds.has(tokenId)) return Number.NEGATIVE_INFINITY;
    const count = outputCounts.get(tokenId) ?? 0;
    const penalty = count === 0 ? 0 : presencePenalty + frequencyPenalty * count;
    return (biases.get(tokenId) ?? 0) - penalty;
  }

  function setBlocking(blocked: boolean): void {
    if (blocked === isBlocking) return;
    isBlocking = blocked;
    for (const id of blockableIds) list.set(id, null, offsetOf(id));
  }

  for (const [id, bias] of biases) list.set(id, null, bias);
  if (repetitionPenalty !== 1) for (const id of promptTokenIds) list.set(id, repetitionPenalty, offsetOf(id));

  return {
    dependsOnOutput: countsOutput,
    pick(outputIndex, position, blocked) {
      setBlocking(blocked);
      return {
        outputIndex,
        temperature,
        topK,
        topP,
        minP,
        uniform: temperature === 0 ? 0 : uniformAt(sampling.seed, stream, position),
        topCount: sampling.logprobs,
        edits: list.edits.count === 0 ? null : list.edits,
      };
    },
    accept(tokenId) {
      if (!countsOutput) return;
      outputCounts.set(tokenId, (outputCounts.get(tokenId) ?? 0) + 1);
      list.set(tokenId, repetitionPenalty, offsetOf(tokenId));
    },
  };
}

interface EditList {
  readonly edits: LogitEdits;
  /** Adds or replaces the edit of a token; a null factor leaves the one it has, at first 1. */
  set(tokenId: number, factor: number | null, offset: number): void;
}

/** Kept from step to step, so that a step costs nothing for the tokens penalised before. */
function createEditList(): EditList {
  const indexes = new Map<number, number>();
  const edits = { count: 0, ids: new Int32Array(0), factors: new Float64Array(0), offsets: new Float64Array(0) };

  function grow(): void {
    const capacity = Math.max(16, 2 * edits.count);
    const { ids, factors, offsets } = edits;
    edits.ids = new Int32Array(capacity);
    edits.factors = new Float64Array(capacity);
    edits.offsets = new Float64Array(capacity);
    edits.ids.set(ids);
    edits.factors.set(factors);
    edits.offsets.set(offsets);
  }

  return {
    edits,
    set(tokenId, factor, offset) {
      let index = indexes.get(tokenId);
      if (index === undefined) {
        if (edits.count === edits.ids.length) grow();
        index = edits.count++;
        indexes.set(tokenId, index);
        edits.ids[index] = tokenId;
        edits.factors[index] = 1;
      }
      if (factor !== null) edits.factors[index] = factor;
      edits.offsets[index] = offset;
    },
  };
}
