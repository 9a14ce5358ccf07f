// How many prompt tokens a step may take beside decoding, so that those who read along do not see a stall.
//
// A step that computes a chunk of prompt takes longer than one that only decodes, and every running request waits for it: its
// inter-token latency is the step's time. Chunked prefill (Sarathi-Serve, Agrawal et al., 2024) bounds that with a fixed number of tokens;
// which number is right depends on model and machine, so it is measured here. Timing decides only when tokens are computed,
// never which ones.

import type { StepPlan } from '../scheduler/types.ts';

export interface StepLoad {
  /** Tokens of sequences that decode. */
  readonly decodeTokens: number;
  /** Tokens of prompts. */
  readonly promptTokens: number;
}

export interface PrefillPace {
  /** Prompt tokens in the next step beside `decodeTokens` (defaults to as many as of late). */
  allowance(decodeTokens?: number): number;
  /** What `tokenCount` prompt tokens take, or null while nothing was measured. */
  promptMs(tokenCount: number): number | null;
  /** A step ran for `stepMs`. */
  observe(load: StepLoad, stepMs: number): void;
}

/** Tokens before anything was measured, and the least that is ever allowed: fewer waste the weights that are read for them. */
const firstAllowance = 64;
const leastAllowance = 16;
/** Weight of the newest step in the running means. */
const newestWeight = 0.2;
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
  let stepsWithPrompts = 0;
  return {
    allowance(decodeTokens = decoding.meanTokens) {
      if (maxStretch === Number.POSITIVE_INFINITY) return maxStretch;
      if (stepsWithPrompts >= longestWithoutDecoding) return 1;
      const decodeMs = decoding.expectedMs(decodeTokens);
      if (decodeMs === null || promptTokenMs === null) return firstAllowance;
      return Math.max(leastAllowance, Math.floor((decodeMs * (maxStretch - 1)) / promptTokenMs));
    },
    promptMs: (tokenCount) => (promptTokenMs === null ? null : tokenCount * promptTokenMs),
    observe({ decodeTokens, promptTokens }, stepMs) {
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
      if (promptTokens >= leastAllowance && promptMs > 0) promptTokenMs = mean(promptTokenMs, promptMs / promptTokens);
    },
  };
}

function mean(before: number | null, value: number, weight = newestWeight): number {
  return before === null ? value : before + weight * (value - before);
}

interface DecodeTimes {
  /** Tokens of late steps. */
  readonly meanTokens: number;
  /** What a step takes that decodes so many; null while none was measured. */
  expectedMs(tokens: number): number | null;
  observe(tokens: number, stepMs: number): void;
}

/** Weight of the newest step in what a token more costs, which changes slowly. */
const slopeWeight = 0.05;

/** Means of late steps, and a slope from more of them. */
function createDecodeTimes(): DecodeTimes {
  let meanTokens = 0;
  let meanMs: number | null = null;
  /** Of tokens and milliseconds about their means. */
  let variance = 0;
  let covariance = 0;
  return {
    get meanTokens() {
      return meanTokens;
    },
    expectedMs(tokens) {
      if (meanMs === null) return null;
      // Decoding is not cheaper for more, and not dearer a token.
      const slope = variance < 0.01 ? 0 : Math.min(meanMs / meanTokens, Math.max(0, covariance / variance));
      return meanMs + slope * (tokens - meanTokens);
    },
    observe(tokens, stepMs) {
      if (meanMs !== null) {
        const beyond = tokens - meanTokens;
        variance = mean(variance, beyond * beyond, slopeWeight);
        covariance = mean(covariance, beyond * (stepMs - meanMs), slopeWeight);
      }
      meanTokens = mean(meanMs === null ? null : meanTokens, tokens);
      meanMs = mean(meanMs, stepMs);
    },
  };
}

/** A share of one token that samples decodes. */
export function loadOf({ sequences, bindings }: Pick<StepPlan, 'sequences' | 'bindings'>): StepLoad {
  let decodeTokens = 0;
  for (const { tokenCount, samples } of sequences) if (tokenCount === 1 && samples) decodeTokens++;
  return { decodeTokens, promptTokens: bindings.tokenCount - decodeTokens };
}
