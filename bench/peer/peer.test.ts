// The arithmetic of bench:peer, against hand-made cases and the figures of the reference table itself.

import { describe, expect, it } from 'vitest';
import type { Limit, MachineLimits } from '../common/limits.ts';
import { referenceLimits } from '../reference.ts';
import { decodeRates } from './protocol.ts';
import { type ModelWeights, scaledReference, shareOf, tileShareOf } from './shares.ts';

const limitOf = (rate: number): Limit => {
  const summary = { median: rate, lowest: rate, highest: rate };
  return { single: summary, all: summary };
};
const limits: MachineLimits = {
  f32: limitOf(referenceLimits.f32),
  int8: limitOf(referenceLimits.int8),
  bf16: limitOf(referenceLimits.bf16),
  amxInt8: null,
  amxBf16: null,
  read: limitOf(referenceLimits.read),
  readSmall: limitOf(referenceLimits.read),
};
// llama-3.2-1b in Q8_0.
const weights: ModelWeights = {
  layerWeights: 973_078_528,
  headWeights: 262_668_288,
  bytes: (973_078_528 + 262_668_288) * (34 / 32),
  dtype: 'q8_0',
};
const decode = (sequences: number) => ({ kind: 'decode', sequences, prompt: 32, tokens: 64 }) as const;
const prefill = { kind: 'prefill', tokens: 512 } as const;

describe('shares', () => {
  it("are those that the reference table's own machine was measured at", () => {
    expect(shareOf(prefill, 104, weights, limits)).toEqual({ limit: 'int8', share: expect.closeTo(0.217, 3) });
    expect(shareOf(decode(1), 21, weights, limits)).toEqual({ limit: 'read', share: expect.closeTo(0.836, 3) });
    expect(shareOf(decode(16), 63, weights, limits)).toEqual({ limit: 'int8', share: expect.closeTo(0.167, 3) });
  });

  it('take the faster unit for halves, and tiles only where there are any', () => {
    const halves: ModelWeights = { ...weights, dtype: 'f16' };
    expect(shareOf(prefill, 91, halves, limits).limit).toBe('bf16');
    expect(shareOf(prefill, 91, halves, { ...limits, bf16: limitOf(1e9) }).limit).toBe('f32');
    expect(tileShareOf(prefill, 91, halves, limits)).toBeNull();
    const tiled = { ...limits, amxBf16: limitOf(2 * 91 * weights.layerWeights) };
    expect(tileShareOf(prefill, 91, halves, tiled)).toEqual({ limit: 'amxBf16', share: 1 });
  });
});

describe('the reference', () => {
  it('is the table on the machine it was taken on, and scales with the limits', () => {
    expect(scaledReference('llama-3.2-1b', 'q8_0', prefill, limits)).toBe(104);
    expect(scaledReference('llama-3.2-1b', 'bf16', prefill, limits)).toBe(91);
    expect(scaledReference('smollm2-135m', 'q4_0', decode(8), limits)).toBe(365);
    const faster = { ...limits, int8: limitOf(2 * referenceLimits.int8), read: limitOf(3 * referenceLimits.read) };
    expect(scaledReference('llama-3.2-1b', 'q8_0', prefill, faster)).toBe(208);
    expect(scaledReference('llama-3.2-1b', 'q8_0', decode(1), faster)).toBe(63);
  });

  it('is silent where nothing was measured', () => {
    expect(scaledReference('llama-3.2-1b', 'q6_k', prefill, limits)).toBeNull();
    expect(scaledReference('qwen2.5-0.5b', 'q8_0', decode(16), limits)).toBeNull();
    expect(scaledReference('llama-3.2-1b', 'q8_0', { kind: 'prefill', tokens: 100 }, limits)).toBeNull();
  });
});

describe('rates', () => {
  it('count tokens while all sequences decode', () => {
    // The second starts at 300 and ends at 600: five tokens of both fall within, over 300 ms.
    const times = [
      [100, 200, 300, 400, 500, 700],
      [300, 400, 500, 600],
    ];
    const { tokensPerSecond, overallTokensPerSecond } = decodeRates(times, 0);
    expect(tokensPerSecond).toBeCloseTo(5 / 0.3, 6);
    expect(overallTokensPerSecond).toBeCloseTo(10 / 0.7, 6);
  });

  it('are overall where sequences ran one after the other', () => {
    const { tokensPerSecond, overallTokensPerSecond } = decodeRates(
      [
        [10, 20, 30],
        [40, 50, 60],
      ],
      0,
    );
    expect(tokensPerSecond).toBe(overallTokensPerSecond);
  });
});
