// Checks sampling parameters and fills in their defaults.

import { InvalidRequestError } from '../../errors/errors.ts';
import type { SamplingParams } from '../api.ts';

/** Sampling parameters with every default in place and every value checked. */
export interface ResolvedSampling {
  readonly temperature: number;
  readonly topP: number;
  /** 0: all. */
  readonly topK: number;
  readonly minP: number;
  readonly repetitionPenalty: number;
  readonly presencePenalty: number;
  readonly frequencyPenalty: number;
  readonly logitBias: readonly (readonly [tokenId: number, bias: number])[];
  readonly seed: number;
  readonly stop: readonly string[];
  readonly stopTokenIds: readonly number[];
  readonly minTokens: number;
  /** Null: as many as the context holds. */
  readonly maxTokens: number | null;
  readonly ignoreEos: boolean;
  /** Null: none; else how many alternatives to report. */
  readonly logprobs: number | null;
  readonly promptLogprobs: number | null;
}

const maxStopStrings = 16;
const maxAlternatives = 20;

/** Throws InvalidRequestError naming the parameter and its value. `freshSeed` is used when no seed is given. */
export function resolveSampling(params: SamplingParams, vocabSize: number, freshSeed: () => number): ResolvedSampling {
  function number(name: keyof SamplingParams, fallback: number, low: number, high: number, openLow = false): number {
    const value = params[name] ?? fallback;
    if (typeof value !== 'number' || !(openLow ? value > low : value >= low) || !(value <= high)) {
      throw new InvalidRequestError(
        `${name} must be a number ${openLow ? 'above' : 'from'} ${low} to ${high}, got ${String(value)}`,
        name,
        value,
      );
    }
    return value;
  }
  function integer(name: keyof SamplingParams, fallback: number, low: number, high: number): number {
    const value = params[name] ?? fallback;
    if (!Number.isInteger(value) || (value as number) < low || (value as number) > high) {
      throw new InvalidRequestError(
        `${name} must be an integer from ${low} to ${high}, got ${String(value)}`,
        name,
        value,
      );
    }
    return value as number;
  }
  function tokenId(name: keyof SamplingParams, id: number): number {
    if (!Number.isInteger(id) || id < 0 || id >= vocabSize) {
      throw new InvalidRequestError(`${name} holds token id ${id}; the vocabulary has ${vocabSize} tokens`, name, id);
    }
    return id;
  }

  const stop = params.stop ?? [];
  if (
    !Array.isArray(stop) ||
    stop.length > maxStopStrings ||
    stop.some((s) => typeof s !== 'string' || s.length === 0)
  ) {
    throw new InvalidRequestError(`stop must be at most ${maxStopStrings} non-empty strings`, 'stop', stop);
  }
  const logitBias = Object.entries(params.logitBias ?? {}).map(([key, bias]) => {
    if (typeof bias !== 'number' || !(bias >= -100 && bias <= 100)) {
      throw new InvalidRequestError(
        `logitBias of token ${key} must be from -100 to 100, got ${String(bias)}`,
        'logitBias',
        bias,
      );
    }
    return [tokenId('logitBias', Number(key)), bias] as const;
  });
  const maxTokens = params.maxTokens === undefined ? null : integer('maxTokens', 0, 1, Number.MAX_SAFE_INTEGER);
  const minTokens = integer('minTokens', 0, 0, Number.MAX_SAFE_INTEGER);
  if (maxTokens !== null && minTokens > maxTokens) {
    throw new InvalidRequestError(`minTokens (${minTokens}) exceeds maxTokens (${maxTokens})`, 'minTokens', minTokens);
  }
  return {
    temperature: number('temperature', 1, 0, 2),
    topP: number('topP', 1, 0, 1, true),
    topK: Math.max(0, integer('topK', 0, -1, Number.MAX_SAFE_INTEGER)),
    minP: number('minP', 0, 0, 1),
    repetitionPenalty: number('repetitionPenalty', 1, 0, 1e6, true),
    presencePenalty: number('presencePenalty', 0, -2, 2),
    frequencyPenalty: number('frequencyPenalty', 0, -2, 2),
    logitBias,
    seed:
      params.seed === undefined ? freshSeed() : integer('seed', 0, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
    stop,
    stopTokenIds: (params.stopTokenIds ?? []).map((id) => tokenId('stopTokenIds', id)),
    minTokens,
    maxTokens,
    ignoreEos: params.ignoreEos ?? false,
    logprobs: params.logprobs === undefined ? null : integer('logprobs', 0, 0, maxAlternatives),
    promptLogprobs: params.promptLogprobs === undefined ? null : integer('promptLogprobs', 0, 0, maxAlternatives),
  };
}
