// From a MODEL argument and flags to a running engine, with progress on stderr.

import type { Engine, EngineOptions } from '../engine/api.ts';
import { createEngine } from '../engine/index.ts';
import { type EngineFlags, toEngineOptions } from './engine-flags.ts';
import { createByteProgress } from './progress.ts';
import { resolveModel } from './resolve-model.ts';

export interface LoadedEngine {
  readonly engine: Engine;
  /** The file or folder that was loaded. */
  readonly modelPath: string;
}

/** Fetches the model if it is a hub id, and loads it, with options beyond those of the flags. `model` undefined is the bundled one. */
export async function loadEngine(
  model: string | undefined,
  flags: EngineFlags,
  options: Partial<EngineOptions> = {},
): Promise<LoadedEngine> {
  const modelPath = await resolveModel(model);
  const progress = createByteProgress('Loading weights', process.stderr);
  try {
    const engine = await createEngine({
      ...toEngineOptions(flags, modelPath),
      ...options,
      onProgress: ({ loadedBytes, totalBytes }) => progress.update(loadedBytes, totalBytes),
    });
    return { engine, modelPath };
  } finally {
    progress.end();
  }
}
