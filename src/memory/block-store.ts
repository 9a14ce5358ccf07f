// Pool, prefix cache and eviction as one store of blocks: a block that loses its last reference stays evictable while it is cached.

import { IntegrityError } from '../errors/index.ts';
import type { BlockJournal, PageFate } from '../events/index.ts';
import { HASH_WORDS } from './block-hash.ts';
import type { BlockHistory } from './block-history.ts';
import type { BlockPool } from './block-pool.ts';
import type { EvictableSet, MovableEvictableSet } from './eviction/index.ts';
import type { PrefixCache } from './prefix-cache.ts';

export interface BlockStore {
  /** Blocks that can be allocated: free ones, and unreferenced ones whose content can still be hit. */
  readonly freeCount: number;
  /** Unreferenced blocks whose content can still be hit. */
  readonly evictableCount: number;
  /** Cached blocks whose content was dropped to make room, since start. */
  readonly evictions: number;
  /** Requests for several blocks that got one run, and that did not. */
  readonly grantedRuns: number;
  readonly splitRuns: number;
  /** A block with one reference and no content, evicted if need be. Throws IntegrityError if none is free: count before. `near` as for BlockPool. */
  allocate(near?: number): number;
  /** Gives `take` `count` such blocks, one by one: a single run if there is one, else runs of half the length, and so on. */
  allocateRuns(count: number, near: number | undefined, take: (block: number) => void): void;
  retain(block: number): void;
  /** The same because a sequence found a cached or pending block by its prefix. */
  hit(block: number): void;
  drop(block: number): void;
  /** Makes a referenced block a cached one: see PrefixCache. `parent` is the block before it in its sequence, or -1. */
  cacheContent(block: number, chain: Uint32Array, index: number, tokenIds: ArrayLike<number>, parent: number): void;
  /** Forgets what a referenced block holds; nothing happens if nothing is known of it. */
  forgetContent(block: number): void;
  /** Evicts a cached block so that it is free; false if none is evictable. */
  evict(): boolean;
  /** What is known of the content of `from`, if anything, is from now on known of `to`, of which nothing was. Needs a movable set. */
  moveContent(from: number, to: number): void;
  isCached(block: number): boolean;
  isFree(block: number): boolean;
}

/**
 * `cache` and `evictable` are null without prefix caching. `onEvict` is called with a block that loses its content, while the
 * cache still knows its hash and nobody has written to it, and says what becomes of it;
 * `tierOf` right after that, for the name of the tier that has its page or gets it, or ''; `onCached` with one that gains content, as `cacheContent`.
 */
export function createBlockStore(
  pool: BlockPool,
  cache: PrefixCache | null,
  evictable: EvictableSet | MovableEvictableSet | null,
  history: BlockHistory,
  journal: BlockJournal,
  onEvict: (block: number) => PageFate,
  tierOf: (block: number) => string,
  onCached: (block: number, chain: Uint32Array, index: number) => void = () => {},
): BlockStore {
  let evictions = 0;
  let grantedRuns = 0;
  let splitRuns = 0;
  const isCached = (block: number): boolean => cache !== null && cache.content(block) === 'cached';
  const isFree = (block: number): boolean => pool.references(block) === 0;

  /** An unreferenced block that has lost its content, in nobody's hands; or -1. */
  function takeVictim(): number {
    const block = evictable?.take() ?? -1;
    if (block === -1) return -1;
    const fate = onEvict(block);
    journal.evicted(block, fate, journal.isOn && (fate === 'saved' || fate === 'kept') ? tierOf(block) : '');
    const key = block * HASH_WORDS;
    if (cache !== null) history.evicted(block, cache.hashes[key], cache.hashes[key + 1]);
    cache?.remove(block);
    evictions++;
    return block;
  }

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
    get grantedRuns() {
      return grantedRuns;
    },
    get splitRuns() {
      return splitRuns;
    },
    allocate(near) {
      const free = pool.allocate(near);
      if (free !== -1) return free;
      const block = takeVictim();
      if (block === -1) throw new IntegrityError('no block is free although they were counted before');
      pool.retain(block);
      return block;
    },
    allocateRuns(count, near, take) {
      for (let victim = 0; pool.freeCount < count && victim !== -1; ) {
        victim = takeVictim();
        if (victim !== -1) pool.free(victim);
      }
      let behind = near;
      let run = count;
      for (let left = count; left > 0; ) {
        run = Math.min(run, left);
        const first = run > 1 ? pool.allocateRun(run, behind) : pool.allocate(behind);
        if (first === -1 && run === 1) throw new IntegrityError('no block is free although they were counted before');
        if (first === -1) {
          run = Math.ceil(run / 2);
          continue;
        }
        for (let i = 0; i < run; i++) take(first + i);
        behind = first + run - 1;
        left -= run;
      }
      if (count > 1 && run === count) grantedRuns++;
      else if (count > 1) splitRuns++;
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
      onCached(block, chain, index);
      journal.cached(block, chain, index - 1);
      const key = index * HASH_WORDS;
      history.cached(block, chain[key], chain[key + 1]);
      evictable?.admit(block, chain[key], chain[key + 1], index - 1, parent);
    },
    forgetContent(block) {
      if (isCached(block)) {
        evictable?.forget(block);
        journal.uncached(block);
      }
      cache?.remove(block);
    },
    evict() {
      const block = takeVictim();
      if (block !== -1) pool.free(block);
      return block !== -1;
    },
    moveContent(from, to) {
      history.moved(from, to);
      journal.moved(from, to);
      cache?.move(from, to);
      if (evictable !== null) (evictable as MovableEvictableSet).exchange(from, to);
    },
    isCached,
    isFree,
  };
}
