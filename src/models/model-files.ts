// What the readers of both file formats find in a model, and how they blame the file for what is wrong with it.

import type { WeightSource } from '../backends/backend.ts';
import { ModelFileError } from '../errors/errors.ts';
import type { ModelConfig } from './model.ts';
import type { Tokenizer } from './tokenizers/tokenizer.ts';

export interface ModelFiles {
  readonly format: 'gguf' | 'safetensors';
  readonly config: ModelConfig;
  /** Weights under their canonical names. */
  readonly weights: WeightSource;
  /** What the files call a weight, for messages. */
  nameInFile(canonicalName: string): string;
  /** Makes the tokenizer. Throws ModelFileError or UnsupportedModelError. */
  createTokenizer(): Tokenizer;
  /** The chat template's text, or null when the file carries none. */
  readonly chatTemplate: string | null;
}

/** Runs `make`; a ModelFileError of its that names only a part of the file is made to name the file at `path`. */
export function blaming<T>(path: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof ModelFileError) || error.path.startsWith(path)) throw error;
    throw new ModelFileError(path, `${error.path}: ${error.detail}`, { cause: error });
  }
}
