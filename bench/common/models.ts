// Synthesised models that the benches share, kept in bench/.cache.

import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type SynthDType, type SynthShapeName, synthesizeGguf } from '../../src/models/synth/index.ts';
import { progress } from './progress.ts';

const cacheFolder = join(dirname(dirname(fileURLToPath(import.meta.url))), '.cache');

/** Where the file of that shape and type is kept, or would be. */
export function modelPath(shape: SynthShapeName, dtype: SynthDType): string {
  return join(cacheFolder, `${shape}-${dtype}.gguf`);
}

/** The path of a file of random weights in that shape and type, written on first use. */
export async function ensureModel(shape: SynthShapeName, dtype: SynthDType): Promise<string> {
  mkdirSync(cacheFolder, { recursive: true });
  const path = modelPath(shape, dtype);
  if (!existsSync(path)) {
    progress(`writing ${shape} in ${dtype} to bench/.cache ...`);
    await synthesizeGguf({ shape, dtype, path });
  }
  return path;
}
