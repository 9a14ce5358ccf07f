// Blocks set aside for what requests are expected to generate, so that whoever is admitted seldom has to be preempted.

import { InvalidRequestError } from '../errors/index.ts';
import type { KvMemory } from '../memory/index.ts';
import type { SequenceState } from './sequence.ts';

export interface GrowthReserve {
  /** Blocks that a sequence is expected to need beyond those for its tokens known now: 0 once it has what it was expected to get. */
  claimOf(sequence: SequenceState): number;
  /** A sequence was admitted: its claim stands until it has acquired it block by block, loses its place or ends. */
  reserve(sequence: SequenceState): void;
  /** A sequence lost its place: it claims anew when it comes back. */
  release(sequence: SequenceState): void;
  /** A sequence ended: what it did not acquire is free for others, and what it came to is learnt. */
  forfeit(sequence: SequenceState): void;
  /** Sums since start. Reserved = acquired + released + forfeited + claimed now, for what was reserved at admission. */
  readonly counters: {
    readonly reservedBlocks: number;
    readonly releasedBlocks: number;
    readonly forfeitedBlocks: number;
  };
}

export interface GrowthReserveOptions {
  readonly memory: KvMemory;
  /**
   * Of lengths that others came to: the share that shall fit. 0 reserves nothing, 1 what a request may generate at most.
   */
  readonly quantile: number;
}

/** Bounds of lengths that are told apart: each a fourth of a doubling above the one before. */
const BUCKETS = 80;
const bucketOf = (tokens: number): number => Math.min(BUCKETS - 1, Math.floor(4 * Math.log2(Math.max(1, tokens))));
const boundOf = (bucket: number): number => Math.ceil(2 ** ((bucket + 1) / 4));

/** Lengths after which all that were learnt count half. */
const HALF_LIFE = 256;
/** Until so many lengths are known, any length up to the limit, and up to `UNKNOWN_TOKENS`, counts as likely. */
const LEAST_LENGTHS = 16;
const UNKNOWN_TOKENS = 256;

/**
 * The protocol of TigerBeetle's free set (reserve, acquire, release, forfeit) on counts instead of blocks: nothing is taken out of the pool, so
 * what one sequence has reserved still serves as cache, and a running sequence may take it; only admission leaves it alone.
 */
export function createGrowthReserve({ memory, quantile }: GrowthReserveOptions): GrowthReserve {
  if (!(quantile >= 0 && quantile <= 1)) {
    throw new InvalidRequestError(
      `growthQuantile must be between 0 and 1, not ${quantile}`,
      'growthQuantile',
      quantile,
    );
  }
  const weights = new Float64Array(BUCKETS);
  let newest = 1;
  let lengths = 0;
  /** By sequence that has a place: blocks reserved when it got it, and those that it had then. */
  const admitted = new Map<number, { readonly blocks: number; readonly had: number }>();
  const counters = { reservedBlocks: 0, releasedBlocks: 0, forfeitedBlocks: 0 };

  /** The quantile of the lengths over `generated` that others came to, at most `limit`. */
  function expectedLength(generated: number, limit: number): number {
    if (quantile === 1) return limit;
    if (lengths < LEAST_LENGTHS) return generated + quantile * Math.max(0, Math.min(limit, UNKNOWN_TOKENS) - generated);
    let total = 0;
    const first = bucketOf(generated + 1);
    for (let bucket = first; bucket < BUCKETS; bucket++) total += weights[bucket];
    if (total === 0) return generated;
    let sum = 0;
    for (let bucket = first; bucket < BUCKETS; bucket++) {
      sum += weights[bucket];
      if (sum >= quantile * total) return Math.min(limit, boundOf(bucket));
    }
    return limit;
  }

  function claimOf({ tokenIds, generatedTokens, maxNewTokens }: SequenceState): number {
    if (quantile === 0) return 0;
    const more = Math.ceil(expectedLength(generatedTokens, maxNewTokens)) - generatedTokens;
    return more <= 0 ? 0 : memory.blocksFor(tokenIds.length + more) - memory.blocksFor(tokenIds.length);
  }

  function leave(sequence: SequenceState): number {
    const entry = admitted.get(sequence.id);
    if (entry === undefined) return 0;
    admitted.delete(sequence.id);
    return Math.max(0, entry.blocks - (memory.blocksFor(sequence.tokenIds.length) - entry.had));
  }

  return {
    claimOf,
    reserve(sequence) {
      if (quantile === 0) return;
      const blocks = claimOf(sequence);
      admitted.set(sequence.id, { blocks, had: memory.blocksFor(sequence.tokenIds.length) });
      counters.reservedBlocks += blocks;
    },
    release(sequence) {
      counters.releasedBlocks += leave(sequence);
    },
    forfeit(sequence) {
      counters.forfeitedBlocks += leave(sequence);
      if (quantile === 0 || sequence.cancelled || sequence.generatedTokens === 0) return;
      // Newer ones weigh more, instead of all others less.
      newest *= 2 ** (1 / HALF_LIFE);
      lengths++;
      weights[bucketOf(sequence.generatedTokens)] += newest;
      if (newest < 1e100) return;
      for (let bucket = 0; bucket < BUCKETS; bucket++) weights[bucket] /= newest;
      newest = 1;
    },
    counters,
  };
}
