// First in, first out: the content that was cached first goes first, however often it was hit.

import { createBlockHeap } from './block-heap.ts';
import type { EvictionPolicy, EvictionPolicyOptions } from './policy.ts';

export function createFifo({ blockCount }: EvictionPolicyOptions): EvictionPolicy {
  const heap = createBlockHeap(blockCount);
  const admitted = new Float64Array(blockCount);
  let admissions = 0;
  return {
    get evictableCount() {
      return heap.size;
    },
    bytes: heap.bytes + admitted.byteLength,
    admit(block) {
      admitted[block] = admissions++;
    },
    hit() {},
    hold: (block) => heap.remove(block),
    release: (block) => heap.add(block, admitted[block]),
    forget(block) {
      if (heap.has(block)) heap.remove(block);
    },
    victim: () => heap.first(),
    evict: (block) => heap.remove(block),
    evictable: () => heap.blocks(),
  };
}
