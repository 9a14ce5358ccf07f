// Opens a model path and checks all of it but the values of its weights: what `octavo inspect` shows and `loadModel` builds on.

import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { ModelFileError } from '../errors/errors.ts';
import type { Program } from '../program/program.ts';
import { buildProgram } from './architectures/index.ts';
import { checkTensors } from './check-tensors.ts';
import type { ModelFiles } from './model-files.ts';
import { openGgufModel } from './open-gguf.ts';
import { openHfModel } from './open-hf.ts';

export interface OpenedModel extends ModelFiles {
  /** The file or folder that was opened. */
  readonly path: string;
  readonly program: Program;
  /** Bytes, as stored, of the weights that the program reads. */
  readonly weightBytes: number;
  close(): Promise<void>;
}

/**
 * Opens a .gguf file (any part of a split one), a safetensors folder, a .safetensors file or its index (for its folder), or a
 * folder that holds one model in GGUF. Configuration, tensor names, shapes and extents are checked; no weight is read.
 *
 * @throws ModelFileError for a path that does not exist or holds no model, and for malformed or inconsistent files
 * @throws UnsupportedModelError for models that Octavo does not run
 */
export async function openModel(path: string): Promise<OpenedModel> {
  const place = await findModel(path);
  const files = place.format === 'gguf' ? await openGgufModel(place.path) : await openHfModel(place.path);
  try {
    const program = buildProgram(files.config);
    checkTensors(place.path, files.config, program, files.weights.weights, files.nameInFile);
    let weightBytes = 0;
    for (const { name } of program.weights) weightBytes += files.weights.weights.get(name)?.bytes ?? 0;
    return { ...files, path: place.path, program, weightBytes, close: () => files.weights.close() };
  } catch (error) {
    await files.weights.close();
    throw error;
  }
}

interface ModelPlace {
  readonly format: ModelFiles['format'];
  readonly path: string;
}

async function findModel(path: string): Promise<ModelPlace> {
  const found = await stat(path).catch((cause) => refusePath(path, cause));
  if (found.isDirectory()) return findInFolder(path);
  if (extname(path).toLowerCase() === '.gguf') return { format: 'gguf', path };
  if (path.endsWith('.safetensors') || basename(path) === 'model.safetensors.index.json') {
    return { format: 'safetensors', path: dirname(path) };
  }
  throw new ModelFileError(path, 'is neither a .gguf file nor a safetensors folder');
}

async function findInFolder(folder: string): Promise<ModelPlace> {
  const names = await readdir(folder).catch((cause) => refusePath(folder, cause));
  if (names.some((name) => name.endsWith('.safetensors'))) return { format: 'safetensors', path: folder };
  const ggufs = names.filter((name) => /\.gguf$/i.test(name) && !/-(?!00001)\d{5}-of-\d{5}\.gguf$/i.test(name)).sort();
  if (ggufs.length === 1) return { format: 'gguf', path: join(folder, ggufs[0]) };
  if (ggufs.length > 1) {
    throw new ModelFileError(
      folder,
      `holds ${ggufs.length} GGUF models (${ggufs.slice(0, 5).join(', ')}); name one of them`,
    );
  }
  if (names.includes('config.json')) throw new ModelFileError(folder, 'has a config.json, but no .safetensors weights');
  throw new ModelFileError(folder, 'holds no model: neither a .gguf file nor config.json with .safetensors weights');
}

function refusePath(path: string, cause: NodeJS.ErrnoException): never {
  throw new ModelFileError(path, cause.code === 'ENOENT' ? 'does not exist' : cause.message, { cause });
}
