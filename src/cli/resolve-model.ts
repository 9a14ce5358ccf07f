// From a MODEL argument to a file or folder on disk.

import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fetchFromHub, isHubReference } from '../models/hub/index.ts';
import { bundledModelPath } from './bundled-model.ts';
import { CliError } from './cli-error.ts';
import { createByteProgress } from './progress.ts';

/** What exists as a path is that path; else a Hugging Face id is fetched. Undefined is the bundled model. */
export async function resolveModel(model: string | undefined): Promise<string> {
  if (model === undefined) return bundledModelPath();
  if (existsSync(model)) return model;
  // `models/x.gguf` has the form of an id, but is a mistyped path.
  if (isHubReference(model) && !/\.(gguf|safetensors)$/i.test(model.split(':')[0])) return fetchModel(model);
  throw new CliError(
    `There is no file or folder ${model}.`,
    'MODEL is a GGUF file, a safetensors folder, or a Hugging Face id such as owner/name or owner/name:q8_0.',
  );
}

/** The only place that reads the hub's environment. */
async function fetchModel(repo: string): Promise<string> {
  const progress = createByteProgress(`Fetching ${repo}`, process.stderr);
  try {
    const fetched = await fetchFromHub({
      repo,
      endpoint: process.env.HF_ENDPOINT || undefined,
      token: process.env.HF_TOKEN || undefined,
      cacheDir: join(process.env.HF_HOME || join(homedir(), '.cache', 'huggingface'), 'hub'),
      onProgress: ({ receivedBytes, totalBytes }) => progress.update(receivedBytes, totalBytes),
    });
    return fetched.path;
  } finally {
    progress.end();
  }
}
