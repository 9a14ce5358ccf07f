// JSON files of a model folder, with a limit on their size and errors that name them.

import { ModelFileError } from '../../errors/errors.ts';
import { type OpenFile, openFileIfPresent } from '../file.ts';

// The largest tokenizer.json of a published model is about 35 MB.
const maxJsonBytes = 128 * 1024 * 1024;

export function isJsonObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Parses UTF-8 JSON. `what` names it in the ModelFileError that malformed text or bytes give. */
export function parseJson(path: string, bytes: Uint8Array, what: string): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ModelFileError(path, `${what} is not UTF-8`, { cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ModelFileError(path, `${what} is not JSON: ${(cause as Error).message}`, { cause });
  }
}

/** Reads and parses a JSON file; null where there is none. */
export async function readJsonIfPresent(path: string, open: OpenFile): Promise<unknown> {
  const file = await openFileIfPresent(path, open);
  if (file === null) return null;
  try {
    if (file.sizeBytes > maxJsonBytes) {
      throw new ModelFileError(path, `has ${file.sizeBytes} bytes; at most ${maxJsonBytes} are read of a JSON file`);
    }
    const bytes = new Uint8Array(file.sizeBytes);
    await file.read(0, bytes);
    return parseJson(path, bytes, 'it');
  } finally {
    await file.close();
  }
}
