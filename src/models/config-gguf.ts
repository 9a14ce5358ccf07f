// The configuration of a GGUF file: its metadata keys, as llama.cpp's converters write them, each checked.

import type { WeightInfo } from '../backends/backend.ts';
import { UnsupportedModelError } from '../errors/errors.ts';
import { type Architecture, findGgufArchitecture } from './architectures/index.ts';
import { mistral } from './architectures/mistral.ts';
import { checkConfig } from './config-checks.ts';
import { createFieldReader, describeValue, type FieldReader, limits } from './config-fields.ts';
import type { ModelConfig, RopeScaling } from './model.ts';

export interface GgufConfigInput {
  /** For messages. */
  readonly path: string;
  readonly metadata: ReadonlyMap<string, unknown>;
  readonly tensors: ReadonlyMap<string, WeightInfo>;
  /** Contents of `rope_freqs.weight`, or null when the file has none. */
  readonly ropeFactors: Float32Array | null;
}

/** llama.cpp's SmolLM3: no key says which layers have no rope; it is every fourth. */
const smollm3RopeInterval = 4;

/** Keys that change what the model computes in ways that Octavo does not, with the values that change nothing. */
const neutralValues: Readonly<Record<string, readonly unknown[]>> = {
  expert_count: [0],
  'attention.causal': [true],
  'attention.scale': [0],
  'attention.max_alibi_bias': [0],
  'attention.clamp_kqv': [0],
  'attention.temperature_scale': [0],
  logit_scale: [0, 1],
  final_logit_softcapping: [0],
  attn_logit_softcapping: [0],
  residual_scale: [0, 1],
  embedding_scale: [0, 1],
  'rope.scaling.attn_factor': [0, 1],
};

/**
 * Reads and checks the configuration.
 * @throws ModelFileError naming the key and its value; UnsupportedModelError for what Octavo does not compute
 */
export function parseGgufConfig(input: GgufConfigInput): ModelConfig {
  const general = createFieldReader(input.path, (key) => input.metadata.get(key));
  const ggufName = general.string('general.architecture');
  const found = findGgufArchitecture(ggufName);
  const fields = createFieldReader(input.path, (key) => input.metadata.get(`${ggufName}.${key}`), `${ggufName}.`);
  refuseUnsupported(fields, ggufName);

  const slidingWindow = readSlidingWindow(fields, found);
  const architecture = found.name === 'llama' && slidingWindow !== null ? mistral : found;
  const hiddenSize = fields.integer('embedding_length', limits.width);
  const headCount = fields.integer('attention.head_count', limits.heads);
  const layerCount = fields.integer('block_count', limits.layers);
  const headSize = readHeadSize(fields, hiddenSize, headCount);
  return checkConfig(
    {
      architecture: architecture.name,
      name: general.string('general.name', ggufName).slice(0, 200),
      vocabSize: readVocabSize(fields, input.tensors),
      hiddenSize,
      intermediateSize: fields.integer('feed_forward_length', limits.width),
      layerCount,
      headCount,
      kvHeadCount: fields.integer('attention.head_count_kv', limits.heads, headCount),
      headSize,
      rotaryDim: fields.integer('rope.dimension_count', limits.headSize, headSize),
      normEpsilon: fields.number('attention.layer_norm_rms_epsilon', limits.epsilon),
      ropeTheta: fields.number('rope.freq_base', limits.theta, 10_000),
      ropeScaling: readRopeScaling(fields, input.ropeFactors),
      ropeLayout: architecture.ggufRopeLayout,
      noRopeLayers: architecture.name === 'smollm3' ? everyNthLayer(layerCount, smollm3RopeInterval) : [],
      slidingWindow,
      fullAttentionLayers: [],
      attentionBias: architecture.hfDefaults.attentionBias || input.tensors.has('blk.0.attn_q.bias'),
      tiedEmbeddings: !input.tensors.has('output.weight'),
      contextLength: fields.integer('context_length', limits.context),
    },
    fields,
  );
}

/** Layers interval - 1, 2 * interval - 1, …: those that SmolLM3 leaves without rope. */
export function everyNthLayer(layerCount: number, interval: number): number[] {
  return Array.from({ length: Math.floor(layerCount / interval) }, (_, i) => (i + 1) * interval - 1);
}

function refuseUnsupported(fields: FieldReader, ggufName: string): void {
  for (const [key, neutral] of Object.entries(neutralValues)) {
    const value = fields.raw(key);
    if (value !== undefined && !neutral.includes(value)) {
      throw new UnsupportedModelError(`${ggufName}.${key} = ${describeValue(value)}`, [
        `${key} = ${neutral.join(' or ')}`,
      ]);
    }
  }
}

/** Only `llama` files use the key (Mistral's); llama.cpp reads the others' without it. */
function readSlidingWindow(fields: FieldReader, architecture: Architecture): number | null {
  const window = fields.integer('attention.sliding_window', { min: 0, max: limits.context.max }, 0);
  if (window === 0) return null;
  if (architecture.name !== 'llama') {
    throw new UnsupportedModelError(`a sliding window in GGUF files of ${architecture.name}`, ['llama']);
  }
  return window;
}

function readHeadSize(fields: FieldReader, hiddenSize: number, headCount: number): number {
  if (!fields.has('attention.key_length') && hiddenSize % headCount !== 0) {
    throw fields.error(
      `an embedding_length of ${hiddenSize} does not divide over ${headCount} heads, and attention.key_length is missing`,
    );
  }
  const headSize = fields.integer('attention.key_length', limits.headSize, hiddenSize / headCount);
  const valueSize = fields.integer('attention.value_length', limits.headSize, headSize);
  if (valueSize !== headSize) {
    throw new UnsupportedModelError(`attention.value_length ${valueSize} other than key_length ${headSize}`, [
      'equal lengths',
    ]);
  }
  if (headSize < limits.headSize.min || headSize > limits.headSize.max) {
    throw fields.error(`the head size is ${headSize}; expected ${limits.headSize.min} to ${limits.headSize.max}`);
  }
  return headSize;
}

function readVocabSize(fields: FieldReader, tensors: ReadonlyMap<string, WeightInfo>): number {
  const embedding = tensors.get('token_embd.weight');
  if (!embedding) throw fields.error('tensor token_embd.weight is missing');
  const vocabSize = fields.integer('vocab_size', limits.vocab, embedding.rows);
  if (vocabSize !== embedding.rows) {
    throw fields.error(`vocab_size is ${vocabSize}, but token_embd.weight has ${embedding.rows} rows`);
  }
  if (vocabSize > limits.vocab.max)
    throw fields.error(`token_embd.weight has ${vocabSize} rows; at most ${limits.vocab.max} are possible`);
  return vocabSize;
}

function readRopeScaling(fields: FieldReader, factors: Float32Array | null): RopeScaling {
  const type = fields.string('rope.scaling.type', fields.has('rope.scale_linear') ? 'linear' : 'none');
  if (type !== 'none' && type !== 'linear') {
    throw new UnsupportedModelError(`rope scaling ${describeValue(type)}`, [
      'none',
      'linear',
      'rope_freqs.weight (llama3)',
    ]);
  }
  const legacyFactor = fields.number('rope.scale_linear', limits.factor, 1);
  const factor = type === 'linear' ? fields.number('rope.scaling.factor', limits.factor, legacyFactor) : 1;
  if (factors && factor !== 1) {
    throw new UnsupportedModelError('rope_freqs.weight together with linear rope scaling', ['either of them']);
  }
  if (factors) return { kind: 'factors', factors };
  return factor === 1 ? { kind: 'none' } : { kind: 'linear', factor };
}
