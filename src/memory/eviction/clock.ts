// CLOCK, or second chance: first in, first out, but a block that was hit since the hand last passed it goes round once more.

import { createBlockLists } from './block-lists.ts';
import type { EvictionPolicy, EvictionPolicyOptions } from './policy.ts';

/** The ring as a list whose front is under the hand. Held blocks that the hand meets leave it, and come back behind the hand when they are released. */
export function createClock({ blockCount }: EvictionPolicyOptions): EvictionPolicy {
  const ring = createBlockLists(blockCount, 1);
  const hits = new Uint8Array(blockCount);
  const held = new Uint8Array(blockCount);
  let evictableCount = 0;
  return {
    get evictableCount() {
      return evictableCount;
    },
    bytes: ring.bytes + hits.byteLength + held.byteLength,
    admit(block) {
      hits[block] = 0;
      held[block] = 1;
      ring.append(0, block);
    },
    hit(block) {
      hits[block] = 1;
    },
    hold(block) {
      held[block] = 1;
      evictableCount--;
    },
    release(block) {
      held[block] = 0;
      evictableCount++;
      if (!ring.isListed(block)) ring.append(0, block);
    },
    forget(block) {
      if (ring.isListed(block)) ring.remove(block);
      if (held[block] === 0) evictableCount--;
    },
    victim() {
      if (evictableCount === 0) return -1;
      for (;;) {
        const block = ring.first(0);
        if (held[block] === 0 && hits[block] === 0) return block;
        ring.remove(block);
        if (held[block] === 1) continue;
        hits[block] = 0;
        ring.append(0, block);
      }
    },
    evict(block) {
      ring.remove(block);
      evictableCount--;
    },
    evictable: () => ring.blocks(0).filter((block) => held[block] === 0),
  };
}
