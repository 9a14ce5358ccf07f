// A model in a Hugging Face folder: config.json, tokenizer files, and weights renamed to their canonical names.

import { basename, join, resolve } from 'node:path';
import { ModelFileError } from '../errors/errors.ts';
import { describeValue, isObject } from './config-fields.ts';
import { parseHfConfig } from './config-hf.ts';
import { canonicalWeights, checkpointName } from './hf-names.ts';
import { blaming, type ModelFiles } from './model-files.ts';
import { type OpenedSafetensors, openSafetensors } from './safetensors/index.ts';
import { createTokenizerFromJson } from './tokenizers/index.ts';

/** Opens and checks the folder; `weights.close` closes its files. */
export async function openHfModel(folder: string): Promise<ModelFiles> {
  const opened = await openSafetensors(folder);
  try {
    const { configJson } = opened;
    const config = parseHfConfig({
      path: join(folder, 'config.json'),
      json: configJson,
      name: basename(resolve(folder)),
    });
    if (opened.tokenizerJson === null) throw new ModelFileError(folder, 'has no tokenizer.json');
    return {
      format: 'safetensors',
      config,
      weights: canonicalWeights(opened.source, folder),
      nameInFile: checkpointName,
      chatTemplate: readChatTemplate(folder, opened),
      createTokenizer() {
        // Without generation_config.json, transformers takes the same keys from config.json.
        const generation = opened.generationConfigJson ?? idsOf(configJson);
        return blaming(folder, () =>
          createTokenizerFromJson(opened.tokenizerJson, opened.tokenizerConfigJson, generation),
        );
      },
    };
  } catch (error) {
    await opened.source.close();
    throw error;
  }
}

function idsOf(configJson: unknown): Record<string, unknown> {
  return isObject(configJson) ? { bos_token_id: configJson.bos_token_id, eos_token_id: configJson.eos_token_id } : {};
}

/** chat_template.jinja, or `chat_template` of tokenizer_config.json: a text, or a list of named ones that has a default. */
function readChatTemplate(folder: string, { chatTemplateText, tokenizerConfigJson }: OpenedSafetensors): string | null {
  if (chatTemplateText !== null) return chatTemplateText;
  const stated = isObject(tokenizerConfigJson) ? (tokenizerConfigJson.chat_template ?? null) : null;
  if (stated === null || typeof stated === 'string') return stated;
  const path = join(folder, 'tokenizer_config.json');
  if (!Array.isArray(stated))
    throw new ModelFileError(path, `chat_template is ${describeValue(stated)}; expected a string`);
  const byDefault = stated.find((entry) => isObject(entry) && entry.name === 'default');
  if (byDefault === undefined) return null;
  if (typeof byDefault.template !== 'string') throw new ModelFileError(path, 'chat_template "default" has no text');
  return byDefault.template;
}
