// Evictable blocks whose content may move: policies know contents by a number that stays, and only this file knows the block.

import type { EvictableSet } from './evictable-set.ts';

export interface MovableEvictableSet extends EvictableSet {
  /** What is known of two blocks changes places. O(1). */
  exchange(a: number, b: number): void;
}

/** 8 bytes a block and one look-up a call more than the set inside. */
export function createMovableEvictableSet(blockCount: number, inner: EvictableSet): MovableEvictableSet {
  const numbers = Int32Array.from({ length: blockCount }, (_, i) => i);
  const blocks = numbers.slice();
  return {
    get evictableCount() {
      return inner.evictableCount;
    },
    bytes: inner.bytes + 2 * numbers.byteLength,
    isEvictable: (block) => inner.isEvictable(numbers[block]),
    admit(block, keyLow, keyHigh, depth, parent) {
      inner.admit(numbers[block], keyLow, keyHigh, depth, parent === -1 ? -1 : numbers[parent]);
    },
    hit: (block) => inner.hit(numbers[block]),
    hold: (block) => inner.hold(numbers[block]),
    release: (block) => inner.release(numbers[block]),
    forget: (block) => inner.forget(numbers[block]),
    take() {
      const number = inner.take();
      return number === -1 ? -1 : blocks[number];
    },
    check: inner.check,
    exchange(a, b) {
      const number = numbers[a];
      numbers[a] = numbers[b];
      numbers[b] = number;
      blocks[numbers[a]] = a;
      blocks[numbers[b]] = b;
    },
  };
}
