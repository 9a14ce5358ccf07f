// A model as loaded from disk: its configuration, program, weights, tokenizer and chat template.

import type { WeightSource } from '../backends/backend.ts';
import type { Program, RopeLayout } from '../program/program.ts';
import type { ChatTemplate } from './chat-template.ts';
import type { Tokenizer } from './tokenizers/tokenizer.ts';

export type ArchitectureName = 'llama' | 'mistral' | 'qwen2' | 'qwen3' | 'smollm3';

/** Rope scaling as model files state it. */
export type RopeScaling =
  | { readonly kind: 'none' }
  | { readonly kind: 'linear'; readonly factor: number }
  /** Llama 3.x, Hugging Face `rope_type: "llama3"`. */
  | {
      readonly kind: 'llama3';
      readonly factor: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
      readonly originalContextLength: number;
    }
  /** Per-frequency divisors as GGUF stores them (`rope_freqs.weight`), rotaryDim / 2 long. */
  | { readonly kind: 'factors'; readonly factors: Float32Array };

/** Hyper-parameters of a decoder, from GGUF metadata or config.json, every one checked. */
export interface ModelConfig {
  readonly architecture: ArchitectureName;
  readonly name: string;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layerCount: number;
  readonly headCount: number;
  readonly kvHeadCount: number;
  readonly headSize: number;
  readonly rotaryDim: number;
  readonly normEpsilon: number;
  readonly ropeTheta: number;
  readonly ropeScaling: RopeScaling;
  readonly ropeLayout: RopeLayout;
  /** Layers without rope (SmolLM3); empty elsewhere. */
  readonly noRopeLayers: readonly number[];
  /** Positions that a token attends to, itself included; null without a window. */
  readonly slidingWindow: number | null;
  /** Layers that attend to all positions although others have the window; empty where the window holds for all layers or none. */
  readonly fullAttentionLayers: readonly number[];
  readonly attentionBias: boolean;
  readonly tiedEmbeddings: boolean;
  readonly contextLength: number;
}

export interface LoadedModel {
  readonly config: ModelConfig;
  readonly program: Program;
  readonly weights: WeightSource;
  readonly tokenizer: Tokenizer;
  /** Null when the file carries none. */
  readonly chatTemplate: ChatTemplate | null;
  /** Bytes of all weights as stored. */
  readonly weightBytes: number;
  /** Where it came from, for messages. */
  readonly path: string;
  close(): Promise<void>;
}
