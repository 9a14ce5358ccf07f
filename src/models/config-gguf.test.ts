// GGUF configurations: what valid metadata means, and a table of broken ones with the message of each.

import { describe, expect, it } from 'vitest';
import type { WeightInfo } from '../backends/backend.ts';
import { buildProgram } from './architectures/index.ts';
import { checkTensors } from './check-tensors.ts';
import { type GgufConfigInput, parseGgufConfig } from './config-gguf.ts';
import type { ModelConfig } from './model.ts';

const metadata: Readonly<Record<string, unknown>> = {
  'general.architecture': 'llama',
  'general.name': 'tiny',
  'llama.block_count': 2,
  'llama.context_length': 128,
  'llama.embedding_length': 32,
  'llama.feed_forward_length': 48,
  'llama.attention.head_count': 4,
  'llama.attention.head_count_kv': 2,
  'llama.attention.layer_norm_rms_epsilon': 1e-5,
  'llama.rope.freq_base': 500_000,
  'llama.vocab_size': 100,
};

function tensor(name: string, rows: number, columns: number): [string, WeightInfo] {
  return [name, { name, dtype: 'f32', rows, columns, bytes: rows * columns * 4 }];
}

interface Changes {
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly tensors?: readonly (readonly [string, WeightInfo])[];
  readonly ropeFactors?: Float32Array;
}

function input({ metadata: changed = {}, tensors = [], ropeFactors }: Changes = {}): GgufConfigInput {
  const entries = Object.entries({ ...metadata, ...changed }).filter(([, value]) => value !== undefined);
  return {
    path: 'tiny.gguf',
    metadata: new Map(entries),
    tensors: new Map([tensor('token_embd.weight', 100, 32), tensor('output.weight', 100, 32), ...tensors]),
    ropeFactors: ropeFactors ?? null,
  };
}

/** The same metadata under another architecture's prefix. */
function renamed(architecture: string): Record<string, unknown> {
  const entries = Object.entries(metadata).map(([key, value]) => [key.replace(/^llama\./, `${architecture}.`), value]);
  return { ...Object.fromEntries(entries), 'general.architecture': architecture };
}

describe('parseGgufConfig', () => {
  it('reads a llama', () => {
    expect(parseGgufConfig(input())).toEqual({
      architecture: 'llama',
      name: 'tiny',
      vocabSize: 100,
      hiddenSize: 32,
      intermediateSize: 48,
      layerCount: 2,
      headCount: 4,
      kvHeadCount: 2,
      headSize: 8,
      rotaryDim: 8,
      normEpsilon: 1e-5,
      ropeTheta: 500_000,
      ropeScaling: { kind: 'none' },
      ropeLayout: 'interleaved',
      noRopeLayers: [],
      slidingWindow: null,
      fullAttentionLayers: [],
      attentionBias: false,
      tiedEmbeddings: false,
      contextLength: 128,
    } satisfies ModelConfig);
  });

  it('reads a llama with a sliding window as mistral', () => {
    const config = parseGgufConfig(input({ metadata: { 'llama.attention.sliding_window': 16 } }));
    expect(config).toMatchObject({ architecture: 'mistral', slidingWindow: 16, ropeLayout: 'interleaved' });
  });

  it('knows the rope layout, biases and layers without rope of each architecture', () => {
    const qwen2 = parseGgufConfig(input({ metadata: renamed('qwen2') }));
    expect(qwen2).toMatchObject({ architecture: 'qwen2', ropeLayout: 'half', attentionBias: true });
    expect(parseGgufConfig(input({ metadata: renamed('qwen3') }))).toMatchObject({ ropeLayout: 'half' });
    const smollm3 = parseGgufConfig(input({ metadata: { ...renamed('smollm3'), 'smollm3.block_count': 9 } }));
    expect(smollm3).toMatchObject({ ropeLayout: 'interleaved', noRopeLayers: [3, 7] });
  });

  it('takes defaults where llama.cpp has them', () => {
    const config = parseGgufConfig(
      input({
        metadata: {
          'llama.attention.head_count_kv': undefined,
          'llama.rope.freq_base': undefined,
          'llama.vocab_size': undefined,
          'general.name': undefined,
        },
      }),
    );
    expect(config).toMatchObject({ kvHeadCount: 4, ropeTheta: 10_000, vocabSize: 100, name: 'llama' });
  });

  it('reads rope scaling in all its forms', () => {
    const linear = { 'llama.rope.scaling.type': 'linear', 'llama.rope.scaling.factor': 2 };
    expect(parseGgufConfig(input({ metadata: linear })).ropeScaling).toEqual({ kind: 'linear', factor: 2 });
    const legacy = { 'llama.rope.scale_linear': 8 };
    expect(parseGgufConfig(input({ metadata: legacy })).ropeScaling).toEqual({ kind: 'linear', factor: 8 });
    const factors = Float32Array.of(1, 1, 4, 8);
    expect(parseGgufConfig(input({ ropeFactors: factors })).ropeScaling).toEqual({ kind: 'factors', factors });
  });

  it('takes 64-bit values', () => {
    expect(parseGgufConfig(input({ metadata: { 'llama.block_count': 2n } })).layerCount).toBe(2);
  });

  const broken: readonly [string, Changes, string | RegExp][] = [
    ['no architecture', { metadata: { 'general.architecture': undefined } }, 'general.architecture is missing'],
    [
      'an architecture that is no name',
      { metadata: { 'general.architecture': 3 } },
      'general.architecture is 3; expected a string',
    ],
    [
      'another architecture',
      { metadata: { 'general.architecture': 'mamba' } },
      'GGUF architecture "mamba" is not supported. Supported: llama,',
    ],
    [
      'no layers',
      { metadata: { 'llama.block_count': 0 } },
      'llama.block_count is 0; expected an integer from 1 to 1024',
    ],
    [
      'absurd layers',
      { metadata: { 'llama.block_count': 4_000_000_000 } },
      'llama.block_count is 4000000000; expected',
    ],
    [
      'absurd 64-bit layers',
      { metadata: { 'llama.block_count': 2n ** 63n } },
      'llama.block_count is 9223372036854775808; expected',
    ],
    ['half a layer', { metadata: { 'llama.block_count': 1.5 } }, 'llama.block_count is 1.5; expected an integer'],
    ['a missing width', { metadata: { 'llama.embedding_length': undefined } }, 'llama.embedding_length is missing'],
    [
      'a width as text',
      { metadata: { 'llama.embedding_length': '32' } },
      'llama.embedding_length is "32"; expected an integer',
    ],
    [
      'heads per layer',
      { metadata: { 'llama.attention.head_count': [4, 4] } },
      'llama.attention.head_count is an array; expected an integer',
    ],
    [
      'heads that do not divide the width',
      { metadata: { 'llama.attention.head_count': 5 } },
      'an embedding_length of 32 does not divide over 5 heads',
    ],
    [
      'more heads than width',
      { metadata: { 'llama.attention.head_count': 32 } },
      'the head size is 1; expected 2 to 1024',
    ],
    [
      'K/V heads that do not divide',
      { metadata: { 'llama.attention.head_count_kv': 3 } },
      '4 attention heads cannot share 3 key/value heads evenly',
    ],
    [
      'more K/V heads than heads',
      { metadata: { 'llama.attention.head_count_kv': 8 } },
      '4 attention heads cannot share 8 key/value heads evenly',
    ],
    [
      'an odd head size',
      { metadata: { 'llama.attention.key_length': 7, 'llama.attention.value_length': 7 } },
      'the head size is 7; rotary embeddings need an even one',
    ],
    [
      'V heads of another size',
      { metadata: { 'llama.attention.value_length': 16 } },
      'attention.value_length 16 other than key_length 8 is not supported',
    ],
    [
      'odd rotary dimensions',
      { metadata: { 'llama.rope.dimension_count': 5 } },
      '5 rotary dimensions; expected an even number up to the head size of 8',
    ],
    [
      'too many rotary dimensions',
      { metadata: { 'llama.rope.dimension_count': 16 } },
      '16 rotary dimensions; expected',
    ],
    [
      'a negative epsilon',
      { metadata: { 'llama.attention.layer_norm_rms_epsilon': -1e-5 } },
      'layer_norm_rms_epsilon is -0.00001; expected a number',
    ],
    [
      'an epsilon that is no number',
      { metadata: { 'llama.attention.layer_norm_rms_epsilon': Number.NaN } },
      'layer_norm_rms_epsilon is NaN; expected a number',
    ],
    [
      'an infinite theta',
      { metadata: { 'llama.rope.freq_base': Number.POSITIVE_INFINITY } },
      'llama.rope.freq_base is Infinity; expected a number',
    ],
    [
      'yarn',
      { metadata: { 'llama.rope.scaling.type': 'yarn' } },
      'rope scaling "yarn" is not supported. Supported: none, linear,',
    ],
    [
      'a zero rope factor',
      { metadata: { 'llama.rope.scaling.type': 'linear', 'llama.rope.scaling.factor': 0 } },
      'llama.rope.scaling.factor is 0; expected',
    ],
    [
      'both kinds of scaling',
      { ropeFactors: Float32Array.of(1, 1, 1, 1), metadata: { 'llama.rope.scale_linear': 2 } },
      'rope_freqs.weight together with linear rope scaling is not supported',
    ],
    [
      'rope factors of another length',
      { ropeFactors: Float32Array.of(1, 2, 3) },
      'rope_freqs.weight has 3 entries; 8 rotary dimensions need 4',
    ],
    [
      'a rope factor of zero',
      { ropeFactors: Float32Array.of(1, 0, 1, 1) },
      'rope_freqs.weight[1] is 0; expected a positive number',
    ],
    [
      'another vocabulary',
      { metadata: { 'llama.vocab_size': 99 } },
      'vocab_size is 99, but token_embd.weight has 100 rows',
    ],
    ['experts', { metadata: { 'llama.expert_count': 8 } }, 'llama.expert_count = 8 is not supported'],
    [
      'an encoder',
      { metadata: { 'llama.attention.causal': false } },
      'llama.attention.causal = false is not supported',
    ],
    [
      'a window where none is known',
      { metadata: { ...renamed('qwen2'), 'qwen2.attention.sliding_window': 4 } },
      'a sliding window in GGUF files of qwen2 is not supported',
    ],
    ['no context', { metadata: { 'llama.context_length': undefined } }, 'llama.context_length is missing'],
  ];
  it.each(broken)('refuses %s', (_, changes, message) => {
    expect(() => parseGgufConfig(input(changes))).toThrow(message);
  });

  it('refuses a file without embeddings', () => {
    const without = { ...input(), tensors: new Map<string, WeightInfo>() };
    expect(() => parseGgufConfig(without)).toThrow('tiny.gguf: tensor token_embd.weight is missing');
  });
});

describe('checkTensors', () => {
  const config = parseGgufConfig(input());
  const program = buildProgram(config);

  function check(change: (tensors: Map<string, WeightInfo>) => void, changed: Partial<ModelConfig> = {}): void {
    const tensors = new Map(program.weights.map(({ name, rows, columns }) => tensor(name, rows, columns)));
    change(tensors);
    checkTensors('tiny.gguf', { ...config, ...changed }, program, tensors);
  }

  it('passes what fits, with tensors that are known to be left over', () => {
    check((tensors) => tensors.set(...tensor('model.layers.0.self_attn.rotary_emb.inv_freq', 1, 4)));
    const factors = Float32Array.of(1, 1, 1, 1);
    check((tensors) => tensors.set(...tensor('rope_freqs.weight', 1, 4)), {
      ropeScaling: { kind: 'factors', factors },
    });
  });
  it('refuses a missing tensor, with its shape', () => {
    expect(() => check((tensors) => tensors.delete('blk.1.ffn_up.weight'))).toThrow(
      'tensor blk.1.ffn_up.weight [48, 32] is missing',
    );
  });
  it('refuses another shape, with both', () => {
    expect(() => check((tensors) => tensors.set(...tensor('blk.0.attn_k.weight', 32, 32)))).toThrow(
      'tensor blk.0.attn_k.weight is [32, 32]; the configuration says [16, 32]',
    );
    expect(() => check((tensors) => tensors.set(...tensor('output_norm.weight', 32, 1)))).toThrow(
      'tensor output_norm.weight is [32, 1]; the configuration says [32]',
    );
  });
  it('refuses more or fewer layers than the configuration says', () => {
    expect(() => check((tensors) => tensors.set(...tensor('blk.2.attn_norm.weight', 1, 32)))).toThrow(
      'the configuration says 2 layers, but there are tensors of 3',
    );
  });
  it('refuses tensors that the program would leave out', () => {
    expect(() => check((tensors) => tensors.set(...tensor('blk.0.ffn_down.bias', 1, 32)))).toThrow(
      'holds tensors that the llama program does not use: blk.0.ffn_down.bias',
    );
    expect(() => check((tensors) => tensors.set(...tensor('rope_freqs.weight', 1, 4)))).toThrow(
      'does not use: rope_freqs.weight',
    );
  });
});
