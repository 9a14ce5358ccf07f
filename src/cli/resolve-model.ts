// From a MODEL argument to a file or folder on disk.

import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fetchFromHub } from '../models/hub/index.ts';
import { bundledModelPath } from './bundled-model.ts';
import { CliError } from './cli-error.ts';
import { createByteProgress } from './progress.ts';

/** owner/name, or owner/name:what. */
const hubIdPattern = /^[\w-][\w.-]*\/[\w-][\w.-]*(:.+)?$/;

/** What exists as a path is that path; else a Hugging Face id is fetched. Undefined is the bundled model. */
export async function resolveModel(model: string | undefined): Promise<string> {
  if (model === undefined) return bundledModelPath();
  if (existsSync(model)) return model;
  if (hubIdPattern.test(model) && !/\.gguf$/i.test(model.split(':')[0])) return fetchModel(model);
  throw new CliError(
    `There is no file or folder ${model}.`,
    'MODEL is a GGUF file, a safetensors folder, or a Hugging Face id such as owner/name or owner/name:q8_0.',
  );
}

/** The only place that reads the hub's environment. */
async function fetchModel(id: string): Promise<string> {
  const progress = createByteProgress(`Fetching ${id}`, process.stderr);
  try {
    return await fetchFromHub(id, {
      endpoint: process.env.HF_ENDPOINT || undefined,
      token: process.env.HF_TOKEN || undefined,
      cacheFolder: join(process.env.HF_HOME || join(homedir(), '.cache', 'huggingface'), 'hub'),
      onProgress: (doneBytes: number, totalBytes: number) => progress.update(doneBytes, totalBytes),
    });
  } finally {
    progress.end();
  }
}
