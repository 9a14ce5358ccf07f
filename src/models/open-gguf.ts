// A model in GGUF: configuration, tokenizer and chat template from the metadata of one file.

import type { WeightSource } from '../backends/backend.ts';
import { ModelFileError } from '../errors/errors.ts';
import { limits } from './config-fields.ts';
import { parseGgufConfig } from './config-gguf.ts';
import { openGguf } from './gguf/index.ts';
import { blaming, type ModelFiles } from './model-files.ts';
import { createTokenizerFromGguf } from './tokenizers/index.ts';

/** Opens and checks the file; `weights.close` closes it. */
export async function openGgufModel(path: string): Promise<ModelFiles> {
  const { metadata, source } = await openGguf(path);
  try {
    const ropeFactors = await readRopeFactors(path, source);
    const config = parseGgufConfig({ path, metadata, tensors: source.weights, ropeFactors });
    const template = metadata.get('tokenizer.chat_template');
    if (template !== undefined && typeof template !== 'string') {
      throw new ModelFileError(path, 'tokenizer.chat_template is not a string');
    }
    return {
      format: 'gguf',
      config,
      weights: source,
      nameInFile: (name) => name,
      chatTemplate: template ?? null,
      createTokenizer: () => blaming(path, () => createTokenizerFromGguf(metadata)),
    };
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** The divisors of `rope_freqs.weight`, which belong to the configuration; null where there are none. */
async function readRopeFactors(path: string, source: WeightSource): Promise<Float32Array | null> {
  const info = source.weights.get('rope_freqs.weight');
  if (!info) return null;
  const longest = limits.headSize.max / 2;
  if (info.dtype !== 'f32' || info.rows !== 1 || info.columns > longest) {
    const shape = `${info.dtype} of [${info.rows}, ${info.columns}]`;
    throw new ModelFileError(
      path,
      `tensor rope_freqs.weight is ${shape}; expected a vector of f32, at most ${longest} long`,
    );
  }
  const bytes = new Uint8Array(info.bytes);
  await source.read(info.name, 0, bytes);
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: info.columns }, (_, i) => view.getFloat32(i * 4, true));
}
