// Pool, prefix cache and eviction as one store of blocks: a block that loses its last reference stays evictable while it is cached.

import { IntegrityError } from '../errors/index.ts';
import { HASH_WORDS } from './block-hash.ts';
import type { BlockHistory } from './block-history.ts';
import type { BlockPool } from './block-pool.ts';
import type { EvictableSet } from './eviction/index.ts';
import type { PrefixCache } from './prefix-cache.ts';

export interface BlockStore {
  /** Blocks that can be allocated: free ones, and unreferenced ones whose content can still be hit. */
  readonly freeCount: number;
  /** Unreferenced blocks whose content can still be hit. */
  readonly evictableCount: number;
  /** Cached blocks whose content was dropped to make room, since start. */
  readonly evictions: number;
  /** A block with one reference and no content, evicted if need be. Throws IntegrityError if none is free: count before. */
  allocate(): number;
  retain(block: number): void;
  /** The same because a sequence found a cached or pending block by its prefix. */
  hit(block: number): void;
  drop(block: number): void;
  /** Makes a referenced block a cached one: see PrefixCache. `parent` is the block before it in its sequence, or -1. */
  cacheContent(block: number, chain: Uint32Array, index: number, tokenIds: ArrayLike<number>, parent: number): void;
  /** Forgets what a referenced block holds; nothing happens if nothing is known of it. */
  forgetContent(block: number): void;
  isCached(block: number): boolean;
  isFree(block: number): boolean;
}

/** `cache` and `evictable` are null without prefix caching. */
export function createBlockStore(
  pool: BlockPool,
  cache: PrefixCache | null,
  evictable: EvictableSet | null,
  history: BlockHistory,
): BlockStore {
  let evictions = 0;
  const isCached = (block: number): boolean => cache !== null && cache.content(block) === 'cached';
  const isFree = (block: number): boolean => pool.references(block) === 0;

  function retain(block: number): void {
    if (isFree(block)) evictable?.hold(block);
    pool.retain(block);
  }

  return {
    get freeCount() {
      return pool.freeCount + (evictable?.evictableCount ?? 0);
    },
    get evictableCount() {
      return evictable?.evictableCount ?? 0;
    },
    get evictions() {
      return evictions;
    },
    allocate() {
      const free = pool.allocate();
      if (free !== -1) return free;
      const block = evictable?.take() ?? -1;
      if (block === -1) throw new IntegrityError('no block is free although they were counted before');
      const key = block * HASH_WORDS;
      if (cache !== null) history.evicted(block, cache.hashes[key], cache.hashes[key + 1]);
      cache?.remove(block);
      evictions++;
      pool.retain(block);
      return block;
    },
    retain,
    hit(block) {
      if (isCached(block)) {
        evictable?.hit(block);
        history.hit(block);
      }
      retain(block);
    },
    drop(block) {
      if (!pool.release(block)) return;
      if (isCached(block)) {
        evictable?.release(block);
        history.released(block);
      } else {
        pool.free(block);
      }
    },
    cacheContent(block, chain, index, tokenIds, parent) {
      cache?.addCached(block, chain, index, tokenIds);
      const key = index * HASH_WORDS;
      history.cached(block, chain[key], chain[key + 1]);
      evictable?.admit(block, chain[key], chain[key + 1], index - 1, parent);
    },
    forgetContent(block) {
      if (isCached(block)) evictable?.forget(block);
      cache?.remove(block);
    },
    isCached,
    isFree,
  };
}
