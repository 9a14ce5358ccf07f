// Replays requests, as lists of block names, through the eviction of a cache, without sequences or tokens.

import { createEvictableSet, createEvictionPolicy, type EvictionPolicyName } from '../index.ts';

/** What a replay did. */
export interface Replayed {
  readonly blocks: number;
  readonly hits: number;
}

/**
 * Each request hits the leading run of its blocks that are cached, adds the others, and gives all back, last to first. What a request has beyond
 * `blockCount` blocks is not cached. Names are integers from 0; equal names mean equal prefixes.
 */
export function replay(
  name: EvictionPolicyName,
  requests: readonly (readonly number[])[],
  blockCount: number,
  attentionDepth = 16,
): Replayed {
  const evictable = createEvictableSet(blockCount, createEvictionPolicy(name, { blockCount, attentionDepth }));
  const blockOf = new Map<number, number>();
  const names = new Float64Array(blockCount);
  const held = new Int32Array(blockCount);
  let used = 0;
  let blocks = 0;
  let hits = 0;
  for (const request of requests) {
    const count = Math.min(request.length, blockCount);
    let index = 0;
    for (
      let block = blockOf.get(request[0]);
      block !== undefined && index < count;
      block = blockOf.get(request[index])
    ) {
      evictable.hit(block);
      evictable.hold(block);
      held[index++] = block;
    }
    blocks += request.length;
    hits += index;
    for (; index < count; index++) {
      let block = used;
      if (used < blockCount) used++;
      else {
        block = evictable.take();
        blockOf.delete(names[block]);
      }
      const content = request[index];
      names[block] = content;
      blockOf.set(content, block);
      held[index] = block;
      evictable.admit(block, Math.imul(content, 0x9e3779b1) >>> 0, content, index, index === 0 ? -1 : held[index - 1]);
    }
    while (index > 0) evictable.release(held[--index]);
  }
  return { blocks, hits };
}

export function hitRate(
  name: EvictionPolicyName,
  requests: readonly (readonly number[])[],
  blockCount: number,
): number {
  const { blocks, hits } = replay(name, requests, blockCount);
  return hits / blocks;
}
