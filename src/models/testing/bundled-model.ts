// Where the bundled model lies, for tests.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../../../models', import.meta.url));

/** Path of the one GGUF in `models/`. */
export function bundledModelPath(): string {
  const files = readdirSync(folder).filter((name) => name.endsWith('.gguf'));
  if (files.length !== 1) throw new Error(`models/ must hold one GGUF, found ${files.length}`);
  return join(folder, files[0]);
}
