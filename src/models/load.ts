// Loads a model: everything but the values of its weights, which a backend reads when it compiles the program.

import { ModelFileError } from '../errors/errors.ts';
import { createChatTemplate } from './chat/index.ts';
import type { LoadedModel } from './model.ts';
import { blaming } from './model-files.ts';
import { openModel } from './open-model.ts';
import type { Tokenizer } from './tokenizers/index.ts';

export interface LoadModelOptions {
  /** What chat templates take for today. Defaults to the system clock. */
  readonly now?: () => Date;
}

/**
 * Loads the model at `path` (see `openModel` for what that may be): checks configuration and tensors, and makes tokenizer and
 * chat template. No weight is read yet; closing the model closes its files, so do that after compiling.
 *
 * @throws ModelFileError for a missing path and for malformed or inconsistent files
 * @throws UnsupportedModelError for models that Octavo does not run
 */
export async function loadModel(path: string, options: LoadModelOptions = {}): Promise<LoadedModel> {
  const opened = await openModel(path);
  try {
    const { config, program, weights, weightBytes } = opened;
    const tokenizer = opened.createTokenizer();
    // Fewer tokens than embeddings are common (padding); more could index past the matrix.
    if (tokenizer.vocabSize > config.vocabSize) {
      throw new ModelFileError(
        opened.path,
        `the tokenizer has ${tokenizer.vocabSize} tokens, but there are embeddings of ${config.vocabSize}`,
      );
    }
    const template = opened.chatTemplate;
    const chatTemplate =
      template === null
        ? null
        : blaming(opened.path, () =>
            createChatTemplate(template, {
              bosToken: tokenText(tokenizer, tokenizer.bosTokenId),
              eosToken: tokenText(tokenizer, tokenizer.eosTokenIds[0] ?? null),
              now: options.now,
            }),
          );
    return {
      config,
      program,
      weights,
      tokenizer,
      chatTemplate,
      weightBytes,
      path: opened.path,
      close: () => opened.close(),
    };
  } catch (error) {
    await opened.close();
    throw error;
  }
}

function tokenText(tokenizer: Tokenizer, id: number | null): string | null {
  return id === null ? null : tokenizer.decode([id], { skipSpecialTokens: false });
}
