// The file of a recording on this machine, or its parts.

import { access, open, rename, rm } from 'node:fs/promises';
import { InvalidRequestError } from '../../errors/errors.ts';
import type { RecordingFile } from './recorder.ts';

/**
 * A new file; throws InvalidRequestError where it exists or cannot be made: a recording replaces nothing. `rotate` moves it to `path.1`, that to
 * `path.2` and so on, and begins anew; `keptParts` of them are kept beside it.
 */
export async function createRecordingFile(path: string, keptParts = 0): Promise<RecordingFile> {
  const create = () =>
    open(path, 'wx').catch((error: NodeJS.ErrnoException) => {
      const problem = error.code === 'EEXIST' ? 'it exists already, and recordings replace nothing' : error.message;
      throw new InvalidRequestError(`cannot record to ${path}: ${problem}`, 'recording.path', path);
    });
  // Parts of another run would be read with this one's.
  for (let part = 1; part <= keptParts + 1; part++) {
    const isThere = await access(`${path}.${part}`).then(
      () => true,
      () => false,
    );
    if (isThere) {
      const problem = `there is a part of another recording, ${path}.${part}`;
      throw new InvalidRequestError(`cannot record to ${path}: ${problem}`, 'recording.path', path);
    }
  }
  let file = await create();
  let partCount = 0;
  return {
    append: (text) => file.appendFile(text, 'utf8'),
    async rotate() {
      await file.close();
      if (partCount === keptParts) await rm(keptParts === 0 ? path : `${path}.${keptParts}`);
      else partCount++;
      for (let part = partCount; part > 0; part--)
        await rename(part === 1 ? path : `${path}.${part - 1}`, `${path}.${part}`);
      file = await create();
    },
    close: () => file.close(),
  };
}
