// Prefixes that prompts share: a tree of system prompts, documents and examples, of which each request follows one branch.

import { InvalidRequestError } from '../../errors/index.ts';
import type { Random } from '../random.ts';
import type { PromptRun } from '../trace.ts';

/** One level of the tree: so many branches below each branch of the level before, of so many tokens. */
export interface PrefixLevel {
  readonly branches: number;
  readonly tokens: number;
}

/** `4x256,8x64`: four prefixes of 256 tokens, and eight of 64 tokens behind each. Throws InvalidRequestError. */
export function parsePrefixTree(text: string): PrefixLevel[] {
  return text.split(',').map((part) => {
    const match = /^(\d{1,6})x(\d{1,7})$/.exec(part.trim());
    const [branches, tokens] = [Number(match?.[1]), Number(match?.[2])];
    if (match === null || branches < 1 || tokens < 1) {
      throw new InvalidRequestError(
        `prefixTree must be levels of BRANCHESxTOKENS, such as 4x256,8x64, not ${text}`,
        'prefixTree',
        text,
      );
    }
    return { branches, tokens };
  });
}

export function prefixTokens(levels: readonly PrefixLevel[]): number {
  return levels.reduce((sum, { tokens }) => sum + tokens, 0);
}

/**
 * Draws the runs of one branch. `skew` 0 takes all alike; above, the first of each level are taken more often: the k-th as 1 / k^skew (Zipf).
 * Names count down from -2^24, out of the way of requests' own.
 */
export function createPrefixTree(levels: readonly PrefixLevel[], skew: number): (random: Random) => PromptRun[] {
  const choices = levels.map(({ branches }) => {
    let sum = 0;
    return Float64Array.from({ length: branches }, (_, k) => {
      sum += (k + 1) ** -skew;
      return sum;
    });
  });
  return (random) => {
    let path = 0;
    let firstOfLevel = 0;
    let width = 1;
    return levels.map(({ branches, tokens }, level) => {
      const sums = choices[level];
      const drawn = random() * sums[branches - 1];
      let low = 0;
      let high = branches - 1;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (sums[middle] > drawn) high = middle;
        else low = middle + 1;
      }
      path = path * branches + low;
      const name = -(2 ** 24) - (firstOfLevel + path);
      width *= branches;
      firstOfLevel += width;
      return { name, tokenCount: tokens };
    });
  };
}
