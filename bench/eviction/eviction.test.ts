// The parts of the eviction bench: loads that are as they say, and the optimum against hand-made cases.

import { describe, expect, it } from 'vitest';
import { hitRate } from '../../src/memory/eviction/testing/replay.ts';
import { evictionPolicyNames } from '../../src/memory/index.ts';
import { offlineOptimum } from './optimum.ts';
import { makeWorkload, workloadNames } from './workloads.ts';

describe('offline optimum', () => {
  it('keeps what is asked for soonest', () => {
    // LRU with room for two hits nothing of a loop of three; the oracle keeps 0 and takes turns with the others.
    const requests = Array.from({ length: 9 }, (_, i) => [i % 3]);
    expect(hitRate('lru', requests, 2)).toBe(0);
    expect(offlineOptimum(requests, 2)).toBeCloseTo(4 / 9, 10);
  });

  it('counts leading runs only', () => {
    const requests = [[0, 1, 2, 3], [9], [0, 1, 2, 3]];
    expect(offlineOptimum(requests, 2)).toBeCloseTo(2 / 9, 10);
    expect(offlineOptimum(requests, 4)).toBeCloseTo(4 / 9, 10);
  });

  it.each(workloadNames)('is a bound for every policy: %s', (name) => {
    const requests = makeWorkload(name, 600, 3);
    const bound = offlineOptimum(requests, 200);
    for (const policy of evictionPolicyNames) expect(hitRate(policy, requests, 200), policy).toBeLessThanOrEqual(bound);
  });
});

describe('made-up loads', () => {
  it.each(workloadNames)('%s is the same for the same seed, and equal names are equal prefixes', (name) => {
    const requests = makeWorkload(name, 400, 7);
    expect(requests).toEqual(makeWorkload(name, 400, 7));
    expect(requests).toHaveLength(400);
    const before = new Map<number, number>();
    for (const request of requests) {
      request.forEach((block, i) => {
        const parent = i === 0 ? -1 : request[i - 1];
        expect(before.get(block) ?? parent).toBe(parent);
        before.set(block, parent);
      });
    }
  });
});

describe('the default policy', () => {
  it.each(workloadNames)('is never much worse than LRU: %s', (name) => {
    const requests = makeWorkload(name, 2500, 11);
    for (const capacity of [300, 1000]) {
      expect(hitRate('hit-density', requests, capacity)).toBeGreaterThan(0.94 * hitRate('lru', requests, capacity));
    }
  });
});
