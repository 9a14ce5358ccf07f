// Picking a token from an output row: what is asked of a backend beside the logits themselves, and by which rule.
//
// The rule. Every backend, on any number of threads and with any instruction set, gives the same answer to the bit for
// the same logits, since f32 means "rounded to f32 after this operation" and every sum is exact:
//
// 1. Edits, in order: l = f32(l > 0 ? l / factor : l * factor), then l = f32(l + offset). NaN is never chosen.
// 2. best: the largest logit, the lowest id among equals. Without a finite one (none above -infinity, or +infinity)
//    nothing is picked.
// 3. The weight of a token is exp(f32(f32(l - best) * inverseTemperature)) by the polynomial of `expWeight` in
//    reference/picks.ts, rounded to a multiple of 2^-35; below the floor (ln minP, or -24.5 if that is higher) it is 0.
//    As multiples of 2^-35 the weights of 2^18 tokens add up in 53 bits without rounding, in any order.
// 4. topK keeps the k largest logits, then topP the shortest run of the largest logits whose weights reach topP times the
//    total of what is left; among equal logits the lower id counts as larger.
// 5. The token is the first id, ascending, at which the sum of the weights kept exceeds `uniform` times their total.
//    At temperature 0 it is `best`.
// 6. Log-probabilities are those of the edited row at temperature 1, before 4: (l - best) - log(sum of its weights).

/** Changes to single logits before a token is picked: penalties, bias, masks. At most one entry for an id. */
export interface LogitEdits {
  readonly count: number;
  /** [count] or longer, as the others */
  readonly ids: Int32Array;
  /** Divides a positive logit, multiplies another. > 0; 1 changes nothing. */
  readonly factors: Float64Array;
  /** Added; -Infinity forbids the token. */
  readonly offsets: Float64Array;
}

/** One token to be picked from an output row of a step. */
export interface TokenPick {
  /** Which output row. The picks of a step are in ascending order of it; one row may be picked from several times. */
  readonly outputIndex: number;
  /** 0 takes the best token and ignores what follows up to `uniform`. */
  readonly temperature: number;
  /** 0: all. */
  readonly topK: number;
  /** In (0, 1]. */
  readonly topP: number;
  /** In [0, 1]. */
  readonly minP: number;
  /** The draw: in [0, 1). */
  readonly uniform: number;
  /** How many of the likeliest tokens to report with log-probabilities, at most maxReportedTokens; null: no log-probabilities at all. */
  readonly topCount: number | null;
  readonly edits: LogitEdits | null;
}

/** Likeliest tokens that a pick may report. */
export const maxReportedTokens = 256;

export interface PickedToken {
  /** -1 when the row has no finite logit to pick. */
  readonly tokenId: number;
  /** Null where none was asked for. */
  readonly logprob: number | null;
  /**
   * Of the row: an edited logit l has log-probability l - best - logSum. Null where none was asked for.
   */
  readonly best: number | null;
  readonly logSum: number | null;
  /** Likeliest first, the lower id first among equals; fewer than asked for where no more are finite. Null where none was asked for. */
  readonly top: readonly { readonly tokenId: number; readonly logprob: number }[] | null;
}

/** What weights are computed with: the same numbers for every backend. */
export interface WeightScale {
  /** f32(1 / temperature), at most the largest f32 */
  readonly inverseTemperature: number;
  /** f32; weights of lower exponents are 0 */
  readonly floor: number;
}

const lowestExponent = -24.5;
const largestFloat = 3.4028234663852886e38;

export function weightScale(temperature: number, minP: number): WeightScale {
  return {
    inverseTemperature: Math.fround(Math.min(largestFloat, 1 / temperature)),
    floor: Math.fround(minP > 0 ? Math.max(lowestExponent, Math.log(minP)) : lowestExponent),
  };
}

/** Throws a RangeError-like message through `fail` for the first value that no backend may be given. */
export function checkPicks(
  picks: readonly TokenPick[],
  outputCount: number,
  vocabSize: number,
  fail: (message: string) => never,
): void {
  let previous = 0;
  for (const [i, pick] of picks.entries()) {
    const { outputIndex, topCount, topK, topP, minP, temperature, uniform, edits } = pick;
    if (!Number.isInteger(outputIndex) || outputIndex < previous || outputIndex >= outputCount)
      fail(`pick ${i} is from output ${outputIndex}, must be ${previous} to ${outputCount - 1}`);
    previous = outputIndex;
    if (topCount !== null && !(Number.isInteger(topCount) && topCount >= 0 && topCount <= maxReportedTokens))
      fail(`pick ${i} reports ${topCount} tokens, must be 0 to ${maxReportedTokens}`);
    const isInRange =
      temperature >= 0 && topK >= 0 && topP > 0 && topP <= 1 && minP >= 0 && minP <= 1 && uniform >= 0 && uniform < 1;
    if (!isInRange)
      fail(`pick ${i} has temperature ${temperature}, topK ${topK}, topP ${topP}, minP ${minP}, uniform ${uniform}`);
    if (edits === null) continue;
    const { count, ids, factors, offsets } = edits;
    if (!(count >= 0 && count <= Math.min(ids.length, factors.length, offsets.length)))
      fail(`pick ${i} has ${count} edits, but fewer entries`);
    for (let e = 0; e < count; e++) {
      if (ids[e] < 0 || ids[e] >= vocabSize) fail(`pick ${i} edits token ${ids[e]}, must be below ${vocabSize}`);
    }
  }
}
