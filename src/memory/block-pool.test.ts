// Unit tests of the block pool.

import { describe, expect, it } from 'vitest';
import { IntegrityError } from '../errors/index.ts';
import { createBlockPool } from './block-pool.ts';

describe('block pool', () => {
  it('hands out blocks from the head: content worth keeping goes to the tail, the rest to the front', () => {
    const pool = createBlockPool(4);
    const blocks = [pool.allocate(), pool.allocate(), pool.allocate()];
    expect(blocks).toEqual([0, 1, 2]);
    pool.release(1, true);
    pool.release(0, false);
    pool.release(2, true);
    expect([...pool.freeQueue()]).toEqual([0, 3, 1, 2]);
    expect(pool.freeCount).toBe(4);
  });

  it('takes a referenced block out of the middle of the queue', () => {
    const pool = createBlockPool(3);
    pool.retain(1);
    expect([...pool.freeQueue()]).toEqual([0, 2]);
    pool.retain(1);
    expect(pool.release(1, true)).toBe(false);
    expect(pool.references(1)).toBe(1);
    expect(pool.release(1, true)).toBe(true);
    expect([...pool.freeQueue()]).toEqual([0, 2, 1]);
  });

  it('is exhausted without harm, and refuses a release too many', () => {
    const pool = createBlockPool(1);
    expect(pool.allocate()).toBe(0);
    expect(pool.allocate()).toBe(-1);
    pool.release(0, false);
    expect(() => pool.release(0, false)).toThrow(IntegrityError);
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
      for (let i = 0; i < count; i++) pool.release(blocks[(i * 7919) % count], (i & 1) === 0);
      bestMs = Math.min(bestMs, performance.now() - started);
    }
    expect(pool.freeCount).toBe(count);
    expect(bestMs).toBeLessThan(700);
  });
});
