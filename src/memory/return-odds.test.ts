import { describe, expect, it } from 'vitest';
import { createReturnOdds } from './return-odds.ts';

describe('the odds that evicted content is wanted again', () => {
  it('are even for content that nothing is known of, and better for that of a preempted sequence', () => {
    const odds = createReturnOdds(64, 256);
    expect(odds.of('fresh')).toBe(0.5);
    expect(odds.of('preempted')).toBeGreaterThan(0.8);
    expect(odds.of('left_behind')).toBeLessThan(0.5);
  });

  it('fall where nothing comes back, and wait for that as long as it may take', () => {
    const odds = createReturnOdds(64, 256);
    for (let key = 0; key < 64; key++) odds.evicted(key, 0, 'fresh');
    expect(odds.of('fresh')).toBe(0.5);
    for (let key = 64; key < 264; key++) odds.evicted(key, 0, 'fresh');
    expect(odds.of('fresh')).toBeLessThan(0.01);
    expect(odds.of('reused')).toBeGreaterThan(0.5);
  });

  it('follow the share that comes back, kind by kind, also late', () => {
    const odds = createReturnOdds(64, 1024);
    for (let key = 0; key < 4000; key++) {
      odds.evicted(key, 7, 'fresh');
      odds.evicted(key, 8, 'reused');
      // Every fourth, after three times the pool.
      const back = key - 96;
      if (back >= 0 && back % 4 === 0) odds.cached(back, 7);
      if (back >= 0 && back % 4 !== 0) odds.cached(back, 8);
    }
    expect(odds.of('fresh')).toBeGreaterThan(0.2);
    expect(odds.of('fresh')).toBeLessThan(0.3);
    expect(odds.of('reused')).toBeGreaterThan(0.7);
    expect(odds.of('reused')).toBeLessThan(0.8);
  });

  it('change with what content does', () => {
    const odds = createReturnOdds(16, 64);
    for (let key = 0; key < 1000; key++) odds.evicted(key, 0, 'fresh');
    const before = odds.of('fresh');
    for (let key = 1000; key < 3000; key++) {
      odds.evicted(key, 0, 'fresh');
      odds.cached(key, 0);
    }
    expect(before).toBeLessThan(0.01);
    expect(odds.of('fresh')).toBeGreaterThan(0.9);
  });
});
