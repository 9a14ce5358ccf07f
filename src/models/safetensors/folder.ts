// Opens a Hugging Face model folder: safetensors weights in one file or many shards, and the JSON files beside them.

import { join } from 'node:path';
import type { WeightSource } from '../../backends/backend.ts';
import { ModelFileError } from '../../errors/errors.ts';
import { type OpenFile, openFile, openFileIfPresent, type RandomAccessFile } from '../file.ts';
import { createFileWeightSource, type PlacedWeight } from '../file-weights.ts';
import { quoted } from '../quoted.ts';
import { readSafetensorsHeader } from './header.ts';
import { isJsonObject, readJsonIfPresent } from './json.ts';

export interface OpenedSafetensors {
  readonly configJson: unknown;
  /** Parsed; null where the folder has none, as the next two. */
  readonly tokenizerJson: unknown;
  readonly tokenizerConfigJson: unknown;
  readonly generationConfigJson: unknown;
  /** The text of chat_template.jinja, which newer folders have instead of a field of tokenizer_config.json. */
  readonly chatTemplateText: string | null;
  /** Weights by the names in the files (`model.layers.0.self_attn.q_proj.weight`). */
  readonly source: WeightSource;
}

export interface OpenSafetensorsOptions {
  /** Opens a file by path. Defaults to the file system. */
  readonly openFile?: OpenFile;
}

const singleFileName = 'model.safetensors';
const indexFileName = 'model.safetensors.index.json';
const maxShardCount = 1_000;
const maxTemplateBytes = 1024 * 1024;

/**
 * Opens a model folder. Closing `source` closes its files.
 *
 * @throws ModelFileError when config.json or the weights are missing, or any file is malformed or inconsistent
 * @throws UnsupportedModelError for weights of another dtype than F32, F16 and BF16
 */
export async function openSafetensors(
  folder: string,
  options: OpenSafetensorsOptions = {},
): Promise<OpenedSafetensors> {
  const open = options.openFile ?? openFile;
  const configJson = await readJsonIfPresent(join(folder, 'config.json'), open);
  if (configJson === null) throw new ModelFileError(folder, 'has no config.json (or it holds null)');
  const tokenizerJson = await readJsonIfPresent(join(folder, 'tokenizer.json'), open);
  const tokenizerConfigJson = await readJsonIfPresent(join(folder, 'tokenizer_config.json'), open);
  const generationConfigJson = await readJsonIfPresent(join(folder, 'generation_config.json'), open);
  const chatTemplateText = await readTextIfPresent(join(folder, 'chat_template.jinja'), open);
  const source = await openWeights(folder, open);
  return { configJson, tokenizerJson, tokenizerConfigJson, generationConfigJson, chatTemplateText, source };
}

async function openWeights(folder: string, open: OpenFile): Promise<WeightSource> {
  const files: RandomAccessFile[] = [];
  try {
    const single = await openFileIfPresent(join(folder, singleFileName), open);
    if (single !== null) {
      files.push(single);
      return createFileWeightSource(folder, files, await placedWeights(single));
    }
    const indexPath = join(folder, indexFileName);
    const index = await readJsonIfPresent(indexPath, open);
    if (index === null) throw new ModelFileError(folder, `has neither ${singleFileName} nor ${indexFileName}`);
    const shardByWeight = checkIndex(indexPath, index);
    const placed: PlacedWeight[] = [];
    for (const shard of new Set(shardByWeight.values())) {
      const file = await open(join(folder, shard));
      files.push(file);
      for (const weight of await placedWeights(file)) {
        if (shardByWeight.get(weight.name) === shard) placed.push(weight);
      }
    }
    const source = createFileWeightSource(folder, files, placed);
    for (const [name, shard] of shardByWeight) {
      if (source.weights.has(name)) continue;
      throw new ModelFileError(indexPath, `says that tensor ${quoted(name)} is in ${shard}, but it is not`);
    }
    return source;
  } catch (error) {
    await Promise.all(files.map((file) => file.close()));
    throw error;
  }
}

async function placedWeights(file: RandomAccessFile): Promise<readonly PlacedWeight[]> {
  const tensors = await readSafetensorsHeader(file);
  return tensors.map((tensor) => ({ ...tensor, file }));
}

/** The shard of every weight, by name. Shards are plain file names: an index must not lead out of its folder. */
function checkIndex(path: string, index: unknown): ReadonlyMap<string, string> {
  const weightMap = isJsonObject(index) ? index.weight_map : undefined;
  if (!isJsonObject(weightMap)) throw new ModelFileError(path, 'has no weight_map object');
  const shardByWeight = new Map<string, string>();
  for (const [name, shard] of Object.entries(weightMap)) {
    if (typeof shard !== 'string' || !/^[^/\\\0]{1,200}\.safetensors$/.test(shard)) {
      throw new ModelFileError(
        path,
        `places tensor ${quoted(name)} in ${quoted(String(shard))}, which is not the name of a ` +
          '.safetensors file in this folder',
      );
    }
    shardByWeight.set(name, shard);
  }
  const shardCount = new Set(shardByWeight.values()).size;
  if (shardCount < 1 || shardCount > maxShardCount) {
    throw new ModelFileError(path, `names ${shardCount} shards; 1 to ${maxShardCount} are possible`);
  }
  return shardByWeight;
}

async function readTextIfPresent(path: string, open: OpenFile): Promise<string | null> {
  const file = await openFileIfPresent(path, open);
  if (file === null) return null;
  try {
    if (file.sizeBytes > maxTemplateBytes) {
      throw new ModelFileError(path, `has ${file.sizeBytes} bytes; at most ${maxTemplateBytes} are read`);
    }
    const bytes = Buffer.alloc(file.sizeBytes);
    await file.read(0, bytes);
    return bytes.toString('utf8');
  } finally {
    await file.close();
  }
}
