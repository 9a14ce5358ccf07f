// The configuration of a Hugging Face checkpoint: config.json, before and since transformers 5, each value checked.

import { UnsupportedModelError } from '../errors/errors.ts';
import { type Architecture, findHfArchitecture } from './architectures/index.ts';
import { checkConfig } from './config-checks.ts';
import { createFieldReader, describeValue, type FieldReader, isObject, limits } from './config-fields.ts';
import { everyNthLayer } from './config-gguf.ts';
import type { ModelConfig } from './model.ts';
import { readRope } from './rope-hf.ts';

export interface HfConfigInput {
  /** Of config.json, for messages. */
  readonly path: string;
  /** config.json as parsed. */
  readonly json: unknown;
  /** What to call the model; config.json does not name it. */
  readonly name: string;
}

/**
 * Reads and checks the configuration. Keys that are left out mean what transformers' configuration classes assume.
 * @throws ModelFileError naming the key and its value; UnsupportedModelError for what Octavo does not compute
 */
export function parseHfConfig({ path, json, name }: HfConfigInput): ModelConfig {
  const outer = createFieldReader(path, (key) => (isObject(json) ? json[key] : undefined));
  if (!isObject(json)) throw outer.error(`holds ${describeValue(json)}; expected an object`);
  const architecture = findHfArchitecture(outer.string('model_type'));
  refuseUnsupported(outer);

  const defaults = architecture.hfDefaults;
  const hiddenSize = outer.integer('hidden_size', limits.width);
  const headCount = outer.integer('num_attention_heads', limits.heads);
  const layerCount = outer.integer('num_hidden_layers', limits.layers);
  const headSize = readHeadSize(outer, architecture, hiddenSize, headCount);
  const { theta, scaling } = readRope(path, json, defaults.ropeTheta);
  const noRopeLayers = architecture.name === 'smollm3' ? readNoRopeLayers(outer, layerCount) : [];
  const { slidingWindow, fullAttentionLayers } = readWindows(outer, architecture, layerCount, noRopeLayers);
  return checkConfig(
    {
      architecture: architecture.name,
      name,
      vocabSize: outer.integer('vocab_size', limits.vocab),
      hiddenSize,
      intermediateSize: outer.integer('intermediate_size', limits.width),
      layerCount,
      headCount,
      kvHeadCount: outer.integer('num_key_value_heads', limits.heads, headCount),
      headSize,
      rotaryDim: headSize,
      normEpsilon: outer.number('rms_norm_eps', limits.epsilon, defaults.normEpsilon),
      ropeTheta: theta,
      ropeScaling: scaling,
      ropeLayout: 'half',
      noRopeLayers,
      slidingWindow,
      fullAttentionLayers,
      attentionBias: readAttentionBias(outer, architecture),
      tiedEmbeddings: outer.boolean('tie_word_embeddings', defaults.tiedEmbeddings),
      contextLength: outer.integer('max_position_embeddings', limits.context),
    },
    outer,
  );
}

function refuseUnsupported(fields: FieldReader): void {
  const activation = fields.string('hidden_act', 'silu');
  if (activation !== 'silu') throw new UnsupportedModelError(`hidden_act ${describeValue(activation)}`, ['silu']);
  if (fields.boolean('mlp_bias', false))
    throw new UnsupportedModelError('mlp_bias', ['models without biases in the feed-forward']);
  if (fields.has('quantization_config')) {
    throw new UnsupportedModelError('a safetensors checkpoint with quantization_config', [
      'F32, F16 and BF16 checkpoints',
      'quantised GGUF files',
    ]);
  }
  const rotaryShare = fields.number('partial_rotary_factor', { min: 0, max: 1 }, 1);
  if (rotaryShare !== 1) throw new UnsupportedModelError(`partial_rotary_factor ${rotaryShare}`, ['1']);
}

function readHeadSize(fields: FieldReader, architecture: Architecture, hiddenSize: number, headCount: number): number {
  const fallback = architecture.hfDefaults.headSize;
  if (!fields.has('head_dim') && fallback === null && hiddenSize % headCount !== 0) {
    throw fields.error(
      `a hidden_size of ${hiddenSize} does not divide over ${headCount} heads, and head_dim is missing`,
    );
  }
  const headSize = fields.integer('head_dim', limits.headSize, fallback ?? hiddenSize / headCount);
  if (headSize < limits.headSize.min || headSize > limits.headSize.max) {
    throw fields.error(`the head size is ${headSize}; expected ${limits.headSize.min} to ${limits.headSize.max}`);
  }
  return headSize;
}

function readAttentionBias(fields: FieldReader, architecture: Architecture): boolean {
  // Qwen2 has its biases always, and Mistral never: their classes do not know the key.
  if (architecture.name === 'qwen2' || architecture.name === 'mistral') return architecture.hfDefaults.attentionBias;
  return fields.boolean('attention_bias', false);
}

/** `no_rope_layers` holds one number per layer, 0 where rope is left out; absent, it follows from the interval. */
function readNoRopeLayers(fields: FieldReader, layerCount: number): readonly number[] {
  const list = fields.raw('no_rope_layers');
  if (list === undefined) {
    return everyNthLayer(layerCount, fields.integer('no_rope_layer_interval', { min: 1, max: limits.layers.max }, 4));
  }
  if (!Array.isArray(list) || list.length !== layerCount || list.some((entry) => entry !== 0 && entry !== 1)) {
    const found = Array.isArray(list) ? `${list.length} entries` : describeValue(list);
    throw fields.error(`no_rope_layers has ${found}; expected ${layerCount} of 0 (without rope) or 1`);
  }
  return list.flatMap((hasRope, layer) => (hasRope === 0 ? [layer] : []));
}

/** The window, and the layers that do not have it although others do. */
type Windows = Pick<ModelConfig, 'slidingWindow' | 'fullAttentionLayers'>;

const noWindow: Windows = { slidingWindow: null, fullAttentionLayers: [] };

/**
 * `layer_types` says which layers have the window. Where it is missing, they are those that transformers' configuration classes give it: the layers
 * from `max_window_layers` on, of SmolLM3 those without rope; always all of Mistral's.
 */
function readWindows(
  fields: FieldReader,
  architecture: Architecture,
  layerCount: number,
  noRopeLayers: readonly number[],
): Windows {
  if (architecture.name === 'llama') return noWindow;
  const switchable = architecture.name !== 'mistral';
  const types = switchable ? readLayerTypes(fields, layerCount) : null;
  if (switchable && !fields.boolean('use_sliding_window', false)) {
    if (types?.includes('sliding_attention')) {
      throw fields.error('layer_types says "sliding_attention", but use_sliding_window is false');
    }
    return noWindow;
  }
  if (!fields.has('sliding_window')) return noWindow;
  const slidingWindow = fields.integer('sliding_window', limits.context);
  if (!switchable) return { slidingWindow, fullAttentionLayers: [] };
  const firstWindowed = fields.integer('max_window_layers', { min: 0, max: limits.layers.max }, 28);
  const isFull = (layer: number): boolean => {
    if (types !== null) return types[layer] === 'full_attention';
    return architecture.name === 'smollm3' ? !noRopeLayers.includes(layer) : layer < firstWindowed;
  };
  const fullAttentionLayers = Array.from({ length: layerCount }, (_, layer) => layer).filter(isFull);
  return fullAttentionLayers.length === layerCount ? noWindow : { slidingWindow, fullAttentionLayers };
}

/** `layer_types`, or null where it is not given. */
function readLayerTypes(fields: FieldReader, layerCount: number): readonly string[] | null {
  const types = fields.raw('layer_types');
  if (types === undefined) return null;
  if (!Array.isArray(types) || types.length !== layerCount) {
    const found = Array.isArray(types) ? `${types.length} entries` : describeValue(types);
    throw fields.error(`layer_types has ${found}; expected one for each of ${layerCount} layers`);
  }
  const known = ['full_attention', 'sliding_attention'];
  const unknown = types.find((type) => !known.includes(type as string));
  if (unknown !== undefined) throw new UnsupportedModelError(`layer type ${describeValue(unknown)}`, known);
  return types as string[];
}
