// Reads JSON files of bounded size.

import { access } from 'node:fs/promises';
import { ModelFileError } from '../errors/errors.ts';
import { openFile } from './file.ts';

/** Config files of released models take a few KiB, tokenizer.json up to some 30 MB. */
export const jsonLimitBytes = { config: 4 << 20, tokenizer: 256 << 20 } as const;

/** Whether there is something at `path`. */
export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** The text of a file. Throws ModelFileError when it cannot be read or is longer than `limitBytes`. */
export async function readTextFile(path: string, limitBytes: number): Promise<string> {
  const file = await openFile(path);
  try {
    if (file.sizeBytes > limitBytes) {
      throw new ModelFileError(path, `is ${file.sizeBytes} bytes long; at most ${limitBytes} are read`);
    }
    const bytes = new Uint8Array(file.sizeBytes);
    await file.read(0, bytes);
    return new TextDecoder().decode(bytes);
  } finally {
    await file.close();
  }
}

/** The value of a JSON file. Throws ModelFileError as `readTextFile`, and when the text is no JSON. */
export async function readJsonFile(path: string, limitBytes: number): Promise<unknown> {
  const text = await readTextFile(path, limitBytes);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ModelFileError(path, `is not valid JSON: ${(cause as Error).message}`, { cause });
  }
}
