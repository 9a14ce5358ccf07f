// Least frequently used, where accesses count for less the longer ago they were.

import { createBlockHeap } from './block-heap.ts';
import type { EvictionPolicy, EvictionPolicyOptions } from './policy.ts';

/** Accesses until an access counts for half, in multiples of blockCount. */
const HALF_LIFE_POOLS = 2;

/**
 * The count of a block is the sum over its accesses of 2^-(age / half-life). Scaled by 2^(now / half-life), which ranks all alike, it
 * changes only when the block is accessed ("forward decay", Cormode et al., 2009); its logarithm is what is stored.
 */
export function createLfu({ blockCount }: EvictionPolicyOptions): EvictionPolicy {
  const heap = createBlockHeap(blockCount);
  const counts = new Float64Array(blockCount);
  const halfLife = HALF_LIFE_POOLS * blockCount;
  let clock = 0;
  return {
    get evictableCount() {
      return heap.size;
    },
    bytes: heap.bytes + counts.byteLength,
    admit(block) {
      counts[block] = clock++ / halfLife;
    },
    hit(block) {
      // Now is the largest exponent of the sum, up to the sum's own growth.
      const now = clock++ / halfLife;
      const high = Math.max(now, counts[block]);
      counts[block] = high + Math.log2(2 ** (now - high) + 2 ** (counts[block] - high));
    },
    hold: (block) => heap.remove(block),
    release: (block) => heap.add(block, counts[block]),
    forget(block) {
      if (heap.has(block)) heap.remove(block);
    },
    victim: () => heap.first(),
    evict: (block) => heap.remove(block),
    evictable: () => heap.blocks(),
  };
}
