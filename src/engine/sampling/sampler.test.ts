// Tests of the sampler: truncation keeps what it says, penalties act on what was seen, draws follow the distribution.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvalidRequestError } from '../../errors/errors.ts';
import type { SamplingParams } from '../api.ts';
import { resolveSampling } from './params.ts';
import { uniformAt } from './random.ts';
import { createSampler, createSamplingScratch, logSumExp, topLogprobs } from './sampler.ts';

const vocabSize = 8;
const scratch = createSamplingScratch(vocabSize);
const logitsOf = (probabilities: readonly number[]) => Float32Array.from(probabilities, (p) => Math.log(p));
const resolve = (params: SamplingParams) => resolveSampling(params, vocabSize, () => 42);

/** Counts of 4,000 draws at consecutive positions. */
function histogram(params: SamplingParams, probabilities: readonly number[], prompt: readonly number[] = []): number[] {
  const sampler = createSampler(resolve(params), prompt, 0, scratch);
  const counts = probabilities.map(() => 0);
  for (let position = 0; position < 4000; position++) {
    const result = sampler.sample(logitsOf(probabilities), position, []);
    counts[result?.tokenId ?? 0]++;
  }
  return counts;
}

describe('sampler', () => {
  const base = [0.4, 0.2, 0.15, 0.1, 0.05, 0.05, 0.03, 0.02];

  it('draws in proportion to probability', () => {
    const counts = histogram({}, base);
    base.forEach((p, i) => {
      expect(Math.abs(counts[i] / 4000 - p)).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / 4000));
    });
  });

  it('is greedy at temperature 0 and takes the lowest id among equals', () => {
    expect(histogram({ temperature: 0 }, [0.1, 0.3, 0.3, 0.3, 0, 0, 0, 0])).toEqual([0, 4000, 0, 0, 0, 0, 0, 0]);
  });

  it('keeps k tokens, the lower ids among equals', () => {
    const counts = histogram({ topK: 5 }, base);
    expect(counts.slice(5)).toEqual([0, 0, 0]);
    expect(counts.slice(0, 5).every((count) => count > 0)).toBe(true);
  });

  it('keeps the smallest nucleus', () => {
    const counts = histogram({ topP: 0.7 }, base);
    expect(counts.map((count) => count > 0)).toEqual([true, true, true, false, false, false, false, false]);
    expect(histogram({ topP: 0.01 }, base)[0]).toBe(4000);
  });

  it('keeps tokens a fraction as likely as the best', () => {
    expect(histogram({ minP: 0.3 }, base).map((count) => count > 0)).toEqual([
      true,
      true,
      true,
      false,
      false,
      false,
      false,
      false,
    ]);
  });

  it('combines top-k before top-p as shares of what is left', () => {
    const counts = histogram({ topK: 2, topP: 0.6 }, base);
    expect(counts.slice(1)).toEqual([0, 0, 0, 0, 0, 0, 0]);
  });

  it('penalises what was seen', () => {
    const sampler = createSampler(
      resolve({ temperature: 0, repetitionPenalty: 2, presencePenalty: 0.5, frequencyPenalty: 0.25 }),
      [0],
      0,
      scratch,
    );
    const logits = Float32Array.of(4, 3, -1, 0, 0, 0, 0, 0);
    const penalised = logits.slice();
    sampler.sample(penalised, 0, []);
    expect(penalised[0]).toBe(2);
    sampler.accept(1);
    sampler.accept(1);
    sampler.accept(2);
    const again = logits.slice();
    sampler.sample(again, 1, []);
    expect([...again.slice(0, 3)]).toEqual([2, 1.5 - 1, -2 - 0.75]);
  });

  it('applies bias, blocks ids, and refuses rows without a finite logit', () => {
    const sampler = createSampler(resolve({ temperature: 0, logitBias: { 3: 100 } }), [], 0, scratch);
    expect(sampler.sample(logitsOf(base), 0, [])?.tokenId).toBe(3);
    expect(sampler.sample(logitsOf(base), 0, [3])?.tokenId).toBe(0);
    expect(sampler.sample(new Float32Array(8).fill(Number.NaN), 0, [])).toBeNull();
  });

  it('reports log-probabilities of the untruncated distribution', () => {
    const sampler = createSampler(resolve({ temperature: 0.1, topK: 1, logprobs: 3 }), [], 0, scratch);
    const result = sampler.sample(logitsOf(base), 0, []);
    expect(result?.logprob).toBeCloseTo(Math.log(0.4), 5);
    expect(result?.topLogprobs?.map(({ tokenId }) => tokenId)).toEqual([0, 1, 2]);
    expect(result?.topLogprobs?.[2].logprob).toBeCloseTo(Math.log(0.15), 5);
  });

  it('finds the same top tokens as a full sort', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -5, max: 5 }), { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 0, max: 20 }),
        (values, count) => {
          const logits = Float32Array.from(values);
          const sorted = [...logits.keys()].sort((a, b) => logits[b] - logits[a] || a - b).slice(0, count);
          expect(topLogprobs(logits, logSumExp(logits, 5), count).map(({ tokenId }) => tokenId)).toEqual(sorted);
        },
      ),
    );
  });

  it('draws from seed, stream and position alone', () => {
    const values = new Set<number>();
    let sum = 0;
    for (let seed = -5; seed < 5; seed++) {
      for (let stream = 0; stream < 4; stream++) {
        for (let position = 0; position < 100; position++) {
          const u = uniformAt(seed * 4294967296 + seed, stream, position);
          expect(u >= 0 && u < 1).toBe(true);
          values.add(u);
          sum += u;
        }
      }
    }
    expect(values.size).toBe(4000);
    expect(Math.abs(sum / 4000 - 0.5)).toBeLessThan(0.02);
    expect(uniformAt(7, 1, 3)).toBe(uniformAt(7, 1, 3));
  });

  it.each<[SamplingParams, string]>([
    [{ temperature: 2.1 }, 'temperature'],
    [{ temperature: Number.NaN }, 'temperature'],
    [{ topP: 0 }, 'topP'],
    [{ topK: -2 }, 'topK'],
    [{ topK: 1.5 }, 'topK'],
    [{ minP: 1.1 }, 'minP'],
    [{ repetitionPenalty: 0 }, 'repetitionPenalty'],
    [{ presencePenalty: 3 }, 'presencePenalty'],
    [{ logitBias: { 8: 1 } }, 'logitBias'],
    [{ logitBias: { 1: 101 } }, 'logitBias'],
    [{ stop: [''] }, 'stop'],
    [{ stop: Array(17).fill('x') }, 'stop'],
    [{ stopTokenIds: [8] }, 'stopTokenIds'],
    [{ maxTokens: 0 }, 'maxTokens'],
    [{ minTokens: 3, maxTokens: 2 }, 'minTokens'],
    [{ logprobs: 21 }, 'logprobs'],
    [{ seed: 0.5 }, 'seed'],
  ])('refuses %j', (params, name) => {
    try {
      resolve(params);
    } catch (error) {
      expect(error).toBeInstanceOf(InvalidRequestError);
      expect((error as InvalidRequestError).param).toBe(name);
      return;
    }
    expect.unreachable('accepted');
  });
});
