// Reads a trace file of either format.

import { readFile } from 'node:fs/promises';
import { TraceFileError } from '../errors/index.ts';
import { AZURE_HEADER, parseAzureLine } from './azure.ts';
import { parseMooncakeLine } from './mooncake.ts';
import type { Trace, TraceRequest } from './trace.ts';

/** The first `limit` requests of a file. Throws TraceFileError for one that cannot be read, is malformed or has no requests. */
export async function readTrace(path: string, limit: number = Number.POSITIVE_INFINITY): Promise<Trace> {
  let content: string;
  try {
    content = await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const detail =
      code === 'ENOENT' ? 'there is no such file' : code === 'EISDIR' ? 'is a folder' : `cannot be read (${code})`;
    throw new TraceFileError(path, null, detail, { cause: error });
  }
  return parseTrace(content, path, limit);
}

/** As `readTrace`, of a file's text: Azure's if it begins with their header, else Mooncake's. Empty lines are passed over. */
export function parseTrace(content: string, path: string, limit: number = Number.POSITIVE_INFINITY): Trace {
  const lines = content.replace(/^\uFEFF/, '').split(/\r?\n/);
  const format = lines[0].trim() === AZURE_HEADER ? 'azure' : 'mooncake';
  const parse = format === 'azure' ? parseAzureLine : parseMooncakeLine;
  const requests: TraceRequest[] = [];
  for (let i = format === 'azure' ? 1 : 0; i < lines.length && requests.length < limit; i++) {
    if (lines[i].trim() !== '') requests.push(parse(lines[i], path, i + 1));
  }
  if (requests.length === 0) throw new TraceFileError(path, null, 'has no requests');
  const first = requests.reduce((earliest, { arrivalMs }) => Math.min(earliest, arrivalMs), Number.POSITIVE_INFINITY);
  return { format, path, requests: requests.map((one) => ({ ...one, arrivalMs: one.arrivalMs - first })) };
}
