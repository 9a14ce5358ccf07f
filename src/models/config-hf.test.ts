// config.json: what both of its forms mean, and a table of broken ones with the message of each.

import { describe, expect, it } from 'vitest';
import { parseHfConfig } from './config-hf.ts';
import type { ModelConfig } from './model.ts';

const llama: Readonly<Record<string, unknown>> = {
  model_type: 'llama',
  vocab_size: 100,
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 8,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  rms_norm_eps: 1e-5,
  max_position_embeddings: 128,
};
const llama3Scaling = {
  rope_type: 'llama3',
  factor: 32,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 64,
};

function parse(changes: Readonly<Record<string, unknown>> = {}): ModelConfig {
  return parseHfConfig({ path: 'config.json', json: { ...llama, ...changes }, name: 'tiny' });
}

describe('parseHfConfig', () => {
  it('reads a llama with the defaults of its class', () => {
    expect(parse()).toEqual({
      architecture: 'llama',
      name: 'tiny',
      vocabSize: 100,
      hiddenSize: 32,
      intermediateSize: 48,
      layerCount: 8,
      headCount: 4,
      kvHeadCount: 2,
      headSize: 8,
      rotaryDim: 8,
      normEpsilon: 1e-5,
      ropeTheta: 10_000,
      ropeScaling: { kind: 'none' },
      ropeLayout: 'half',
      noRopeLayers: [],
      slidingWindow: null,
      fullAttentionLayers: [],
      attentionBias: false,
      tiedEmbeddings: false,
      contextLength: 128,
    } satisfies ModelConfig);
  });

  it('reads rope in both forms alike', () => {
    const classic = parse({ rope_theta: 500_000, rope_scaling: llama3Scaling });
    const current = parse({ rope_parameters: { ...llama3Scaling, rope_theta: 500_000 } });
    expect(classic).toEqual(current);
    expect(current).toMatchObject({
      ropeTheta: 500_000,
      ropeScaling: {
        kind: 'llama3',
        factor: 32,
        lowFrequencyFactor: 1,
        highFrequencyFactor: 4,
        originalContextLength: 64,
      },
    });
    expect(parse({ rope_scaling: { type: 'linear', factor: 4 } }).ropeScaling).toEqual({ kind: 'linear', factor: 4 });
    expect(parse({ rope_scaling: null, rope_theta: 5e5 })).toMatchObject({
      ropeTheta: 5e5,
      ropeScaling: { kind: 'none' },
    });
    expect(parse({ rope_parameters: { rope_type: 'default', rope_theta: 7e5 } }).ropeTheta).toBe(7e5);
  });

  it('takes null as absent', () => {
    expect(parse({ head_dim: null, num_key_value_heads: null })).toMatchObject({ headSize: 8, kvHeadCount: 4 });
  });

  it("knows each class's own rules", () => {
    expect(parse({ model_type: 'qwen2', sliding_window: 16, use_sliding_window: false })).toMatchObject({
      attentionBias: true,
      slidingWindow: null,
    });
    expect(parse({ model_type: 'qwen3' })).toMatchObject({ headSize: 128, attentionBias: false });
    expect(parse({ model_type: 'mistral', sliding_window: 16 }).slidingWindow).toBe(16);
    expect(parse({ model_type: 'mistral', sliding_window: null }).slidingWindow).toBeNull();
    expect(parse({ model_type: 'smollm3' })).toMatchObject({
      tiedEmbeddings: true,
      noRopeLayers: [3, 7],
      ropeTheta: 2_000_000,
    });
    expect(parse({ model_type: 'smollm3', no_rope_layer_interval: 2 }).noRopeLayers).toEqual([1, 3, 5, 7]);
    expect(parse({ model_type: 'smollm3', no_rope_layers: [0, 1, 1, 1, 1, 1, 1, 0] }).noRopeLayers).toEqual([0, 7]);
  });

  it('applies a switched-on window when it covers all layers or none', () => {
    const windowed = { model_type: 'qwen2', use_sliding_window: true, sliding_window: 16 };
    expect(parse({ ...windowed, max_window_layers: 0 }).slidingWindow).toBe(16);
    expect(parse({ ...windowed, max_window_layers: 8 }).slidingWindow).toBeNull();
    expect(parse({ ...windowed, layer_types: Array(8).fill('sliding_attention') }).slidingWindow).toBe(16);
    expect(parse({ ...windowed, layer_types: Array(8).fill('full_attention') }).slidingWindow).toBeNull();
  });

  it('says which layers have no window where others do', () => {
    const windowed = { use_sliding_window: true, sliding_window: 16 };
    const windowsOf = (json: Record<string, unknown>) => {
      const { slidingWindow, fullAttentionLayers } = parse({ ...windowed, ...json });
      return [slidingWindow, fullAttentionLayers];
    };
    expect(windowsOf({ model_type: 'qwen2', max_window_layers: 3 })).toEqual([16, [0, 1, 2]]);
    expect(windowsOf({ model_type: 'qwen2', max_window_layers: 0 })).toEqual([16, []]);
    const mixed = [...Array(7).fill('full_attention'), 'sliding_attention'];
    expect(windowsOf({ model_type: 'qwen3', layer_types: mixed })).toEqual([16, [0, 1, 2, 3, 4, 5, 6]]);
    // SmolLM3's class gives the window to the layers without rope.
    expect(windowsOf({ model_type: 'smollm3' })).toEqual([16, [0, 1, 2, 4, 5, 6]]);
    expect(windowsOf({ model_type: 'smollm3', no_rope_layers: Array(8).fill(1) })).toEqual([null, []]);
  });

  const broken: readonly [string, Record<string, unknown>, string][] = [
    ['no model_type', { model_type: undefined }, 'config.json: model_type is missing'],
    ['another model_type', { model_type: 'gpt2' }, 'model_type "gpt2" is not supported. Supported: llama, mistral,'],
    ['a width as text', { hidden_size: '32' }, 'hidden_size is "32"; expected an integer'],
    ['an absurd width', { hidden_size: 1e12 }, 'hidden_size is 1000000000000; expected an integer from 1 to 1048576'],
    [
      'absurd layers',
      { num_hidden_layers: 1e9 },
      'num_hidden_layers is 1000000000; expected an integer from 1 to 1024',
    ],
    ['negative heads', { num_attention_heads: -4 }, 'num_attention_heads is -4; expected'],
    [
      'heads that do not divide',
      { num_attention_heads: 5 },
      'a hidden_size of 32 does not divide over 5 heads, and head_dim is missing',
    ],
    ['an odd head size', { head_dim: 9 }, 'the head size is 9; rotary embeddings need an even one'],
    [
      'K/V heads that do not divide',
      { num_key_value_heads: 3 },
      '4 attention heads cannot share 3 key/value heads evenly',
    ],
    ['a missing vocabulary', { vocab_size: undefined }, 'vocab_size is missing'],
    ['a missing context', { max_position_embeddings: null }, 'max_position_embeddings is missing'],
    ['an absurd context', { max_position_embeddings: 2 ** 40 }, 'max_position_embeddings is 1099511627776; expected'],
    ['another activation', { hidden_act: 'gelu' }, 'hidden_act "gelu" is not supported. Supported: silu.'],
    ['feed-forward biases', { mlp_bias: true }, 'mlp_bias is not supported'],
    ['a flag as text', { tie_word_embeddings: 'yes' }, 'tie_word_embeddings is "yes"; expected true or false'],
    [
      'quantised weights',
      { quantization_config: { bits: 4 } },
      'a safetensors checkpoint with quantization_config is not supported',
    ],
    ['partial rope', { partial_rotary_factor: 0.5 }, 'partial_rotary_factor 0.5 is not supported'],
    [
      'partial rope, nested',
      { rope_parameters: { partial_rotary_factor: 0.5 } },
      'partial_rotary_factor 0.5 is not supported',
    ],
    [
      'yarn',
      { rope_scaling: { type: 'yarn', factor: 4 } },
      'rope scaling "yarn" is not supported. Supported: default, linear, llama3.',
    ],
    [
      'yarn in the new form',
      { rope_parameters: { rope_type: 'yarn', factor: 4 } },
      'rope scaling "yarn" is not supported',
    ],
    [
      'rope per layer type',
      { rope_parameters: { full_attention: { rope_theta: 1e4 } } },
      'rope_parameters per kind of layer ("full_attention") is not supported',
    ],
    ['rope as text', { rope_scaling: 'linear' }, 'rope_scaling is "linear"; expected an object'],
    ['linear without a factor', { rope_scaling: { type: 'linear' } }, 'rope_scaling.factor is missing'],
    ['a theta below one', { rope_theta: 0.5 }, 'rope_theta is 0.5; expected'],
    [
      'llama3 bands that cross',
      { rope_scaling: { ...llama3Scaling, low_freq_factor: 4 } },
      'rope_scaling.high_freq_factor is 4; expected more than low_freq_factor, 4',
    ],
    [
      'another kind of layer',
      { model_type: 'qwen3', layer_types: Array(8).fill('linear_attention') },
      'layer type "linear_attention" is not supported',
    ],
    [
      'too few layer types',
      { model_type: 'qwen3', layer_types: ['full_attention'] },
      'layer_types has 1 entries; expected one for each of 8 layers',
    ],
    [
      'a window that is off',
      { model_type: 'qwen3', layer_types: Array(8).fill('sliding_attention') },
      'layer_types says "sliding_attention", but use_sliding_window is false',
    ],
    [
      'rope flags that are none',
      { model_type: 'smollm3', no_rope_layers: [1, 1] },
      'no_rope_layers has 2 entries; expected 8 of 0 (without rope) or 1',
    ],
    [
      'rope flags of another kind',
      { model_type: 'smollm3', no_rope_layers: 'all' },
      'no_rope_layers has "all"; expected 8',
    ],
  ];
  it.each(broken)('refuses %s', (_, changes, message) => {
    expect(() => parse(changes)).toThrow(message);
  });

  it.each([[null], [[]], ['text'], [3]])('refuses %j in place of an object', (json) => {
    expect(() => parseHfConfig({ path: 'config.json', json, name: 'tiny' })).toThrow('expected an object');
  });
});
