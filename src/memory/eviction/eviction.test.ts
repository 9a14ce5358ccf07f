// Every eviction policy against the conformance suite, and what distinguishes each.

import { describe, expect, it } from 'vitest';
import { InvalidRequestError } from '../../errors/index.ts';
import { evictionConformance } from './eviction.conformance.ts';
import { createEvictableSet, createEvictionPolicy, type EvictionPolicyName, evictionPolicyNames } from './index.ts';
import { hitRate } from './testing/replay.ts';

for (const name of evictionPolicyNames) evictionConformance(name);

/** A cache of single blocks, named by numbers. */
function cacheOf(name: EvictionPolicyName, blockCount: number) {
  const policy = createEvictionPolicy(name, { blockCount, attentionDepth: 4 });
  const blocks = new Map<number, number>();
  const free = Array.from({ length: blockCount }, (_, i) => blockCount - 1 - i);
  return {
    /** Accesses keys in turn, and returns those that were evicted. */
    access(keys: readonly number[], depth = 0): number[] {
      const evicted: number[] = [];
      for (const key of keys) {
        const known = blocks.get(key);
        if (known !== undefined) {
          policy.hit(known);
          policy.hold(known);
          policy.release(known);
          continue;
        }
        if (free.length === 0) {
          const victim = policy.victim();
          const [victimKey] = [...blocks].find(([, block]) => block === victim)!;
          policy.evict(victim);
          blocks.delete(victimKey);
          evicted.push(victimKey);
          free.push(victim);
        }
        const block = free.pop()!;
        policy.admit(block, key, 0, depth, -1);
        policy.release(block);
        blocks.set(key, block);
      }
      return evicted;
    },
    has: (key: number) => blocks.has(key),
  };
}

const range = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i);

describe('names', () => {
  it('refuses one that is unknown', () => {
    const create = () => createEvictionPolicy('random' as EvictionPolicyName, { blockCount: 1, attentionDepth: 1 });
    expect(create).toThrow(InvalidRequestError);
    expect(create).toThrow(/evictionPolicy must be one of .*lru.*, got random/);
  });
});

describe('what distinguishes policies', () => {
  it('fifo does not care for hits, lru does', () => {
    const accesses = [1, 2, 3, 1, 4];
    expect(cacheOf('fifo', 3).access(accesses)).toEqual([1]);
    expect(cacheOf('lru', 3).access(accesses)).toEqual([2]);
  });

  it('clock gives what was hit one more round, and no more', () => {
    const cache = cacheOf('clock', 3);
    expect(cache.access([1, 2, 3, 1, 1, 1, 4])).toEqual([2]);
    expect(cache.access([5, 6])).toEqual([3, 1]);
  });

  it('lfu keeps what was used often against what was used lately, until it has aged', () => {
    const cache = cacheOf('lfu', 4);
    expect(cache.access([1, 1, 1, 1, 2, 3, 4, 5, 6, 7])).toEqual([2, 3, 4]);
    expect(cache.access(range(60, 10))).toContain(1);
  });

  it('s3-fifo evicts a scan before what was hit, and knows again what came back', () => {
    const cache = cacheOf('s3-fifo', 10);
    cache.access([1, 2, 1, 2, ...range(30, 100)]);
    expect([cache.has(1), cache.has(2)]).toEqual([true, true]);
    // 110 left on probation; asked for again it goes straight to the main queue, and outlives the next scan.
    expect(cache.has(110)).toBe(false);
    cache.access([118, ...range(12, 200)]);
    expect(cache.has(118)).toBe(true);
  });

  it('arc keeps what was used twice through a scan, and shifts towards recency when its ghosts are asked for', () => {
    const cache = cacheOf('arc', 10);
    const frequent = range(5);
    cache.access([...frequent, ...frequent, ...range(40, 100)]);
    expect(frequent.every((key) => cache.has(key))).toBe(true);
    // A loop just larger than what recency has been given: the target grows, and frequent blocks go at last.
    for (let round = 0; round < 12; round++) cache.access(range(9, 1000 + round * 4));
    expect(frequent.every((key) => cache.has(key))).toBe(false);
  });

  it('gdsf keeps what costs more to compute, until it is overtaken', () => {
    const cache = cacheOf('gdsf', 4);
    cache.access([1], 40);
    expect(cache.access([2, 3, 4, 5, 6, 7])).toEqual([2, 3, 4]);
    expect(cache.access(range(100, 10))).toContain(1);
  });

  it('hit-density ranks as lru while it knows nothing', () => {
    const accesses = [...range(30), 0, 1, 2, ...range(12, 100)];
    expect(cacheOf('hit-density', 30).access(accesses)).toEqual(cacheOf('lru', 30).access(accesses));
  });
});

it.each(evictionPolicyNames)('%s: a block that is held alone in the middle of a chain is not evicted', (name) => {
  const set = createEvictableSet(4, createEvictionPolicy(name, { blockCount: 4, attentionDepth: 4 }));
  for (let block = 0; block < 4; block++) set.admit(block, block, 7, block, block - 1);
  for (let block = 3; block >= 0; block--) set.release(block);
  const taken = [set.take()];
  // As relocation does, which moves blocks that nobody refers to.
  set.hold(1);
  for (let block = set.take(); block !== -1; block = set.take()) {
    taken.push(block);
    set.check();
  }
  expect(taken.sort()).toEqual([0, 2, 3]);
  set.release(1);
  expect(set.take()).toBe(1);
});

describe('hit-density learns', () => {
  const rates = (requests: readonly (readonly number[])[], blockCount: number, names: EvictionPolicyName[]) =>
    names.map((name) => hitRate(name, requests, blockCount));

  it('to keep a part of a loop that is larger than the cache', () => {
    const documents = range(30).map((d) => range(10, d * 10));
    const requests = range(1500).map((i) => documents[i % 30]);
    const [lru, learnt] = rates(requests, 200, ['lru', 'hit-density']);
    expect(lru).toBe(0);
    expect(learnt).toBeGreaterThan(0.4);
  });

  it('that long documents are read once', () => {
    const requests = range(3000).map((i) =>
      i % 4 === 3 ? range(60, 10_000 + i * 100) : [...range(10, ((i * 7) % 23) * 10), 1_000_000 + i],
    );
    const [lru, learnt] = rates(requests, 260, ['lru', 'hit-density']);
    expect(learnt).toBeGreaterThan(lru + 0.1);
  });

  it('anew when the load changes', () => {
    const load = (base: number) => range(1500).map((i) => [...range(10, base + ((i * i) % 37) * 10), base + 1000 + i]);
    const requests = [...load(0), ...load(100_000), ...load(200_000)];
    const [lru, learnt] = rates(requests, 150, ['lru', 'hit-density']);
    expect(learnt).toBeGreaterThan(lru);
  });
});
