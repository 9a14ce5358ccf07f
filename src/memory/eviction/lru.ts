// Least recently used: the block that was given back first goes first.

import { createBlockLists } from './block-lists.ts';
import type { EvictionPolicy, EvictionPolicyOptions } from './policy.ts';

export function createLru({ blockCount }: EvictionPolicyOptions): EvictionPolicy {
  const lists = createBlockLists(blockCount, 1);
  let evictableCount = 0;
  function remove(block: number): void {
    lists.remove(block);
    evictableCount--;
  }
  return {
    get evictableCount() {
      return evictableCount;
    },
    bytes: lists.bytes,
    admit() {},
    hit() {},
    hold: remove,
    release(block) {
      lists.append(0, block);
      evictableCount++;
    },
    forget(block) {
      if (lists.isListed(block)) remove(block);
    },
    victim: () => lists.first(0),
    evict: remove,
    evictable: () => lists.blocks(0),
  };
}
