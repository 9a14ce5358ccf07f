// The lines of a file, one after the other, in bounded memory.

import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { TraceFileError } from '../errors/index.ts';

export interface Line {
  readonly text: string;
  /** From 1. */
  readonly number: number;
  /** The file, where there are several. */
  readonly path?: string;
}

const CHUNK_BYTES = 1 << 18;
/** A longer line is no line of a trace. */
const MAX_LINE_CHARS = 1 << 26;

/** Without line ends and byte order mark; empty lines are passed over. Throws TraceFileError for a file that cannot be read. */
export function* readLines(path: string): Generator<Line, void, void> {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    throw fileError(path, error);
  }
  try {
    const chunk = Buffer.alloc(CHUNK_BYTES);
    const decoder = new StringDecoder('utf8');
    let rest = '';
    let number = 0;
    for (;;) {
      let count: number;
      try {
        count = readSync(file, chunk, 0, CHUNK_BYTES, null);
      } catch (error) {
        throw fileError(path, error);
      }
      rest += count === 0 ? decoder.end() : decoder.write(chunk.subarray(0, count));
      if (number === 0) rest = rest.replace(/^\uFEFF/, '');
      let from = 0;
      for (let end = rest.indexOf('\n'); end !== -1; end = rest.indexOf('\n', from)) {
        number++;
        const text = rest.slice(from, rest[end - 1] === '\r' ? end - 1 : end);
        from = end + 1;
        if (text.trim() !== '') yield { text, number };
      }
      rest = rest.slice(from);
      if (rest.length > MAX_LINE_CHARS) throw new TraceFileError(path, number + 1, 'the line is too long');
      if (count === 0) break;
    }
    if (rest.trim() !== '') yield { text: rest, number: number + 1 };
  } finally {
    closeSync(file);
  }
}

/** The lines of `path` behind those of the parts that a rotated recording left beside it, `path.1` the newest of them. */
export function* readParts(path: string): Generator<Line, void, void> {
  let count = 0;
  while (existsSync(`${path}.${count + 1}`)) count++;
  for (let part = count; part > 0; part--) {
    const partPath = `${path}.${part}`;
    for (const line of readLines(partPath)) yield { ...line, path: partPath };
  }
  yield* readLines(path);
}

/** What keeps a trace from being read. */
export function fileError(path: string, error: unknown): TraceFileError {
  const { code } = error as NodeJS.ErrnoException;
  const detail =
    code === 'ENOENT' ? 'there is no such file' : code === 'EISDIR' ? 'is a folder' : `cannot be read (${code})`;
  return new TraceFileError(path, null, detail, { cause: error });
}
