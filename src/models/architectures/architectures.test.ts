// The recorded programs: which operations each architecture has, in which order, and what it refuses.

import { describe, expect, it } from 'vitest';
import type { Operation } from '../../program/program.ts';
import type { ModelConfig } from '../model.ts';
import { architectures, buildProgram, findGgufArchitecture, findHfArchitecture } from './index.ts';
import { ropeParametersOf } from './rope-frequencies.ts';

const base: ModelConfig = {
  architecture: 'llama',
  name: 'tiny',
  vocabSize: 100,
  hiddenSize: 24,
  intermediateSize: 40,
  layerCount: 4,
  headCount: 4,
  kvHeadCount: 2,
  headSize: 6,
  rotaryDim: 6,
  normEpsilon: 1e-5,
  ropeTheta: 10_000,
  ropeScaling: { kind: 'none' },
  ropeLayout: 'half',
  noRopeLayers: [],
  slidingWindow: null,
  fullAttentionLayers: [],
  attentionBias: false,
  tiedEmbeddings: false,
  contextLength: 64,
};

const blockOfLlama = [
  'rmsNorm linear linear linear rope rope writeKv pagedAttention linear add',
  'rmsNorm linear linear gatedActivation linear add',
].join(' ');

function kinds(operations: readonly Operation[]): string {
  return operations.map(({ kind }) => kind).join(' ');
}

describe('programs', () => {
  it('are a norm-first decoder for llama', () => {
    const program = buildProgram(base);
    const blocks = Array.from({ length: 4 }, () => blockOfLlama).join(' ');
    expect(kinds(program.operations)).toBe(`embed ${blocks} selectOutputs rmsNorm linear`);
    expect(program.weights.length).toBe(3 + 4 * 9);
    expect(program.logits).toMatchObject({ rows: 'outputs', width: 100 });
    expect(program).toMatchObject({ vocabSize: 100, hiddenSize: 24, layerCount: 4, kvHeadCount: 2, headSize: 6 });
  });

  it('declare weights by their GGUF names in [outputs, inputs]', () => {
    const weights = new Map(buildProgram(base).weights.map((weight) => [weight.name, [weight.rows, weight.columns]]));
    expect(weights.get('token_embd.weight')).toEqual([100, 24]);
    expect(weights.get('blk.3.attn_q.weight')).toEqual([24, 24]);
    expect(weights.get('blk.3.attn_k.weight')).toEqual([12, 24]);
    expect(weights.get('blk.0.ffn_down.weight')).toEqual([24, 40]);
    expect(weights.get('blk.0.ffn_norm.weight')).toEqual([1, 24]);
    expect(weights.get('output.weight')).toEqual([100, 24]);
  });

  it('use the embeddings as head when tied', () => {
    const program = buildProgram({ ...base, tiedEmbeddings: true });
    const last = program.operations.at(-1);
    expect(last).toMatchObject({ kind: 'linear', weight: { name: 'token_embd.weight' } });
    expect(program.weights.some(({ name }) => name === 'output.weight')).toBe(false);
  });

  it('give every layer its own K/V and the scale of its head size', () => {
    const attention = buildProgram(base).operations.filter((operation) => operation.kind === 'pagedAttention');
    expect(attention.map(({ layer }) => layer)).toEqual([0, 1, 2, 3]);
    expect(attention.every(({ scale, window }) => scale === 1 / Math.sqrt(6) && window === null)).toBe(true);
  });

  it('limit attention to the window for mistral', () => {
    const program = buildProgram({ ...base, architecture: 'mistral', slidingWindow: 7 });
    const attention = program.operations.filter((operation) => operation.kind === 'pagedAttention');
    expect(attention.map(({ window }) => window)).toEqual([7, 7, 7, 7]);
  });

  it('add biases to q, k and v only for qwen2, and to all four for a llama that has them', () => {
    const biases = (config: ModelConfig) =>
      buildProgram(config)
        .weights.map(({ name }) => name)
        .filter((name) => name.startsWith('blk.0.') && name.endsWith('.bias'));
    expect(biases({ ...base, architecture: 'qwen2', attentionBias: true })).toEqual([
      'blk.0.attn_q.bias',
      'blk.0.attn_k.bias',
      'blk.0.attn_v.bias',
    ]);
    expect(biases({ ...base, attentionBias: true })).toHaveLength(4);
    expect(biases(base)).toEqual([]);
  });

  it('normalise each head of q and k before rope for qwen3, with heads wider than the hidden size', () => {
    const program = buildProgram({ ...base, architecture: 'qwen3', headSize: 10, rotaryDim: 10 });
    expect(kinds(program.operations.slice(1, 12))).toBe(
      'rmsNorm linear rmsNorm linear rmsNorm linear rope rope writeKv pagedAttention linear',
    );
    const norms = program.weights.filter(({ name }) => /attn_[qk]_norm/.test(name));
    expect(norms.map(({ rows, columns }) => [rows, columns])).toEqual(Array.from({ length: 8 }, () => [1, 10]));
    expect(program.weights.find(({ name }) => name === 'blk.0.attn_output.weight')).toMatchObject({
      rows: 24,
      columns: 40,
    });
  });

  it('leave rope out of the layers that smollm3 names', () => {
    const program = buildProgram({ ...base, architecture: 'smollm3', noRopeLayers: [1, 3] });
    let layer = -1;
    const roped: number[] = [];
    for (const operation of program.operations) {
      if (operation.kind === 'rmsNorm' && operation.weight.name.endsWith('attn_norm.weight')) layer++;
      if (operation.kind === 'rope') roped.push(layer);
    }
    expect(roped).toEqual([0, 0, 2, 2]);
  });
});

describe('rope frequencies', () => {
  const frequencies = (config: Partial<ModelConfig>) => [
    ...ropeParametersOf({ ...base, ...config }).inverseFrequencies,
  ];
  const plain = [1, 10_000 ** (-2 / 6), 10_000 ** (-4 / 6)];

  it('are powers of theta', () => {
    expect(frequencies({})).toEqual(plain);
  });
  it('are divided by a linear factor, or by one factor each', () => {
    expect(frequencies({ ropeScaling: { kind: 'linear', factor: 4 } })).toEqual(plain.map((f) => f / 4));
    const factors = Float32Array.of(1, 2, 8);
    expect(frequencies({ ropeScaling: { kind: 'factors', factors } })).toEqual([plain[0], plain[1] / 2, plain[2] / 8]);
  });
  it('keep fast turns, divide slow ones and blend between for llama3', () => {
    const scaling = {
      kind: 'llama3',
      factor: 8,
      lowFrequencyFactor: 1,
      highFrequencyFactor: 4,
      originalContextLength: 256,
    } as const;
    // Turns within 256 positions: 40.7, 1.89, 0.088.
    const turns = (256 * plain[1]) / (2 * Math.PI);
    const kept = (turns - 1) / 3;
    const scaled = frequencies({ ropeScaling: scaling });
    expect(scaled[0]).toBe(plain[0]);
    expect(scaled[1]).toBeCloseTo(plain[1] * (kept + (1 - kept) / 8), 12);
    expect(scaled[2]).toBe(plain[2] / 8);
  });
});

describe('lookup', () => {
  it('finds architectures by the names of both file formats', () => {
    expect(findGgufArchitecture('smollm3').name).toBe('smollm3');
    expect(findHfArchitecture('mistral').name).toBe('mistral');
    expect(new Set(architectures.map(({ name }) => name)).size).toBe(architectures.length);
  });
  it('refuses others with the list of what there is', () => {
    expect(() => findGgufArchitecture('gemma3')).toThrow(
      'GGUF architecture "gemma3" is not supported. Supported: llama, qwen2, qwen3, smollm3.',
    );
    expect(() => findHfArchitecture('phi3')).toThrow(
      'model_type "phi3" is not supported. Supported: llama, mistral, qwen2, qwen3, smollm3.',
    );
  });
});
