// Which page is in which slot of a tier, how cold it is, and who holds it: a map from keys and rings through typed arrays.

import type { PageKey } from './page-key.ts';

/** Bookkeeping of `capacity` slots. A slot is free, bound to a key, or held without a key until its last holder lets go. */
export interface PageSlots {
  readonly capacity: number;
  /** Slots bound to a key. */
  readonly boundCount: number;
  readonly freeCount: number;
  /** Bound slots that are pinned or held. */
  readonly pinnedCount: number;
  /** The slot of `key`, or -1. */
  find(key: PageKey): number;
  keyOf(slot: number): PageKey | null;
  /** A free slot, which is the caller's until `bind` or `giveBack`; or -1. */
  take(): number;
  giveBack(slot: number): void;
  /** Puts a page at the warm end of ring `ring`. */
  bind(slot: number, key: PageKey, ring?: number): void;
  /** Moves to the warm end of its ring, or of another one. */
  touch(slot: number, ring?: number): void;
  /**
   * Forgets the page of a slot. True: the slot is the caller's now. False: somebody still holds it, and the `release` that
   * is the last will hand it out.
   */
  unbind(slot: number): boolean;
  /** Protects a slot's bytes from being reused, counted. */
  hold(slot: number): void;
  /** True if that was the last hold of a slot without a page: it is the caller's now. */
  release(slot: number): boolean;
  pin(slot: number): void;
  unpin(slot: number): void;
  isFixed(slot: number): boolean;
  /** Up to `count` bound slots of a ring, coldest first, that nobody holds or pins; `skip` leaves others out. */
  coldest(count: number, ring?: number, skip?: (slot: number) => boolean): number[];
  /** All bound slots of a ring, coldest first. */
  slots(ring?: number): Iterable<number>;
  ringCount(ring: number): number;
}

const NONE = -1;

export function createPageSlots(capacity: number, ringCount = 1): PageSlots {
  const byKey = new Map<PageKey, number>();
  const keys = new Array<PageKey | null>(capacity).fill(null);
  const next = new Int32Array(capacity + ringCount);
  const previous = new Int32Array(capacity + ringCount);
  const ringOf = new Int8Array(capacity).fill(NONE);
  const counts = new Int32Array(ringCount);
  const holds = new Int32Array(capacity);
  const pins = new Int32Array(capacity);
  const free = new Int32Array(capacity);
  let freeCount = capacity;
  let pinnedCount = 0;
  // Slots are handed out in ascending order, so that what is stored together lies together.
  for (let i = 0; i < capacity; i++) free[i] = capacity - 1 - i;
  for (let ring = 0; ring < ringCount; ring++) next[capacity + ring] = previous[capacity + ring] = capacity + ring;

  function unlink(slot: number): void {
    next[previous[slot]] = next[slot];
    previous[next[slot]] = previous[slot];
    counts[ringOf[slot]]--;
    ringOf[slot] = NONE;
  }

  function link(slot: number, ring: number): void {
    const sentinel = capacity + ring;
    const warmest = previous[sentinel];
    next[warmest] = slot;
    previous[slot] = warmest;
    next[slot] = sentinel;
    previous[sentinel] = slot;
    ringOf[slot] = ring;
    counts[ring]++;
  }

  const isFixed = (slot: number) => holds[slot] > 0 || pins[slot] > 0;

  /** Runs a change of a bound slot's holds or pins, and keeps the count of fixed slots. */
  function change(slot: number, counters: Int32Array, by: 1 | -1): void {
    const wasFixed = isFixed(slot);
    counters[slot] += by;
    if (keys[slot] !== null && wasFixed !== isFixed(slot)) pinnedCount += by;
  }

  return {
    capacity,
    get boundCount() {
      return byKey.size;
    },
    get freeCount() {
      return freeCount;
    },
    get pinnedCount() {
      return pinnedCount;
    },
    find: (key) => byKey.get(key) ?? NONE,
    keyOf: (slot) => keys[slot],
    take: () => (freeCount === 0 ? NONE : free[--freeCount]),
    giveBack(slot) {
      free[freeCount++] = slot;
    },
    bind(slot, key, ring = 0) {
      byKey.set(key, slot);
      keys[slot] = key;
      link(slot, ring);
      if (isFixed(slot)) pinnedCount++;
    },
    touch(slot, ring = ringOf[slot]) {
      unlink(slot);
      link(slot, ring);
    },
    unbind(slot) {
      if (isFixed(slot)) pinnedCount--;
      byKey.delete(keys[slot]!);
      keys[slot] = null;
      pins[slot] = 0;
      unlink(slot);
      return holds[slot] === 0;
    },
    hold(slot) {
      change(slot, holds, 1);
    },
    release(slot) {
      change(slot, holds, -1);
      return holds[slot] === 0 && keys[slot] === null;
    },
    pin(slot) {
      change(slot, pins, 1);
    },
    unpin(slot) {
      if (pins[slot] > 0) change(slot, pins, -1);
    },
    isFixed,
    coldest(count, ring = 0, skip = () => false) {
      const found: number[] = [];
      const sentinel = capacity + ring;
      for (let slot = next[sentinel]; slot !== sentinel && found.length < count; slot = next[slot]) {
        if (!isFixed(slot) && !skip(slot)) found.push(slot);
      }
      return found;
    },
    *slots(ring = 0) {
      const sentinel = capacity + ring;
      for (let slot = next[sentinel]; slot !== sentinel; slot = next[slot]) yield slot;
    },
    ringCount: (ring) => counts[ring],
  };
}
