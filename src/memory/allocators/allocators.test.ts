// All allocators against one suite, and what is particular to each.

import { describe, expect, it } from 'vitest';
import { InvalidRequestError } from '../../errors/index.ts';
import { describeAllocator } from './allocator.conformance.ts';
import { createAllocator, createSlabAllocator, externalFragmentation, shareOutsideRuns } from './index.ts';
import { createOrderedBits } from './ordered-bits.ts';
import { createDraw, fuzzSlabs } from './testing/fuzz.ts';
import { allocatorSubjects } from './testing/subjects.ts';

for (const subject of allocatorSubjects) describeAllocator(subject);

/** Holes of 3 blocks at 10, 5 at 20 and 2 at 30 in a full pool of 64. */
function withHoles(name: 'first-fit' | 'best-fit') {
  const allocator = createAllocator(name, 64);
  allocator.allocateRun(64);
  allocator.releaseRun(10, 3);
  allocator.releaseRun(20, 5);
  allocator.releaseRun(30, 2);
  return allocator;
}

describe('which run is taken', () => {
  it('first fit: the lowest that is long enough', () => {
    const allocator = withHoles('first-fit');
    expect([2, 4, 1, 2].map((count) => allocator.allocateRun(count))).toEqual([10, 20, 12, 30]);
  });

  it('best fit: the shortest that is long enough', () => {
    const allocator = withHoles('best-fit');
    expect([2, 4, 3].map((count) => allocator.allocateRun(count))).toEqual([30, 20, 10]);
  });

  it('buddy: aligned, split in halves and merged again', () => {
    const allocator = createAllocator('buddy', 16);
    expect([4, 1, 2, 8].map((count) => allocator.allocateRun(count))).toEqual([0, 4, 6, 8]);
    expect(allocator.largestRun()).toBe(1);
    allocator.release(4);
    allocator.releaseRun(6, 2);
    expect(allocator.largestRun()).toBe(4);
    allocator.releaseRun(0, 4);
    expect(allocator.largestRun()).toBe(8);
  });

  it('buddy: a run costs its own blocks, not the power of two that it was cut from', () => {
    const allocator = createAllocator('buddy', 16);
    expect(allocator.allocateRun(9)).toBe(0);
    expect(allocator.freeCount).toBe(7);
    expect(allocator.largestRun()).toBe(4);
  });
});

it('external fragmentation: what no run can have', () => {
  const allocator = withHoles('first-fit');
  expect(externalFragmentation(allocator)).toBe(0.5);
  expect(shareOutsideRuns(allocator, 2)).toBeCloseTo(0.2);
  expect(shareOutsideRuns(allocator, 4)).toBeCloseTo(0.6);
  expect(externalFragmentation(createAllocator('buddy', 64))).toBe(0);
});

describe('slabs', () => {
  const options = { arenaBytes: 10_000, slabBytes: 1000, objectBytes: [96, 160, 1000] };

  it('lends slabs to whichever class needs them', () => {
    const slabs = createSlabAllocator(options);
    const [small, middle, large] = slabs.classes;
    expect([small, middle, large].map(({ freeCount }) => freeCount)).toEqual([100, 60, 10]);
    const block = small.allocate();
    expect([small, middle, large].map(({ freeCount }) => freeCount)).toEqual([99, 54, 9]);
    const others = Array.from({ length: 9 }, () => large.allocate());
    expect(large.allocate()).toBe(-1);
    expect(middle.allocate()).toBe(-1);
    expect(small.allocateRun(9)).not.toBe(-1);
    expect(slabs.usedBytes).toBe(9000 + 10 * 96);
    for (const other of others) large.release(other);
    expect(() => large.release(others[0])).toThrow('not allocated');
    small.release(block);
    expect(slabs.freeSlabCount).toBe(9);
  });

  it('never give a byte to two objects, over random operations of all classes', () => {
    for (const seed of [1, 2, 3])
      fuzzSlabs(createSlabAllocator(options), options.objectBytes, 1000, { operations: 20_000, seed });
  });

  it('refuse arenas without a slab and objects larger than one', () => {
    for (const wrong of [{ arenaBytes: 999 }, { objectBytes: [] }, { objectBytes: [1001] }, { slabBytes: 0 }]) {
      expect(() => createSlabAllocator({ ...options, ...wrong })).toThrow(InvalidRequestError);
    }
  });
});

it('ordered bits find the next and the largest member', () => {
  for (const limit of [1, 31, 33, 1025, 40_000]) {
    const draw = createDraw(limit);
    const bits = createOrderedBits(limit);
    const model = new Set<number>();
    for (let i = 0; i < 300; i++) {
      const value = draw(limit);
      if (draw(2) === 0) {
        bits.add(value);
        model.add(value);
      } else {
        bits.remove(value);
        model.delete(value);
      }
      const probe = draw(limit);
      const sorted = [...model].sort((a, b) => a - b);
      expect(bits.atLeast(probe)).toBe(sorted.find((member) => member >= probe) ?? -1);
      expect(bits.largest()).toBe(sorted.at(-1) ?? -1);
      expect(bits.has(value)).toBe(model.has(value));
    }
  }
});
