// The arithmetic of bench:peer, against hand-made cases and the figures of the reference table itself.

import { describe, expect, it } from 'vitest';
import type { SynthDType, SynthShapeName } from '../../src/models/synth/index.ts';
import { fixedLimit } from '../common/fixed-limit.ts';
import type { MachineLimits } from '../common/limits.ts';
import { referenceLimits } from '../reference.ts';
import { decodeRates } from './protocol.ts';
import { rooflineRate, scaledReference } from './scaling.ts';
import { type ModelWeights, shareOf, synthWeights, tileShareOf } from './shares.ts';
import { describeVerdict, judge, peerTarget, referenceTarget } from './targets.ts';

const limits: MachineLimits = {
  f32: fixedLimit(referenceLimits.f32),
  int8: fixedLimit(referenceLimits.int8),
  bf16: fixedLimit(referenceLimits.bf16),
  amxInt8: null,
  amxBf16: null,
  read: fixedLimit(referenceLimits.read),
  readAhead: fixedLimit(referenceLimits.read),
  readSmall: fixedLimit(referenceLimits.read),
  handoverNs: null,
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

  it('hold one sequence against the faster way to read, and llama.cpp against reading in order', () => {
    const slow = { ...limits, readAhead: fixedLimit(1.25 * referenceLimits.read) };
    expect(shareOf(decode(1), 21, weights, slow)).toEqual({
      limit: 'readAhead',
      share: expect.closeTo(0.836 / 1.25, 3),
    });
    expect(scaledReference('llama-3.2-1b', 'q8_0', decode(1), weights, slow)?.byRoofline).toBeCloseTo(21, 6);
  });

  it('take the faster unit for halves, and tiles only where there are any', () => {
    const halves: ModelWeights = { ...weights, dtype: 'f16' };
    expect(shareOf(prefill, 91, halves, limits).limit).toBe('bf16');
    expect(shareOf(prefill, 91, halves, { ...limits, bf16: fixedLimit(1e9) }).limit).toBe('f32');
    expect(tileShareOf(prefill, 91, halves, limits)).toBeNull();
    const tiled = { ...limits, amxBf16: fixedLimit(2 * 91 * weights.layerWeights) };
    expect(tileShareOf(prefill, 91, halves, tiled)).toEqual({ limit: 'amxBf16', share: 1 });
  });
});

describe('the reference', () => {
  const measured = (shape: string, dtype: string, task: Parameters<typeof scaledReference>[2], of = weights) =>
    scaledReference(shape, dtype, task, of, limits);
  const same = (rate: number) => ({
    byOneLimit: expect.closeTo(rate, 6),
    byRoofline: expect.closeTo(rate, 6),
    estimatedFrom: null,
  });

  it('is the table on the machine it was taken on', () => {
    expect(measured('llama-3.2-1b', 'q8_0', prefill)).toEqual(same(104));
    expect(measured('llama-3.2-1b', 'bf16', prefill, synthWeights('llama-3.2-1b', 'bf16'))).toEqual(same(91));
    expect(measured('smollm2-135m', 'q4_0', decode(8), synthWeights('smollm2-135m', 'q4_0'))).toEqual(same(365));
  });

  it('scales with the one limit, and with what the roofline makes of both', () => {
    const faster = {
      ...limits,
      int8: fixedLimit(2 * referenceLimits.int8),
      read: fixedLimit(3 * referenceLimits.read),
    };
    const scaled = (task: Parameters<typeof scaledReference>[2]) =>
      scaledReference('llama-3.2-1b', 'q8_0', task, weights, faster);
    expect(scaled(prefill)).toMatchObject({ byOneLimit: 208, byRoofline: 208 });
    expect(scaled(decode(1))?.byOneLimit).toBeCloseTo(63, 9);
    expect(scaled(decode(1))?.byRoofline).toBeCloseTo(63, 9);
    // Eight sequences are bound by reading there (39.8 ms; 21.2 ms of products) and here (13.3 ms; 10.6 ms).
    expect(scaled(decode(8))?.byOneLimit).toBeCloseTo(106, 9);
    expect(scaled(decode(8))?.byRoofline).toBeCloseTo(159, 9);
    // Sixteen by products there (42.4 ms; 39.8 ms of reading) and here (21.2 ms; 13.3 ms).
    expect(scaled(decode(16))?.byRoofline).toBeCloseTo(126, 9);
    // With products alone four times as fast, sixteen are bound by reading: 39.8 ms, where there were 42.4.
    const products = { ...limits, int8: fixedLimit(4 * referenceLimits.int8) };
    const sixteen = scaledReference('llama-3.2-1b', 'q8_0', decode(16), weights, products)!;
    expect(sixteen.byOneLimit).toBeCloseTo(252, 9);
    expect(sixteen.byRoofline).toBeCloseTo((63 * 42.429) / 39.788, 1);
  });

  it('takes the faster dot product for halves, on both machines', () => {
    const halves = synthWeights('llama-3.2-1b', 'f16');
    const slowBf16 = { ...limits, bf16: fixedLimit(1e9), f32: fixedLimit(2 * referenceLimits.bf16) };
    expect(scaledReference('llama-3.2-1b', 'f16', prefill, halves, slowBf16)?.byOneLimit).toBeCloseTo(182, 9);
  });

  it('is estimated from the best share of the same type', () => {
    const qwen = synthWeights('qwen2.5-0.5b', 'q8_0');
    const sixteen = measured('qwen2.5-0.5b', 'q8_0', decode(16), qwen)!;
    expect(sixteen.estimatedFrom).toBe('llama-3.2-1b q8_0');
    const llama = synthWeights('llama-3.2-1b', 'q8_0');
    expect(sixteen.byRoofline / rooflineRate(decode(16), qwen, referenceLimits)).toBeCloseTo(
      63 / rooflineRate(decode(16), llama, referenceLimits),
      9,
    );
    expect(measured('smollm2-135m', 'q6_k', prefill, synthWeights('smollm2-135m', 'q6_k'))).toBeNull();
  });

  it('is estimated for one sequence from how fast the type is read and what the shape takes beside that', () => {
    const seconds = (shape: SynthShapeName, dtype: SynthDType) =>
      1 / measured(shape, dtype, decode(1), synthWeights(shape, dtype))!.byRoofline;
    const reading = (shape: SynthShapeName, dtype: SynthDType) =>
      synthWeights(shape, dtype).bytes / referenceLimits.read;
    // F16 was read at the limit, Q4_0 at 0.88 of it; smollm2-135m took 2.4 ms more than reading its Q4_0 weights so fast, and more yet in Q8_0.
    const besideQ4 = 1 / 182 - reading('smollm2-135m', 'q4_0') / reading('llama-3.2-1b', 'q4_0') / 38.1;
    const besideQ8 = 1 / 126 - reading('smollm2-135m', 'q8_0') / reading('llama-3.2-1b', 'q8_0') / 21;
    expect(besideQ4).toBeLessThan(besideQ8);
    const f16 = reading('smollm2-135m', 'f16') / reading('llama-3.2-1b', 'f16') / 13.3;
    expect(seconds('smollm2-135m', 'f16')).toBeCloseTo(f16 + besideQ4, 9);
    expect(measured('smollm2-135m', 'f16', decode(1), synthWeights('smollm2-135m', 'f16'))?.estimatedFrom).toBe(
      'llama-3.2-1b f16 and smollm2-135m q4_0',
    );
    // Where every type is read at its best, nothing is beside reading; a type that nobody measured is read as Q8_0.
    expect(measured('llama-3.2-1b', 'q6_k', decode(1), synthWeights('llama-3.2-1b', 'q6_k'))?.estimatedFrom).toBe(
      'llama-3.2-1b q8_0',
    );
  });

  it('is silent for other shapes and other prefills', () => {
    expect(measured('', '', prefill)).toBeNull();
    expect(measured('smollm2-135m-wide', 'q8_0', decode(1))).toBeNull();
    expect(measured('llama-3.2-1b', 'q8_0', { kind: 'prefill', tokens: 100 })).toBeNull();
  });
});

describe('weights of a synthesised model', () => {
  it('are those of its file', () => {
    const { layerWeights, headWeights, bytes, dtype } = synthWeights('llama-3.2-1b', 'q8_0');
    expect({ layerWeights, headWeights, bytes, dtype }).toEqual(weights);
  });
});

describe('targets', () => {
  it('are set by shape, type and phase', () => {
    expect(referenceTarget('llama-3.2-1b', 'q8_0', prefill)).toBe(2.7);
    expect(referenceTarget('smollm2-135m', 'q6_k', prefill)).toBeNull();
    expect(referenceTarget('qwen2.5-0.5b', 'q6_k', decode(1))).toBe(1.05);
    expect(referenceTarget('qwen2.5-0.5b', 'q4_0', decode(8))).toBe(2.5);
    expect(referenceTarget('qwen2.5-0.5b', 'q4_k', decode(8))).toBeNull();
    expect(referenceTarget('qwen2.5-0.5b', 'q8_0', decode(4))).toBeNull();
    expect([peerTarget(prefill), peerTarget(decode(1)), peerTarget(decode(16)), peerTarget(decode(8))]).toEqual([
      1,
      1,
      4,
      null,
    ]);
  });

  it('are met or missed by the roofline, with a word where one limit differs', () => {
    const reference = { byOneLimit: 50, byRoofline: 40, estimatedFrom: null };
    expect(judge(100, reference, 2.5)).toEqual({ target: 2.5, byRoofline: 2.5, byOneLimit: 2, isMet: true });
    expect(describeVerdict(judge(100, reference, 2.5))).toBe('2.50 met (missed by one limit)');
    expect(describeVerdict(judge(99, reference, 2.5))).toBe('2.50 missed');
    expect(describeVerdict(judge(99, null, 2.5))).toBe('-');
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
