// Unit tests of the block pool.

import { describe, expect, it } from 'vitest';
import { IntegrityError } from '../errors/index.ts';
import { createBlockPool } from './block-pool.ts';

describe('block pool', () => {
  it('hands out the block that was freed last', () => {
    const pool = createBlockPool(4);
    const blocks = [pool.allocate(), pool.allocate(), pool.allocate()];
    expect(blocks).toEqual([0, 1, 2]);
    for (const block of [1, 0]) {
      expect(pool.release(block)).toBe(true);
      pool.free(block);
    }
    expect([...pool.freeList()]).toEqual([0, 1, 3]);
    expect(pool.freeCount).toBe(3);
    expect(pool.allocate()).toBe(0);
  });

  it('keeps an unreferenced block out of the free list until it is freed', () => {
    const pool = createBlockPool(2);
    const block = pool.allocate();
    pool.retain(block);
    expect(pool.release(block)).toBe(false);
    expect(() => pool.free(block)).toThrow(IntegrityError);
    expect(pool.release(block)).toBe(true);
    expect(pool.freeCount).toBe(1);
    pool.retain(block);
    expect(pool.references(block)).toBe(1);
  });

  it('is exhausted without harm, and refuses a release or a free too many', () => {
    const pool = createBlockPool(1);
    expect(pool.allocate()).toBe(0);
    expect(pool.allocate()).toBe(-1);
    pool.release(0);
    pool.free(0);
    const failed = createBlockPool(1);
    expect(() => failed.release(0)).toThrow(IntegrityError);
    expect(() => pool.free(0)).toThrow(IntegrityError);
    expect(pool.allocate()).toBe(0);
  });

  it('allocates and releases a million blocks in well under a second', () => {
    const count = 1_000_000;
    const pool = createBlockPool(count);
    const blocks = new Int32Array(count);
    // The best of a few rounds: a busy machine can slow any one of them.
    let bestMs = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 5; round++) {
      const started = performance.now();
      for (let i = 0; i < count; i++) blocks[i] = pool.allocate();
      for (let i = 0; i < count; i++) {
        const block = blocks[(i * 7919) % count];
        if (pool.release(block)) pool.free(block);
      }
      bestMs = Math.min(bestMs, performance.now() - started);
    }
    expect(pool.freeCount).toBe(count);
    expect(bestMs).toBeLessThan(700);
  });
});
