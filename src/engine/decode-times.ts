// What a step takes that only decodes, by how many sequences do.

/** Weight of the newest step in the running means. */
const NEWEST_WEIGHT = 0.2;

/** A running mean; `weight` is that of the newest value, which is all there is before the second. */
export function runningMean(before: number | null, value: number, weight = NEWEST_WEIGHT): number {
  return before === null ? value : before + weight * (value - before);
}

export interface DecodeTimes {
  /** Tokens of late steps. */
  readonly meanTokens: number;
  /** What a step takes that decodes so many; null while none was measured. */
  expectedMs(tokens: number): number | null;
  observe(tokens: number, stepMs: number): void;
}

/** Weight of the newest step in what a token more costs, which changes slowly. */
const SLOPE_WEIGHT = 0.05;

/** Means of late steps, and a slope from more of them. */
export function createDecodeTimes(): DecodeTimes {
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
        variance = runningMean(variance, beyond * beyond, SLOPE_WEIGHT);
        covariance = runningMean(covariance, beyond * (stepMs - meanMs), SLOPE_WEIGHT);
      }
      meanTokens = runningMean(meanMs === null ? null : meanTokens, tokens);
      meanMs = runningMean(meanMs, stepMs);
    },
  };
}
