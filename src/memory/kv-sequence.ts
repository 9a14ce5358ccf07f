// A sequence as the memory layer knows it.

import { type BlockHasher, HASH_WORDS } from './block-hash.ts';

/**
 * A sequence's claim on memory. Callers read it and change it only through the verbs of KvMemory, except that they
 * append to the array of token ids that they opened it with.
 */
export interface KvSequence {
  /** Names it in events: its opener's number, or a negative one of the memory's. */
  readonly id: number;
  readonly salt: string;
  /** All tokens known so far, computed or not. */
  readonly tokenIds: readonly number[];
  /** Row of the page table, or -1 while the sequence holds no memory. */
  readonly row: number;
  /** Blocks in its block table. */
  readonly blockCount: number;
  /** Leading tokens whose K and V are in its blocks (for a sequence that joined in the open step: will be, by its end). */
  readonly computedTokens: number;
  /** Tokens after those that the open step computes. */
  readonly scheduledTokens: number;
  /** Tokens after those whose blocks it has: 1 where the step after the open one is prepared, else 0. */
  readonly preparedTokens: number;
}

/** The same as the memory layer writes it. */
export interface KvSequenceState {
  readonly id: number;
  readonly salt: string;
  readonly tokenIds: readonly number[];
  row: number;
  blockCount: number;
  computedTokens: number;
  scheduledTokens: number;
  preparedTokens: number;
  /** Whether it took its memory in the open step. */
  joined: boolean;
  /** Tokens found in the cache when it joined. */
  cachedTokens: number;
  /** The shared block that a copy replaced in the open step, or -1: at most one, the partial one. */
  copiedFrom: number;
  /** Whether it is to be released when the open step ends. */
  releasing: boolean;
  /** Hash chain: the root of the salt, then the hashes of `hashedBlocks` full blocks. */
  chain: Uint32Array;
  hashedBlocks: number;
}

export function createKvSequence(
  tokenIds: readonly number[],
  salt: string,
  hasher: BlockHasher,
  id: number,
): KvSequenceState {
  const chain = new Uint32Array(HASH_WORDS * 8);
  hasher.root(salt, chain);
  return {
    id,
    salt,
    tokenIds,
    row: -1,
    blockCount: 0,
    computedTokens: 0,
    scheduledTokens: 0,
    preparedTokens: 0,
    joined: false,
    cachedTokens: 0,
    copiedFrom: -1,
    releasing: false,
    chain,
    hashedBlocks: 0,
  };
}

/** Extends the hash chain to `blockCount` full blocks of known tokens. */
export function extendChain(
  sequence: Pick<KvSequenceState, 'tokenIds' | 'chain' | 'hashedBlocks'>,
  blockCount: number,
  hasher: BlockHasher,
): void {
  const words = (blockCount + 1) * HASH_WORDS;
  if (words > sequence.chain.length) {
    const grown = new Uint32Array(Math.max(words, sequence.chain.length * 2));
    grown.set(sequence.chain);
    sequence.chain = grown;
  }
  while (sequence.hashedBlocks < blockCount) {
    sequence.hashedBlocks++;
    hasher.extend(sequence.chain, sequence.hashedBlocks, sequence.tokenIds);
  }
}
