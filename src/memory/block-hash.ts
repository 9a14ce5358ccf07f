// Block hashes: a chain of SHA-256 over parent hash and token ids, salted at its root.

import { hash } from 'node:crypto';

/** Words of 32 bits in a block hash. 128 bits of SHA-256: a collision cannot be made on purpose, so token ids need no comparison. */
export const HASH_WORDS = 4;

/** Writes block hashes into word arrays. Not reentrant (one scratch buffer). */
export interface BlockHasher {
  /** Writes the root of the chains of `salt`: the parent of every first block. */
  root(salt: string, into: Uint32Array): void;
  /**
   * Hash number `index` (1 for the first block) of a chain laid out as consecutive hashes with the root at 0, from hash
   * `index` - 1 and the block's token ids, `tokenIds[(index - 1) * blockSize ...]`.
   */
  extend(chain: Uint32Array, index: number, tokenIds: ArrayLike<number>): void;
  /** The hash of a block from any parent, for checks. `parents`, `tokens` are read at word or token offsets. */
  hashOf(parents: Uint32Array, parentOffset: number, tokens: ArrayLike<number>, tokenOffset: number): Uint32Array;
}

export function createBlockHasher(blockSize: number): BlockHasher {
  const scratch = new Int32Array(HASH_WORDS + blockSize);
  const scratchBytes = new Uint8Array(scratch.buffer);

  function digest(bytes: Uint8Array, into: Uint32Array, offset: number): void {
    const sum = hash('sha256', bytes, 'buffer');
    for (let word = 0; word < HASH_WORDS; word++) into[offset + word] = sum.readUInt32LE(word * 4);
  }

  function hashInto(
    parents: Uint32Array,
    parentOffset: number,
    tokens: ArrayLike<number>,
    tokenOffset: number,
    into: Uint32Array,
    offset: number,
  ): void {
    for (let word = 0; word < HASH_WORDS; word++) scratch[word] = parents[parentOffset + word];
    for (let i = 0; i < blockSize; i++) scratch[HASH_WORDS + i] = tokens[tokenOffset + i];
    digest(scratchBytes, into, offset);
  }

  return {
    root(salt, into) {
      digest(new TextEncoder().encode(`octavo-block-chain:${salt}`), into, 0);
    },
    extend(chain, index, tokenIds) {
      const parent = (index - 1) * HASH_WORDS;
      hashInto(chain, parent, tokenIds, (index - 1) * blockSize, chain, parent + HASH_WORDS);
    },
    hashOf(parents, parentOffset, tokens, tokenOffset) {
      const into = new Uint32Array(HASH_WORDS);
      hashInto(parents, parentOffset, tokens, tokenOffset, into, 0);
      return into;
    },
  };
}
