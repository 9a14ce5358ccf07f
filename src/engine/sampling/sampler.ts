// Chooses the next token from a row of logits: penalties, temperature, truncation, one counter-based draw.

import type { TokenLogprob } from '../api.ts';
import type { ResolvedSampling } from './params.ts';
import { uniformAt } from './random.ts';

export interface SampleResult {
  readonly tokenId: number;
  readonly logprob: number | null;
  readonly topLogprobs: readonly TokenLogprob[] | null;
}

/** Per-choice state: what was said so far, for penalties, and where the next draw is counted from. */
export interface Sampler {
  /**
   * Samples from `logits` ([vocabSize], changed in place by penalties and bias). `blockedIds` cannot be chosen.
   * Returns null when no token has a finite logit (the model's numbers broke).
   */
  sample(logits: Float32Array, position: number, blockedIds: readonly number[]): SampleResult | null;
  /** Counts a token of the output; call it for every token that becomes part of it. */
  accept(tokenId: number): void;
}

/** `stream` keeps the draws of several choices with one seed apart. */
export function createSampler(
  sampling: ResolvedSampling,
  promptTokenIds: readonly number[],
  stream: number,
  scratch: SamplingScratch,
): Sampler {
  const seenInPrompt = sampling.repetitionPenalty === 1 ? new Set<number>() : new Set(promptTokenIds);
  const outputCounts = new Map<number, number>();
  const needsCounts =
    sampling.repetitionPenalty !== 1 || sampling.presencePenalty !== 0 || sampling.frequencyPenalty !== 0;

  function applyPenalties(logits: Float32Array): void {
    const { repetitionPenalty, presencePenalty, frequencyPenalty } = sampling;
    if (repetitionPenalty !== 1) {
      const penalise = (id: number) => {
        logits[id] = logits[id] > 0 ? logits[id] / repetitionPenalty : logits[id] * repetitionPenalty;
      };
      for (const id of seenInPrompt) penalise(id);
      for (const id of outputCounts.keys()) if (!seenInPrompt.has(id)) penalise(id);
    }
    if (presencePenalty !== 0 || frequencyPenalty !== 0) {
      for (const [id, count] of outputCounts) logits[id] -= presencePenalty + frequencyPenalty * count;
    }
  }

  return {
    sample(logits, position, blockedIds) {
      if (needsCounts) applyPenalties(logits);
      for (const [id, bias] of sampling.logitBias) logits[id] += bias;
      for (const id of blockedIds) logits[id] = -Infinity;
      const best = argmax(logits);
      if (best < 0) return null;
      const tokenId =
        sampling.temperature === 0
          ? best
          : draw(logits, logits[best], sampling, uniformAt(sampling.seed, stream, position), scratch);
      if (sampling.logprobs === null) return { tokenId, logprob: null, topLogprobs: null };
      const normalizer = logSumExp(logits, logits[best]);
      return {
        tokenId,
        logprob: logits[tokenId] - normalizer,
        topLogprobs: topLogprobs(logits, normalizer, sampling.logprobs),
      };
    },
    accept(tokenId) {
      if (needsCounts) outputCounts.set(tokenId, (outputCounts.get(tokenId) ?? 0) + 1);
    },
  };
}

/** Index of the largest finite logit, the lowest among equals; -1 if there is none. */
export function argmax(logits: Float32Array): number {
  let best = -1;
  let largest = -Infinity;
  for (let id = 0; id < logits.length; id++) {
    if (logits[id] > largest) {
      largest = logits[id];
      best = id;
    }
  }
  return largest === Infinity ? -1 : best;
}

/** log(sum(exp(logits))), in double precision, in ascending order of ids. */
export function logSumExp(logits: Float32Array, maximum: number): number {
  let sum = 0;
  for (let id = 0; id < logits.length; id++) {
    const x = logits[id] - maximum;
    if (x > -104) sum += Math.exp(x);
  }
  return maximum + Math.log(sum);
}

/** The `count` likeliest tokens, likeliest first, the lower id first among equals. */
export function topLogprobs(logits: Float32Array, normalizer: number, count: number): TokenLogprob[] {
  const top: number[] = [];
  let lowest = -Infinity;
  if (count === 0) return [];
  for (let id = 0; id < logits.length; id++) {
    if (!(logits[id] > lowest) && top.length === count) continue;
    if (!(logits[id] > -Infinity)) continue;
    let at = top.length;
    while (at > 0 && logits[top[at - 1]] < logits[id]) at--;
    top.splice(at, 0, id);
    if (top.length > count) top.pop();
    if (top.length === count) lowest = logits[top[count - 1]];
  }
  return top.map((tokenId) => ({ tokenId, logprob: logits[tokenId] - normalizer }));
}

/**
 * One draw. Order of truncation as vLLM has it: temperature, min-p, top-k, top-p. Candidates stay in order of ids;
 * sorting only ever finds a cut-off, so equal tokens are kept by ascending id.
 */
function draw(
  logits: Float32Array,
  maximum: number,
  sampling: ResolvedSampling,
  uniform: number,
  candidates: Candidates,
): number {
  const { temperature, minP, topK, topP } = sampling;
  const { ids, weights } = candidates;
  // Farther below the best, a token's share is lost in the rounding of the total: it could not be drawn.
  const reach = Math.max(-40, minP > 0 ? Math.log(minP) : -Infinity);
  candidates.count = 0;
  for (let id = 0; id < logits.length; id++) {
    const x = (logits[id] - maximum) / temperature;
    if (!(x >= reach)) continue;
    ids[candidates.count] = id;
    weights[candidates.count++] = Math.exp(x);
  }
  if (topK > 0 && topK < candidates.count) keepLikeliest(candidates, sortedWeights(candidates), topK);
  if (topP < 1) keepNucleus(candidates, topP);
  const total = totalWeight(candidates);
  let remaining = uniform * total;
  for (let i = 0; i < candidates.count; i++) {
    remaining -= weights[i];
    if (remaining < 0) return ids[i];
  }
  return ids[candidates.count - 1];
}

/** Tokens that may still be drawn, by ascending id: the first `count` entries. */
interface Candidates {
  readonly ids: Int32Array;
  readonly weights: Float64Array;
  count: number;
}

/** Room for the candidates of one draw; samplers that never draw at the same time may share it. */
export type SamplingScratch = Candidates;

export function createSamplingScratch(vocabSize: number): SamplingScratch {
  return { ids: new Int32Array(vocabSize), weights: new Float64Array(vocabSize), count: 0 };
}

function totalWeight({ weights, count }: Candidates): number {
  let total = 0;
  for (let i = 0; i < count; i++) total += weights[i];
  return total;
}

function sortedWeights({ weights, count }: Candidates): Float64Array {
  return weights.slice(0, count).sort();
}

/** Keeps the `limit` heaviest candidates, of equal ones those with the lower ids. */
function keepLikeliest(candidates: Candidates, ascending: Float64Array, limit: number): void {
  const { ids, weights, count } = candidates;
  const cutoff = ascending[ascending.length - limit];
  let equalAllowed = limit;
  for (let i = 0; i < count; i++) if (weights[i] > cutoff) equalAllowed--;
  candidates.count = 0;
  for (let i = 0; i < count; i++) {
    const weight = weights[i];
    if (weight < cutoff || (weight === cutoff && equalAllowed-- <= 0)) continue;
    ids[candidates.count] = ids[i];
    weights[candidates.count++] = weight;
  }
}

/** Keeps the smallest set of heaviest candidates whose share of the total reaches `topP`. */
function keepNucleus(candidates: Candidates, topP: number): void {
  const wanted = topP * totalWeight(candidates);
  const ascending = sortedWeights(candidates);
  let limit = 0;
  let sum = 0;
  while (limit < ascending.length && sum < wanted) sum += ascending[ascending.length - ++limit];
  keepLikeliest(candidates, ascending, limit);
}
