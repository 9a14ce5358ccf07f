// The model that comes with the package, and the package's own version.

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CliError } from './cli-error.ts';

// The same from src/cli and from dist/cli.
const packageRoot = new URL('../../', import.meta.url);

/** Path of the GGUF file in models/. Throws CliError if there is none. */
export function bundledModelPath(): string {
  const folder = new URL('models/', packageRoot);
  let names: string[] = [];
  try {
    names = readdirSync(folder)
      .filter((name) => name.endsWith('.gguf'))
      .sort();
  } catch {
    // Told below: no folder is no model.
  }
  if (names.length === 0) {
    throw new CliError('This installation has no bundled model.', 'Give a MODEL: a GGUF file or a Hugging Face id.');
  }
  return fileURLToPath(new URL(names[0], folder));
}

/** The version in package.json. */
export function packageVersion(): string {
  const text = readFileSync(new URL('package.json', packageRoot), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
