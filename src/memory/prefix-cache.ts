// The prefix cache: which block holds which hashed content, and which blocks continue a given prefix.

import { HASH_WORDS } from './block-hash.ts';
import { createBlockIndex } from './block-index.ts';

/**
 * What is known of a block's content: nothing (`none`), that the step in flight fills it (`pending`: can be hit as a
 * whole, since a step writes all K and V of a layer before it reads any), or that it is there (`cached`).
 */
export type BlockContent = 'none' | 'pending' | 'cached';

const NONE = 0;
const PENDING = 1;
const CACHED = 2;

/** Blocks compared when a partial hit is looked for: bounds the work where many cached blocks begin with the same token. */
const PARTIAL_CANDIDATE_LIMIT = 32;

export interface PrefixCache {
  /** Blocks with a hash, pending ones included. */
  readonly size: number;
  content(block: number): BlockContent;
  /** The block whose hash is `chain[index]` (see BlockHasher), or -1. */
  find(chain: Uint32Array, index: number): number;
  /** Makes `block` findable as a whole under hash `index` of `chain`. No other block may have that hash. */
  addPending(block: number, chain: Uint32Array, index: number): void;
  /** Makes `block` (new or pending) a cached block with its token ids, which allows partial hits. */
  addCached(block: number, chain: Uint32Array, index: number, tokenIds: ArrayLike<number>): void;
  /** Forgets the content of a block; nothing happens if it has none. */
  remove(block: number): void;
  /** What is known of `from`, if anything, is known of `to` from now on, of which nothing was. Matches are found in the same order as before. */
  move(from: number, to: number): void;
  /**
   * The cached block after hash `index` of `chain` that shares the longest leading part with `tokenIds[start, end)`,
   * among the most recent that begin with the same token. `tokenCount` is 0 if there is none.
   */
  findPartial(
    chain: Uint32Array,
    index: number,
    tokenIds: ArrayLike<number>,
    start: number,
    end: number,
  ): { readonly block: number; readonly tokenCount: number };
  /** Raw words for checks: hashes and parent hashes [blockCount, HASH_WORDS], token ids [blockCount, blockSize]. */
  readonly hashes: Uint32Array;
  readonly parents: Uint32Array;
  readonly tokens: Int32Array;
  /** Whether the indexes hold exactly the entry that the block's content calls for: for checks. */
  isIndexed(block: number): boolean;
}

/** An empty cache. Metadata: 49 + 4 * blockSize bytes a block, rounded up for the indexes. */
export function createPrefixCache(blockCount: number, blockSize: number): PrefixCache {
  const contents = new Uint8Array(blockCount);
  const hashes = new Uint32Array(blockCount * HASH_WORDS);
  const parents = new Uint32Array(blockCount * HASH_WORDS);
  const tokens = new Int32Array(blockCount * blockSize);
  const byHash = createBlockIndex(blockCount);
  const byParent = createBlockIndex(blockCount);

  const hashKey = (block: number): number => hashes[block * HASH_WORDS];
  // Keyed by the first token too: the children of a salt's root are many.
  const childKey = (parentWord: number, firstToken: number): number => parentWord ^ Math.imul(firstToken, 0x9e3779b1);
  const ownChildKey = (block: number): number => childKey(parents[block * HASH_WORDS], tokens[block * blockSize]);

  function equals(words: Uint32Array, block: number, chain: Uint32Array, index: number): boolean {
    for (let word = 0; word < HASH_WORDS; word++) {
      if (words[block * HASH_WORDS + word] !== chain[index * HASH_WORDS + word]) return false;
    }
    return true;
  }

  function find(chain: Uint32Array, index: number): number {
    for (let block = byHash.first(chain[index * HASH_WORDS]); block !== -1; block = byHash.next(block)) {
      if (equals(hashes, block, chain, index)) return block;
    }
    return -1;
  }

  function addHash(block: number, chain: Uint32Array, index: number): void {
    for (let word = 0; word < HASH_WORDS; word++) {
      hashes[block * HASH_WORDS + word] = chain[index * HASH_WORDS + word];
      parents[block * HASH_WORDS + word] = chain[(index - 1) * HASH_WORDS + word];
    }
    byHash.insert(hashKey(block), block);
  }

  function isInChain(index: { first(key: number): number; next(block: number): number }, key: number, block: number) {
    for (let at = index.first(key); at !== -1; at = index.next(at)) if (at === block) return true;
    return false;
  }

  return {
    hashes,
    parents,
    tokens,
    get size() {
      return byHash.size;
    },
    content: (block) => (contents[block] === CACHED ? 'cached' : contents[block] === PENDING ? 'pending' : 'none'),
    find,
    addPending(block, chain, index) {
      addHash(block, chain, index);
      contents[block] = PENDING;
    },
    addCached(block, chain, index, tokenIds) {
      if (contents[block] === NONE) addHash(block, chain, index);
      const start = (index - 1) * blockSize;
      for (let i = 0; i < blockSize; i++) tokens[block * blockSize + i] = tokenIds[start + i];
      byParent.insert(ownChildKey(block), block);
      contents[block] = CACHED;
    },
    remove(block) {
      if (contents[block] === NONE) return;
      byHash.remove(hashKey(block), block);
      if (contents[block] === CACHED) byParent.remove(ownChildKey(block), block);
      contents[block] = NONE;
    },
    move(from, to) {
      if (contents[from] === NONE) return;
      hashes.copyWithin(to * HASH_WORDS, from * HASH_WORDS, (from + 1) * HASH_WORDS);
      parents.copyWithin(to * HASH_WORDS, from * HASH_WORDS, (from + 1) * HASH_WORDS);
      tokens.copyWithin(to * blockSize, from * blockSize, (from + 1) * blockSize);
      byHash.replace(hashKey(to), from, to);
      if (contents[from] === CACHED) byParent.replace(ownChildKey(to), from, to);
      contents[to] = contents[from];
      contents[from] = NONE;
    },
    findPartial(chain, index, tokenIds, start, end) {
      let best = -1;
      let bestCount = 0;
      const limit = Math.min(end - start, blockSize);
      if (limit < 1) return { block: -1, tokenCount: 0 };
      let block = byParent.first(childKey(chain[index * HASH_WORDS], tokenIds[start]));
      for (let seen = 0; block !== -1 && seen < PARTIAL_CANDIDATE_LIMIT; block = byParent.next(block), seen++) {
        if (!equals(parents, block, chain, index)) continue;
        let count = 0;
        while (count < limit && tokens[block * blockSize + count] === tokenIds[start + count]) count++;
        if (count > bestCount) {
          best = block;
          bestCount = count;
          if (count === limit) break;
        }
      }
      return { block: best, tokenCount: bestCount };
    },
    isIndexed(block) {
      const inHash = isInChain(byHash, hashKey(block), block);
      const inParent = isInChain(byParent, ownChildKey(block), block);
      return inHash === (contents[block] !== NONE) && inParent === (contents[block] === CACHED);
    },
  };
}
