// The hyper-parameters of released models, as their own config.json states them, are read as their authors meant them.

import { describe, expect, it } from 'vitest';
import { buildProgram } from './architectures/index.ts';
import { parseHfConfig } from './config-hf.ts';
import type { ModelConfig } from './model.ts';

const everyFourthWithoutRope = Array.from({ length: 36 }, (_, layer) => (layer % 4 === 3 ? 0 : 1));

interface Released {
  readonly name: string;
  readonly json: Readonly<Record<string, unknown>>;
  readonly means: Partial<ModelConfig>;
  /** Parameters of all weights, tied embeddings counted once, as model cards give them. */
  readonly parameterCount: number;
}

const released: readonly Released[] = [
  {
    name: 'Llama-3.2-1B-Instruct',
    json: {
      architectures: ['LlamaForCausalLM'],
      attention_bias: false,
      attention_dropout: 0.0,
      bos_token_id: 128000,
      eos_token_id: [128001, 128008, 128009],
      head_dim: 64,
      hidden_act: 'silu',
      hidden_size: 2048,
      intermediate_size: 8192,
      max_position_embeddings: 131072,
      mlp_bias: false,
      model_type: 'llama',
      num_attention_heads: 32,
      num_hidden_layers: 16,
      num_key_value_heads: 8,
      pretraining_tp: 1,
      rms_norm_eps: 1e-5,
      rope_scaling: {
        factor: 32.0,
        high_freq_factor: 4.0,
        low_freq_factor: 1.0,
        original_max_position_embeddings: 8192,
        rope_type: 'llama3',
      },
      rope_theta: 500000.0,
      tie_word_embeddings: true,
      torch_dtype: 'bfloat16',
      use_cache: true,
      vocab_size: 128256,
    },
    means: {
      architecture: 'llama',
      headSize: 64,
      kvHeadCount: 8,
      tiedEmbeddings: true,
      ropeScaling: {
        kind: 'llama3',
        factor: 32,
        lowFrequencyFactor: 1,
        highFrequencyFactor: 4,
        originalContextLength: 8192,
      },
    },
    parameterCount: 1_235_814_400,
  },
  {
    name: 'SmolLM2-135M',
    json: {
      architectures: ['LlamaForCausalLM'],
      attention_bias: false,
      hidden_act: 'silu',
      hidden_size: 576,
      intermediate_size: 1536,
      is_llama_config: true,
      max_position_embeddings: 8192,
      model_type: 'llama',
      num_attention_heads: 9,
      num_hidden_layers: 30,
      num_key_value_heads: 3,
      rms_norm_eps: 1e-5,
      rope_interleaved: false,
      rope_scaling: null,
      rope_theta: 100000,
      tie_word_embeddings: true,
      vocab_size: 49152,
    },
    means: { architecture: 'llama', headSize: 64, ropeTheta: 100_000, ropeScaling: { kind: 'none' } },
    parameterCount: 134_515_008,
  },
  {
    name: 'Mistral-7B-v0.1',
    json: {
      architectures: ['MistralForCausalLM'],
      hidden_act: 'silu',
      hidden_size: 4096,
      intermediate_size: 14336,
      max_position_embeddings: 32768,
      model_type: 'mistral',
      num_attention_heads: 32,
      num_hidden_layers: 32,
      num_key_value_heads: 8,
      rms_norm_eps: 1e-5,
      rope_theta: 10000.0,
      sliding_window: 4096,
      tie_word_embeddings: false,
      vocab_size: 32000,
    },
    means: { architecture: 'mistral', headSize: 128, slidingWindow: 4096, attentionBias: false },
    parameterCount: 7_241_732_096,
  },
  {
    name: 'Qwen2.5-0.5B-Instruct',
    json: {
      architectures: ['Qwen2ForCausalLM'],
      hidden_act: 'silu',
      hidden_size: 896,
      intermediate_size: 4864,
      max_position_embeddings: 32768,
      max_window_layers: 21,
      model_type: 'qwen2',
      num_attention_heads: 14,
      num_hidden_layers: 24,
      num_key_value_heads: 2,
      rms_norm_eps: 1e-6,
      rope_theta: 1000000.0,
      sliding_window: 32768,
      tie_word_embeddings: true,
      use_sliding_window: false,
      vocab_size: 151936,
    },
    means: { architecture: 'qwen2', headSize: 64, attentionBias: true, slidingWindow: null },
    parameterCount: 494_032_768,
  },
  {
    name: 'Qwen3-0.6B',
    json: {
      architectures: ['Qwen3ForCausalLM'],
      attention_bias: false,
      head_dim: 128,
      hidden_act: 'silu',
      hidden_size: 1024,
      intermediate_size: 3072,
      max_position_embeddings: 40960,
      max_window_layers: 28,
      model_type: 'qwen3',
      num_attention_heads: 16,
      num_hidden_layers: 28,
      num_key_value_heads: 8,
      rms_norm_eps: 1e-6,
      rope_scaling: null,
      rope_theta: 1000000,
      sliding_window: null,
      tie_word_embeddings: true,
      use_sliding_window: false,
      vocab_size: 151936,
    },
    means: { architecture: 'qwen3', headSize: 128, attentionBias: false },
    parameterCount: 596_049_920,
  },
  {
    name: 'SmolLM3-3B',
    json: {
      architectures: ['SmolLM3ForCausalLM'],
      attention_bias: false,
      hidden_act: 'silu',
      hidden_size: 2048,
      intermediate_size: 11008,
      layer_types: Array(36).fill('full_attention'),
      max_position_embeddings: 65536,
      max_window_layers: 28,
      mlp_bias: false,
      model_type: 'smollm3',
      no_rope_layer_interval: 4,
      no_rope_layers: everyFourthWithoutRope,
      num_attention_heads: 16,
      num_hidden_layers: 36,
      num_key_value_heads: 4,
      pretraining_tp: 2,
      rms_norm_eps: 1e-6,
      rope_scaling: null,
      rope_theta: 5000000.0,
      sliding_window: null,
      use_sliding_window: false,
      vocab_size: 128256,
    },
    means: {
      architecture: 'smollm3',
      headSize: 128,
      tiedEmbeddings: true,
      noRopeLayers: [3, 7, 11, 15, 19, 23, 27, 31, 35],
    },
    parameterCount: 3_075_098_624,
  },
];

describe('config.json of released models', () => {
  it.each(released)('$name', ({ name, json, means, parameterCount }) => {
    const config = parseHfConfig({ path: 'config.json', json, name });
    expect(config).toMatchObject({ name, ropeLayout: 'half', ...means });
    const { weights } = buildProgram(config);
    expect(weights.reduce((sum, { rows, columns }) => sum + rows * columns, 0)).toBe(parameterCount);
  });
});
