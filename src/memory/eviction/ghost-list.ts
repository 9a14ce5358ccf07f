// Ghosts: the keys of contents that were evicted, oldest first, without the contents.

import { createBlockIndex } from '../block-index.ts';

/** A bounded queue of 64-bit keys in the order of their eviction, searchable by key. All operations are O(1), amortised. */
export interface GhostList {
  readonly size: number;
  readonly bytes: number;
  /** Remembers a key that is not in the list and returns its entry: that of the oldest, which is dropped, if the list is full. */
  add(keyLow: number, keyHigh: number): number;
  /** The entry of a key, or -1. */
  find(keyLow: number, keyHigh: number): number;
  remove(entry: number): void;
  /** The entry that has been here longest, or -1. */
  oldest(): number;
  /** Whether the next `add` drops the oldest entry. */
  isFull(): boolean;
  /** Whether an entry holds a key. */
  isUsed(entry: number): boolean;
}

/**
 * At most `sizeLimit` keys in `entryCount` entries, numbered from 0 so that a policy may keep further arrays of them. An entry that
 * is removed is free again only when all older ones are gone, so with as many entries as keys the list is a little short of its limit.
 */
export function createGhostList(entryCount: number, sizeLimit = entryCount): GhostList {
  const lows = new Uint32Array(entryCount);
  const highs = new Uint32Array(entryCount);
  const used = new Uint8Array(entryCount);
  const index = createBlockIndex(entryCount);
  /** A ring: entries from `start` on, `span` of them, some of which were removed. */
  let start = 0;
  let span = 0;

  function remove(entry: number): void {
    index.remove(lows[entry], entry);
    used[entry] = 0;
  }

  function skipRemoved(): void {
    while (span > 0 && used[start] === 0) {
      start = start + 1 === entryCount ? 0 : start + 1;
      span--;
    }
  }

  function isFull(): boolean {
    skipRemoved();
    return span === entryCount || index.size === sizeLimit;
  }

  return {
    get size() {
      return index.size;
    },
    bytes: lows.byteLength + highs.byteLength + used.byteLength + index.bytes,
    add(keyLow, keyHigh) {
      if (isFull()) {
        remove(start);
        skipRemoved();
      }
      const entry = (start + span++) % entryCount;
      lows[entry] = keyLow;
      highs[entry] = keyHigh;
      used[entry] = 1;
      index.insert(keyLow, entry);
      return entry;
    },
    find(keyLow, keyHigh) {
      for (let entry = index.first(keyLow); entry !== -1; entry = index.next(entry)) {
        if (lows[entry] === keyLow >>> 0 && highs[entry] === keyHigh >>> 0) return entry;
      }
      return -1;
    },
    remove,
    oldest() {
      skipRemoved();
      return span === 0 ? -1 : start;
    },
    isFull,
    isUsed: (entry) => used[entry] === 1,
  };
}
