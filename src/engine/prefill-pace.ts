// How many prompt tokens a step may take beside decoding, so that those who read along do not see a stall.
//
// A step that computes a chunk of prompt takes longer than one that only decodes, and every running request waits for it: its
// inter-token latency is the step's time. Chunked prefill (Sarathi-Serve, Agrawal et al., 2024) bounds that with a fixed number of tokens;
// which number is right depends on model and machine, so it is measured here. Timing decides only when tokens are computed,
// never which ones.

import { createTwoPartRate } from '../memory/index.ts';
import type { StepPlan } from '../scheduler/types.ts';
import { createDecodeTimes, runningMean } from './decode-times.ts';

export interface StepLoad {
  /** Tokens of sequences that decode. */
  readonly decodeTokens: number;
  /** Tokens of prompts. */
  readonly promptTokens: number;
  /** Sum over those of the tokens before each, which it attends to. Defaults to 0. */
  readonly promptContext?: number;
}

export interface PrefillPace {
  /** Prompt tokens in the next step beside `decodeTokens` (defaults to as many as of late). */
  allowance(decodeTokens?: number): number;
  /**
   * What `tokenCount` prompt tokens from `position` (defaults to 0) on take, beside what a step does anyway; null while nothing was measured. Attention makes
   * late tokens dearer.
   */
  promptMs(tokenCount: number, position?: number): number | null;
  /** A step ran for `stepMs`. */
  observe(load: StepLoad, stepMs: number): void;
}

/** Tokens before anything was measured, and the least that is ever allowed: fewer waste the weights that are read for them. */
const firstAllowance = 64;
const leastAllowance = 16;
/**
 * After so many steps with prompts one has but a token of them. While prompts queue there would be none that tells what decoding takes: with
 * what was measured when fewer decoded, prompts get too little of each step and keep queueing.
 */
const longestWithoutDecoding = 16;

/**
 * `maxStretch` (over 1): how many times as long as a step that only decodes one may take that computes prompts too. Infinity sets no limit.
 */
export function createPrefillPace(maxStretch: number): PrefillPace {
  const decoding = createDecodeTimes();
  let promptTokenMs: number | null = null;
  /** Parts: tokens, and the tokens before each. */
  const promptRate = createTwoPartRate();
  let stepsWithPrompts = 0;
  return {
    allowance(decodeTokens = decoding.meanTokens) {
      if (maxStretch === Number.POSITIVE_INFINITY) return maxStretch;
      if (stepsWithPrompts >= longestWithoutDecoding) return 1;
      const decodeMs = decoding.expectedMs(decodeTokens);
      if (decodeMs === null || promptTokenMs === null) return firstAllowance;
      return Math.max(leastAllowance, Math.floor((decodeMs * (maxStretch - 1)) / promptTokenMs));
    },
    promptMs: (tokenCount, position = 0) => promptRate.ms(tokenCount, contextOf(tokenCount, position)),
    observe({ decodeTokens, promptTokens, promptContext = 0 }, stepMs) {
      // A row of a prompt is a row.
      if (promptTokens <= 1) {
        stepsWithPrompts = 0;
        if (decodeTokens > 0) decoding.observe(decodeTokens + promptTokens, stepMs);
        return;
      }
      if (decodeTokens > 0) stepsWithPrompts++;
      const decodeMs = decoding.expectedMs(decodeTokens);
      if (decodeTokens > 0 && decodeMs === null) return;
      const promptMs = decodeTokens > 0 ? stepMs - (decodeMs ?? 0) : stepMs;
      // A few tokens say little about many.
      if (promptTokens < leastAllowance || promptMs <= 0) return;
      promptTokenMs = runningMean(promptTokenMs, promptMs / promptTokens);
      promptRate.observe(promptTokens, promptContext, promptMs);
    },
  };
}

/** The sum over `tokenCount` tokens from `position` on of the tokens before each. */
function contextOf(tokenCount: number, position: number): number {
  return tokenCount * position + (tokenCount * (tokenCount - 1)) / 2;
}

/** A share of one token that samples decodes. */
export function loadOf({ sequences, bindings }: Pick<StepPlan, 'sequences' | 'bindings'>): StepLoad {
  let decodeTokens = 0;
  let promptContext = 0;
  for (const { tokenCount, firstPosition, samples } of sequences) {
    if (tokenCount === 1 && samples) decodeTokens++;
    else promptContext += contextOf(tokenCount, firstPosition);
  }
  return { decodeTokens, promptTokens: bindings.tokenCount - decodeTokens, promptContext };
}
