// The shapes of real models, and tiny ones of each architecture, as GGUF files have them.

import { UnsupportedModelError } from '../../errors/errors.ts';

/** The shape of a decoder, with what its GGUF file says of it. */
export interface SynthShape {
  readonly title: string;
  /** `general.architecture` and the prefix of its keys. */
  readonly ggufArchitecture: 'llama' | 'qwen2' | 'qwen3' | 'smollm3';
  /** `tokenizer.ggml.pre`. */
  readonly preTokenizer: string;
  readonly addBosToken: boolean;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layerCount: number;
  readonly headCount: number;
  readonly kvHeadCount: number;
  readonly headSize: number;
  readonly contextLength: number;
  readonly ropeTheta: number;
  readonly normEpsilon: number;
  readonly tiedEmbeddings: boolean;
  readonly attentionBias: boolean;
  readonly headNorms: boolean;
  readonly slidingWindow: number | null;
  /** Llama 3 rope scaling, written as `rope_freqs.weight`. */
  readonly llama3Rope: {
    readonly factor: number;
    readonly lowFrequencyFactor: number;
    readonly highFrequencyFactor: number;
    readonly originalContextLength: number;
  } | null;
}

const plain = {
  tiedEmbeddings: true,
  attentionBias: false,
  headNorms: false,
  addBosToken: false,
  slidingWindow: null,
  llama3Rope: null,
} as const;

// Small, and still a whole super-block of the k-quants wide.
const tiny = {
  ...plain,
  vocabSize: 512,
  hiddenSize: 256,
  intermediateSize: 512,
  layerCount: 2,
  headCount: 4,
  kvHeadCount: 2,
  headSize: 64,
  contextLength: 2048,
} as const;

const llama3Rope = { factor: 32, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContextLength: 8192 } as const;

const shapes = {
  'llama-3.2-1b': {
    ...plain,
    title: 'Llama 3.2 1B (random weights)',
    ggufArchitecture: 'llama',
    preTokenizer: 'llama-bpe',
    addBosToken: true,
    vocabSize: 128_256,
    hiddenSize: 2048,
    intermediateSize: 8192,
    layerCount: 16,
    headCount: 32,
    kvHeadCount: 8,
    headSize: 64,
    contextLength: 131_072,
    ropeTheta: 500_000,
    normEpsilon: 1e-5,
    llama3Rope,
  },
  'qwen2.5-0.5b': {
    ...plain,
    title: 'Qwen2.5 0.5B (random weights)',
    ggufArchitecture: 'qwen2',
    preTokenizer: 'qwen2',
    vocabSize: 151_936,
    hiddenSize: 896,
    intermediateSize: 4864,
    layerCount: 24,
    headCount: 14,
    kvHeadCount: 2,
    headSize: 64,
    contextLength: 32_768,
    ropeTheta: 1_000_000,
    normEpsilon: 1e-6,
    attentionBias: true,
  },
  'qwen3-0.6b': {
    ...plain,
    title: 'Qwen3 0.6B (random weights)',
    ggufArchitecture: 'qwen3',
    preTokenizer: 'qwen2',
    vocabSize: 151_936,
    hiddenSize: 1024,
    intermediateSize: 3072,
    layerCount: 28,
    headCount: 16,
    kvHeadCount: 8,
    headSize: 128,
    contextLength: 40_960,
    ropeTheta: 1_000_000,
    normEpsilon: 1e-6,
    headNorms: true,
  },
  'smollm2-135m': {
    ...plain,
    title: 'SmolLM2 135M (random weights)',
    ggufArchitecture: 'llama',
    preTokenizer: 'smollm',
    vocabSize: 49_152,
    hiddenSize: 576,
    intermediateSize: 1536,
    layerCount: 30,
    headCount: 9,
    kvHeadCount: 3,
    headSize: 64,
    contextLength: 8192,
    ropeTheta: 100_000,
    normEpsilon: 1e-5,
  },
  'tiny-llama': {
    ...tiny,
    title: 'Tiny Llama (random weights)',
    ggufArchitecture: 'llama',
    preTokenizer: 'llama-bpe',
    addBosToken: true,
    ropeTheta: 500_000,
    normEpsilon: 1e-5,
    llama3Rope,
  },
  // Its heads together are wider than the hidden size, as in Mistral Nemo the other way round.
  'tiny-mistral': {
    ...tiny,
    title: 'Tiny Mistral (random weights)',
    ggufArchitecture: 'llama',
    preTokenizer: 'llama-bpe',
    addBosToken: true,
    headCount: 8,
    ropeTheta: 10_000,
    normEpsilon: 1e-5,
    contextLength: 8192,
    slidingWindow: 4096,
    tiedEmbeddings: false,
  },
  'tiny-qwen2': {
    ...tiny,
    title: 'Tiny Qwen2 (random weights)',
    ggufArchitecture: 'qwen2',
    preTokenizer: 'qwen2',
    ropeTheta: 1_000_000,
    normEpsilon: 1e-6,
    attentionBias: true,
  },
  'tiny-qwen3': {
    ...tiny,
    title: 'Tiny Qwen3 (random weights)',
    ggufArchitecture: 'qwen3',
    preTokenizer: 'qwen2',
    headSize: 128,
    ropeTheta: 1_000_000,
    normEpsilon: 1e-6,
    headNorms: true,
  },
  // Four layers, because every fourth is the one without rope.
  'tiny-smollm3': {
    ...tiny,
    title: 'Tiny SmolLM3 (random weights)',
    ggufArchitecture: 'smollm3',
    preTokenizer: 'llama-bpe',
    layerCount: 4,
    ropeTheta: 2_000_000,
    normEpsilon: 1e-6,
  },
} as const satisfies Record<string, SynthShape>;

export type SynthShapeName = keyof typeof shapes;

/** The names that `synthesizeGguf` takes. */
export const synthShapeNames = Object.keys(shapes) as readonly SynthShapeName[];

/** The shape of that name. Throws UnsupportedModelError, with the list, for any other. */
export function synthShape(name: string): SynthShape {
  if (Object.hasOwn(shapes, name)) return shapes[name as SynthShapeName];
  throw new UnsupportedModelError(`Shape "${name}"`, synthShapeNames);
}
