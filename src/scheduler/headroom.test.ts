import { describe, expect, it } from 'vitest';
import { createHeadroom, type HeadroomChange } from './headroom.ts';

describe('headroom', () => {
  it('starts at a hundredth of the pool plus one block for each running sequence', () => {
    expect(createHeadroom({ blockCount: 1000 }).blocks(5)).toBe(15);
  });

  it('doubles with preemptions up to a quarter of the pool, and falls again in calm', () => {
    const changes: HeadroomChange[] = [];
    const headroom = createHeadroom({ blockCount: 1000, onChange: (change) => changes.push(change) });
    for (let step = 0; step < 10; step++) headroom.observe(step, 1, 0);
    expect(headroom.share).toBe(0.25);
    // Five doublings: 0.01, 0.02, ... 0.16, 0.25.
    expect(changes.map(({ reason }) => reason)).toEqual(new Array(5).fill('preemption'));
    for (let step = 10; step < 10 + 64; step++) headroom.observe(step, 0, 0);
    expect(headroom.share).toBeCloseTo(0.25 * (7 / 8), 10);
    for (let step = 100; step < 5000; step++) headroom.observe(step, 0, 0);
    expect(headroom.share).toBe(0.01);
    expect(headroom.changes).toBe(changes.length);
  });

  it('takes many refaults in a step as pressure, and few as none', () => {
    const headroom = createHeadroom({ blockCount: 1000 });
    headroom.observe(0, 0, 10);
    expect(headroom.share).toBe(0.01);
    headroom.observe(1, 0, 11);
    expect(headroom.share).toBe(0.02);
  });

  it('keeps still when told to', () => {
    const headroom = createHeadroom({ blockCount: 1000, adapts: false });
    headroom.observe(0, 5, 500);
    expect(headroom.share).toBe(0.01);
  });
});
