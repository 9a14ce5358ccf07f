// The file of a recording on this machine.

import { open } from 'node:fs/promises';
import { InvalidRequestError } from '../../errors/errors.ts';
import type { RecordingFile } from './recorder.ts';

/** A new file; throws InvalidRequestError where it exists or cannot be made: a recording replaces nothing. */
export async function createRecordingFile(path: string): Promise<RecordingFile> {
  const file = await open(path, 'wx').catch((error: NodeJS.ErrnoException) => {
    const problem = error.code === 'EEXIST' ? 'it exists already, and recordings replace nothing' : error.message;
    throw new InvalidRequestError(`cannot record to ${path}: ${problem}`, 'recording.path', path);
  });
  return {
    append: (text) => file.appendFile(text, 'utf8'),
    close: () => file.close(),
  };
}
