// The cached blocks as a policy ranks them, with one rule above every policy: leaves go before roots.

import { IntegrityError } from '../../errors/index.ts';
import type { EvictionPolicy } from './policy.ts';

/**
 * Passes what happens to cached blocks on to a policy, and takes blocks to evict. If the policy's victim has evictable
 * children, a leaf below it goes in its place: a prefix is worth nothing to a chain that has lost its beginning.
 * All calls are O(1) on top of the policy's, amortised over those that built the chains.
 */
export interface EvictableSet {
  readonly evictableCount: number;
  readonly bytes: number;
  isEvictable(block: number): boolean;
  /** See EvictionPolicy for these. Throw IntegrityError for a block in the wrong state. */
  admit(block: number, keyLow: number, keyHigh: number, depth: number, parent: number): void;
  hit(block: number): void;
  hold(block: number): void;
  release(block: number): void;
  forget(block: number): void;
  /** Evicts a block and returns it, or returns -1 if none is evictable. */
  take(): number;
  /** Throws IntegrityError unless the policy's evictable blocks are those that were released. O(blocks). */
  check(): void;
}

/** What the set knows of a block. */
const UNKNOWN = 0;
const HELD = 1;
const EVICTABLE = 2;

export function createEvictableSet(blockCount: number, policy: EvictionPolicy): EvictableSet {
  const states = new Uint8Array(blockCount);
  /** The evictable children of each block: a ring through `next` and `previous`, oldest first; -1 if there are none. */
  const children = new Int32Array(blockCount).fill(-1);
  const next = new Int32Array(blockCount);
  const previous = new Int32Array(blockCount);
  const parents = new Int32Array(blockCount).fill(-1);
  /** Contents that a block has had: a parent that has lost the content that it was a parent for is none any more. */
  const contents = new Int32Array(blockCount);
  const parentContents = new Int32Array(blockCount);
  /** Where the search for a leaf below `root` stopped, or -1; and which blocks it has come by. */
  let root = -1;
  let path = -1;
  let search = 1;
  const searches = new Int32Array(blockCount);

  function expectState(block: number, state: number, what: string): void {
    if (states[block] !== state) {
      throw new IntegrityError(
        `block ${block} is to be ${what}, but is ${['not cached', 'held', 'evictable'][states[block]]}`,
      );
    }
  }

  function parentOf(block: number): number {
    const parent = parents[block];
    return parent !== -1 && contents[parent] === parentContents[block] ? parent : -1;
  }

  function addChild(block: number): void {
    const parent = parentOf(block);
    if (parent === -1) return;
    const oldest = children[parent];
    if (oldest === -1) {
      children[parent] = block;
      next[block] = block;
      previous[block] = block;
      return;
    }
    const youngest = previous[oldest];
    next[youngest] = block;
    previous[block] = youngest;
    next[block] = oldest;
    previous[oldest] = block;
  }

  function removeChild(block: number): void {
    // What lies below it is no longer below the root.
    if (searches[block] === search) path = -1;
    const parent = parentOf(block);
    if (parent === -1) return;
    if (next[block] === block) {
      children[parent] = -1;
      return;
    }
    next[previous[block]] = next[block];
    previous[next[block]] = previous[block];
    if (children[parent] === block) children[parent] = next[block];
  }

  function lose(block: number): void {
    states[block] = UNKNOWN;
    contents[block]++;
    children[block] = -1;
  }

  return {
    get evictableCount() {
      return policy.evictableCount;
    },
    bytes: policy.bytes + states.byteLength + 7 * parents.byteLength,
    isEvictable: (block) => states[block] === EVICTABLE,
    admit(block, keyLow, keyHigh, depth, parent) {
      expectState(block, UNKNOWN, 'admitted');
      const known = parent !== -1 && states[parent] !== UNKNOWN ? parent : -1;
      states[block] = HELD;
      parents[block] = known;
      if (known !== -1) parentContents[block] = contents[known];
      policy.admit(block, keyLow, keyHigh, depth, known);
    },
    hit(block) {
      if (states[block] === UNKNOWN) expectState(block, HELD, 'hit');
      policy.hit(block);
    },
    hold(block) {
      expectState(block, EVICTABLE, 'held');
      removeChild(block);
      states[block] = HELD;
      policy.hold(block);
    },
    release(block) {
      expectState(block, HELD, 'released');
      states[block] = EVICTABLE;
      addChild(block);
      policy.release(block);
    },
    forget(block) {
      if (states[block] === EVICTABLE) removeChild(block);
      else expectState(block, HELD, 'forgotten');
      policy.forget(block);
      lose(block);
    },
    take() {
      const victim = policy.victim();
      if (victim === -1) return -1;
      let block = path;
      if (victim !== root || path === -1) {
        search++;
        block = victim;
        searches[block] = search;
      }
      while (children[block] !== -1) {
        block = children[block];
        searches[block] = search;
      }
      const parent = parentOf(block);
      removeChild(block);
      policy.evict(block);
      lose(block);
      root = victim;
      path = block === victim ? -1 : parent;
      return block;
    },
    check() {
      const listed = policy.evictable();
      const evictable = states.reduce((count, state) => count + (state === EVICTABLE ? 1 : 0), 0);
      if (listed.length !== evictable || policy.evictableCount !== evictable) {
        throw new IntegrityError(
          `${evictable} blocks are evictable, the policy counts ${policy.evictableCount} and lists ${listed.length}`,
        );
      }
      const seen = new Set<number>();
      for (const block of listed) {
        if (states[block] !== EVICTABLE || seen.has(block))
          throw new IntegrityError(`the policy lists block ${block}, which is not evictable, or lists it twice`);
        seen.add(block);
      }
      for (let block = 0; block < blockCount; block++) {
        const oldest = children[block];
        if (oldest === -1) continue;
        let child = oldest;
        do {
          if (states[child] !== EVICTABLE || parentOf(child) !== block)
            throw new IntegrityError(`block ${child} is linked as an evictable child of block ${block} but is none`);
          child = next[child];
        } while (child !== oldest);
      }
    },
  };
}
