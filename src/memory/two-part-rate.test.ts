import { describe, expect, it } from 'vitest';
import { createTwoPartRate } from './two-part-rate.ts';

describe('a rate of two parts', () => {
  it('knows nothing before the first observation, and puts that down to the first part', () => {
    const rate = createTwoPartRate();
    expect(rate.ms(1, 1)).toBeNull();
    rate.observe(10, 1, 50);
    expect(rate.ms(20, 1)).toBe(100);
  });

  it('tells the parts apart', () => {
    const rate = createTwoPartRate();
    for (const pages of [1, 40, 3, 16]) rate.observe(pages, 1, 8 + 0.5 * pages);
    expect(rate.ms(1, 1)).toBeCloseTo(8.5);
    expect(rate.ms(100, 1)).toBeCloseTo(58);
  });

  it('is never negative', () => {
    const rate = createTwoPartRate();
    rate.observe(100, 1, 1);
    rate.observe(1, 1, 30);
    rate.observe(50, 1, 2);
    for (const pages of [0, 1, 1000]) expect(rate.ms(pages, 1)).toBeGreaterThanOrEqual(0);
    const other = createTwoPartRate();
    other.observe(1, 1, 1);
    other.observe(10, 1, 1000);
    expect(other.ms(1, 0)).toBeGreaterThanOrEqual(0);
    expect(other.ms(0, 1)).toBeGreaterThanOrEqual(0);
  });

  it('follows a change', () => {
    const rate = createTwoPartRate();
    for (let i = 0; i < 50; i++) rate.observe(10 + (i % 7), 1, 10 + (i % 7));
    for (let i = 0; i < 30; i++) rate.observe(10 + (i % 7), 1, 3 * (10 + (i % 7)));
    expect(rate.ms(10, 1)).toBeCloseTo(30, 0);
  });
});
