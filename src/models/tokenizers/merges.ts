// Builds a pair table from a merge list, or from the scores of a SentencePiece vocabulary.

import type { PairTable } from './pair-table.ts';
import { createPairTable } from './pair-table.ts';

/** Where a merge list is wrong: the merge's index and what is the matter. */
export class MergeListError extends Error {}

/**
 * Pair table of a merge list in order of rank: "left right" strings or [left, right] pairs.
 * Throws MergeListError for a merge that is malformed or names tokens outside the vocabulary.
 */
export function pairsFromMerges(
  merges: readonly unknown[],
  vocabulary: ReadonlyMap<string, number>,
  continuingPrefix = '',
): PairTable {
  const pairs = createPairTable(merges.length);
  merges.forEach((merge, rank) => {
    const [left, right] = splitMerge(merge, rank);
    const leftId = vocabulary.get(left);
    const rightId = vocabulary.get(right);
    const mergedId = vocabulary.get(left + right.slice(continuingPrefix.length));
    if (leftId === undefined || rightId === undefined || mergedId === undefined) {
      throw new MergeListError(`merge ${rank} (${JSON.stringify([left, right])}) names tokens outside the vocabulary`);
    }
    pairs.set(leftId, rightId, rank, mergedId);
  });
  return pairs;
}

function splitMerge(merge: unknown, rank: number): [string, string] {
  if (typeof merge === 'string') {
    // A token may begin with a space only in the pair form; here the first space after the first character divides.
    const space = merge.indexOf(' ', 1);
    if (space > 0 && space < merge.length - 1) return [merge.slice(0, space), merge.slice(space + 1)];
  } else if (
    Array.isArray(merge) &&
    merge.length === 2 &&
    typeof merge[0] === 'string' &&
    typeof merge[1] === 'string'
  ) {
    return [merge[0], merge[1]];
  }
  const shown = typeof merge === 'string' ? JSON.stringify(merge) : typeof merge;
  throw new MergeListError(`merge ${rank} (${shown}) is neither "left right" nor [left, right]`);
}

/**
 * Pair table of a SentencePiece BPE vocabulary: any two tokens whose texts joined are a token may merge, the highest
 * score first, equal scores from left to right (as SentencePiece and llama.cpp do).
 */
export function pairsFromScores(vocabulary: ReadonlyMap<string, number>, scoreOf: (id: number) => number): PairTable {
  const scores = [...new Set([...vocabulary.values()].map(scoreOf))].sort((a, b) => b - a);
  const rankOfScore = new Map(scores.map((score, rank) => [score, rank]));
  const found: number[] = [];
  for (const [token, id] of vocabulary) {
    for (let cut = 1; cut < token.length; cut++) {
      // Never inside a surrogate pair: symbols are whole characters.
      if ((token.charCodeAt(cut) & 0xfc00) === 0xdc00) continue;
      const leftId = vocabulary.get(token.slice(0, cut));
      if (leftId === undefined) continue;
      const rightId = vocabulary.get(token.slice(cut));
      if (rightId !== undefined) found.push(leftId, rightId, id);
    }
  }
  const pairs = createPairTable(found.length / 3);
  for (let index = 0; index < found.length; index += 3) {
    const id = found[index + 2];
    pairs.set(found[index], found[index + 1], rankOfScore.get(scoreOf(id))!, id);
  }
  return pairs;
}
