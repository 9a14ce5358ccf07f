// Shapes of models that the founding documents speak of, beside those that `octavo synth` knows.

import { UnsupportedModelError } from '../../errors/index.ts';
import { type SynthShape, synthShape, synthShapeNames } from '../../models/synth/shapes.ts';

const llama = {
  ggufArchitecture: 'llama',
  preTokenizer: 'llama-bpe',
  addBosToken: true,
  vocabSize: 32_000,
  headSize: 128,
  ropeTheta: 10_000,
  normEpsilon: 1e-5,
  tiedEmbeddings: false,
  attentionBias: false,
  headNorms: false,
  slidingWindow: null,
  llama3Rope: null,
} as const;

const llama3 = {
  ...llama,
  vocabSize: 128_256,
  ropeTheta: 500_000,
  contextLength: 131_072,
  kvHeadCount: 8,
  llama3Rope: { factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContextLength: 8192 },
} as const;

const planned = {
  'llama-7b': {
    ...llama,
    title: 'LLaMA 7B',
    hiddenSize: 4096,
    intermediateSize: 11_008,
    layerCount: 32,
    headCount: 32,
    kvHeadCount: 32,
    contextLength: 2048,
  },
  'llama-13b': {
    ...llama,
    title: 'LLaMA 13B',
    hiddenSize: 5120,
    intermediateSize: 13_824,
    layerCount: 40,
    headCount: 40,
    kvHeadCount: 40,
    contextLength: 2048,
  },
  'llama-30b': {
    ...llama,
    title: 'LLaMA 30B',
    hiddenSize: 6656,
    intermediateSize: 17_920,
    layerCount: 60,
    headCount: 52,
    kvHeadCount: 52,
    contextLength: 2048,
  },
  'llama-65b': {
    ...llama,
    title: 'LLaMA 65B',
    hiddenSize: 8192,
    intermediateSize: 22_016,
    layerCount: 80,
    headCount: 64,
    kvHeadCount: 64,
    contextLength: 2048,
  },
  'llama-2-70b': {
    ...llama,
    title: 'Llama 2 70B',
    hiddenSize: 8192,
    intermediateSize: 28_672,
    layerCount: 80,
    headCount: 64,
    kvHeadCount: 8,
    contextLength: 4096,
  },
  'llama-3.1-8b': {
    ...llama3,
    title: 'Llama 3.1 8B',
    hiddenSize: 4096,
    intermediateSize: 14_336,
    layerCount: 32,
    headCount: 32,
  },
  'llama-3.1-70b': {
    ...llama3,
    title: 'Llama 3.1 70B',
    hiddenSize: 8192,
    intermediateSize: 28_672,
    layerCount: 80,
    headCount: 64,
  },
  // GPT-3 has a feed-forward of two matrices of 4 * 12288; three of 2/3 of that, as here, are as many weights.
  'gpt-3-175b': {
    ...llama,
    title: 'GPT-3 175B',
    vocabSize: 50_257,
    hiddenSize: 12_288,
    intermediateSize: 32_768,
    layerCount: 96,
    headCount: 96,
    kvHeadCount: 96,
    contextLength: 2048,
    tiedEmbeddings: true,
  },
} as const satisfies Record<string, SynthShape>;

export type PlannedShapeName = keyof typeof planned;

/** Every shape name that a plan takes. */
export const planShapeNames: readonly string[] = [...Object.keys(planned), ...synthShapeNames];

/** The shape of a name, in any case. Throws UnsupportedModelError, with the list, for any other. */
export function planShape(name: string): SynthShape {
  const key = name.toLowerCase();
  if (Object.hasOwn(planned, key)) return planned[key as PlannedShapeName];
  if ((synthShapeNames as readonly string[]).includes(key)) return synthShape(key);
  throw new UnsupportedModelError(`Shape "${name.slice(0, 60)}"`, planShapeNames);
}

export const isPlanShape = (name: string): boolean => planShapeNames.includes(name.toLowerCase());
