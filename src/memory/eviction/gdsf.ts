// Greedy dual size frequency (Cherkasova, 1998) for blocks of one size: cost counts, and late blocks cost more.

import { createBlockHeap } from './block-heap.ts';
import type { EvictionPolicy, EvictionPolicyOptions } from './policy.ts';

/**
 * Priority is inflation + accesses * cost; the inflation is the priority of the last victim, so that what is not accessed is
 * overtaken in time. The cost of a block is what computing it again takes: 1 for the first of a chain, and 1 more for every
 * `attentionDepth` blocks before it.
 */
export function createGdsf({ blockCount, attentionDepth }: EvictionPolicyOptions): EvictionPolicy {
  const heap = createBlockHeap(blockCount);
  const priorities = new Float64Array(blockCount);
  const costs = new Float64Array(blockCount);
  const accesses = new Uint32Array(blockCount);
  let inflation = 0;
  function access(block: number): void {
    accesses[block]++;
    priorities[block] = inflation + accesses[block] * costs[block];
  }
  return {
    get evictableCount() {
      return heap.size;
    },
    bytes: heap.bytes + priorities.byteLength + costs.byteLength + accesses.byteLength,
    admit(block, _keyLow, _keyHigh, depth) {
      costs[block] = 1 + depth / attentionDepth;
      accesses[block] = 0;
      access(block);
    },
    hit: access,
    hold: (block) => heap.remove(block),
    release: (block) => heap.add(block, priorities[block]),
    forget(block) {
      if (heap.has(block)) heap.remove(block);
    },
    victim: () => heap.first(),
    evict(block) {
      inflation = Math.max(inflation, priorities[heap.first()]);
      heap.remove(block);
    },
    evictable: () => heap.blocks(),
  };
}
