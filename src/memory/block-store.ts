// The pool and the prefix cache as one store of blocks: a block that loses its last reference stays evictable while it is cached.

import { IntegrityError } from '../errors/index.ts';
import type { BlockPool } from './block-pool.ts';
import type { PrefixCache } from './prefix-cache.ts';

export interface BlockStore {
  /** Unreferenced blocks whose content can still be hit. */
  readonly evictableCount: number;
  /** Cached blocks whose content was dropped to make room, since start. */
  readonly evictions: number;
  /** A block with one reference and no content, evicted if need be. Throws IntegrityError if none is free: count before. */
  allocate(): number;
  retain(block: number): void;
  drop(block: number): void;
  isCached(block: number): boolean;
  isFree(block: number): boolean;
}

/** `cache` is null without prefix caching. */
export function createBlockStore(pool: BlockPool, cache: PrefixCache | null): BlockStore {
  let evictableCount = 0;
  let evictions = 0;
  const isCached = (block: number): boolean => cache !== null && cache.content(block) === 'cached';
  const isFree = (block: number): boolean => pool.references(block) === 0;
  return {
    get evictableCount() {
      return evictableCount;
    },
    get evictions() {
      return evictions;
    },
    allocate() {
      const block = pool.allocate();
      if (block === -1) throw new IntegrityError('the free queue is empty although its blocks were counted before');
      if (isCached(block)) {
        cache?.remove(block);
        evictableCount--;
        evictions++;
      }
      return block;
    },
    retain(block) {
      if (isFree(block) && isCached(block)) evictableCount--;
      pool.retain(block);
    },
    drop(block) {
      const keep = isCached(block);
      if (pool.release(block, keep) && keep) evictableCount++;
    },
    isCached,
    isFree,
  };
}
