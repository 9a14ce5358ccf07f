// Tests of the sampler: truncation keeps what it says, penalties act on what was seen, draws follow the distribution.

import { describe, expect, it } from 'vitest';
import type { PickedToken } from '../../backends/picks.ts';
import { pickToken } from '../../backends/reference/picks.ts';
import { InvalidRequestError } from '../../errors/errors.ts';
import type { SamplingParams } from '../api.ts';
import { resolveSampling } from './params.ts';
import { uniformAt } from './random.ts';
import { createSampler, type Sampler } from './sampler.ts';

const vocabSize = 8;
const logitsOf = (probabilities: readonly number[]) => Float32Array.from(probabilities, (p) => Math.log(p));
const resolve = (params: SamplingParams) => resolveSampling(params, vocabSize, () => 42);

/** What the reference backend makes of the sampler's pick from a row. */
function pickFrom(sampler: Sampler, logits: Float32Array, position = 0, blocked = false): PickedToken {
  return pickToken(logits, sampler.pick(0, position, blocked));
}

/** The row as the sampler's edits leave it. */
function editedBy(sampler: Sampler, logits: Float32Array): number[] {
  const edited = [...logits];
  const { edits } = sampler.pick(0, 0, false);
  for (let i = 0; i < (edits?.count ?? 0); i++) {
    const { ids, factors, offsets } = edits!;
    const logit = edited[ids[i]];
    edited[ids[i]] = (logit > 0 ? logit / factors[i] : logit * factors[i]) + offsets[i];
  }
  return edited;
}

/** Counts of 4,000 draws at consecutive positions. */
function histogram(params: SamplingParams, probabilities: readonly number[], prompt: readonly number[] = []): number[] {
  const sampler = createSampler(resolve(params), prompt, 0);
  const logits = logitsOf(probabilities);
  const counts = probabilities.map(() => 0);
  for (let position = 0; position < 4000; position++) {
    counts[pickFrom(sampler, logits, position).tokenId]++;
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
    );
    const logits = Float32Array.of(4, 3, -1, 0, 0, 0, 0, 0);
    expect(editedBy(sampler, logits)[0]).toBe(2);
    for (const tokenId of [1, 1, 2]) sampler.accept(tokenId);
    expect(editedBy(sampler, logits)).toEqual([2, 1.5 - 1, -2 - 0.75, 0, 0, 0, 0, 0]);
  });

  it('keeps penalties, bias and blocking of one token apart, however many tokens are edited', () => {
    const logitBias = Object.fromEntries(Array.from({ length: 8 }, (_, id) => [id, id]));
    const sampler = createSampler(resolve({ logitBias, presencePenalty: 1, repetitionPenalty: 2 }), [5, 6], 0, [5]);
    const logits = new Float32Array(8).fill(2);
    expect(editedBy(sampler, logits)).toEqual([2, 3, 4, 5, 6, 6, 7, 9]);
    sampler.accept(5);
    expect(pickFrom(sampler, logits, 0, true).tokenId).not.toBe(5);
    expect(sampler.pick(0, 0, true).edits?.offsets[5]).toBe(Number.NEGATIVE_INFINITY);
    expect(editedBy(sampler, logits)).toEqual([2, 3, 4, 5, 6, 5, 7, 9]);
  });

  it('applies bias, blocks ids, and picks nothing from rows without a finite logit', () => {
    const sampler = createSampler(resolve({ temperature: 0, logitBias: { 3: 100 } }), [], 0, [3]);
    expect(pickFrom(sampler, logitsOf(base)).tokenId).toBe(3);
    expect(pickFrom(sampler, logitsOf(base), 0, true).tokenId).toBe(0);
    expect(pickFrom(sampler, logitsOf(base)).tokenId).toBe(3);
    expect(pickFrom(sampler, new Float32Array(8).fill(Number.NaN)).tokenId).toBe(-1);
  });

  it('reports log-probabilities of the untruncated distribution', () => {
    const sampler = createSampler(resolve({ temperature: 0.1, topK: 1, logprobs: 3 }), [], 0);
    const { logprob, top } = pickFrom(sampler, logitsOf(base));
    expect(logprob).toBeCloseTo(Math.log(0.4), 5);
    expect(top?.map(({ tokenId }) => tokenId)).toEqual([0, 1, 2]);
    expect(top?.[2].logprob).toBeCloseTo(Math.log(0.15), 5);
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
