// What an oracle would hit: after each request it drops the blocks that are next asked for last (Belady, 1966).

import { createBlockHeap } from '../../src/memory/eviction/block-heap.ts';
import type { Requests } from './workloads.ts';

/**
 * The share of blocks in leading runs that such an oracle hits. A block is never asked for without those before it, so
 * dropping what is farthest keeps leading runs whole. A request may overflow the cache while it runs, which no real policy may.
 */
export function offlineOptimum(requests: Requests, blockCount: number): number {
  const indexOf = new Map<number, number>();
  let blocks = 0;
  for (const request of requests) {
    blocks += request.length;
    for (const name of request) if (!indexOf.has(name)) indexOf.set(name, indexOf.size);
  }
  // For each access, the number of the request that accesses the same block next.
  const nextUses = new Float64Array(blocks);
  const lastSeen = new Float64Array(indexOf.size).fill(Number.POSITIVE_INFINITY);
  let access = blocks;
  for (let at = requests.length - 1; at >= 0; at--) {
    const request = requests[at];
    for (let i = request.length - 1; i >= 0; i--) {
      const block = indexOf.get(request[i])!;
      nextUses[--access] = lastSeen[block];
      lastSeen[block] = at;
    }
  }
  const cached = createBlockHeap(indexOf.size);
  let hits = 0;
  for (const request of requests) {
    let run = 0;
    while (run < request.length && cached.has(indexOf.get(request[run])!)) run++;
    hits += run;
    for (let i = request.length - 1; i >= 0; i--) {
      const block = indexOf.get(request[i])!;
      if (cached.has(block)) cached.remove(block);
      cached.add(block, -nextUses[access + i]);
    }
    access += request.length;
    while (cached.size > blockCount) cached.remove(cached.first());
  }
  return hits / blocks;
}
