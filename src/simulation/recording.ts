// Recordings of `octavo serve --record` as requests: what a simulation needs of them, by the reader of recordings.

import { RecordingFormatError, TraceFileError } from '../errors/index.ts';
import { createRecordingReader, type RecordedRequest, recordingFormat } from '../events/index.ts';
import type { TraceRequest } from './trace.ts';

/** What the header says that a simulation needs. */
export interface RecordingHeader {
  readonly blockSize: number;
  /** Of the model's weights, or null. */
  readonly fingerprint: string | null;
}

/** Whether a first line is a recording's header. */
export function isRecordingHeader(text: string): boolean {
  return /^\s*\{/.test(text) && text.includes(`"${recordingFormat}"`);
}

export interface RecordingParser {
  readonly header: RecordingHeader;
  /**
   * Null for lines that are no requests, and for requests that failed. `from` is the part that it is a line of, if there are several. Throws
   * TraceFileError for what is no line of a recording.
   */
  parse(text: string, line: number, from?: string): TraceRequest | null;
}

/**
 * Equal leading block hashes are equal leading blocks, of one tenant: the tenant is the salt. `arrivalMs` is by the engine's clock. Throws
 * TraceFileError.
 */
export function createRecordingParser(headerText: string, path: string, firstPart = path): RecordingParser {
  const reader = createRecordingReader();
  const take = (text: string, line: number, from: string) => {
    try {
      return reader.take(text, line);
    } catch (error) {
      if (!(error instanceof RecordingFormatError)) throw error;
      throw new TraceFileError(from, error.line, error.problem, { cause: error });
    }
  };
  const header = take(headerText, 1, firstPart);
  if (header?.kind !== 'header') throw new TraceFileError(firstPart, 1, 'has no header');
  const { blockSize, fingerprint } = header;
  /** Hashes as small numbers. */
  const ids = new Map<string, number>();
  const idOf = (hash: string): number => {
    let id = ids.get(hash);
    if (id === undefined) {
      id = ids.size;
      ids.set(hash, id);
    }
    return id;
  };

  function toRequest(request: RecordedRequest, line: number, from: string): TraceRequest | null {
    const { arrivedMs, inputTokens, outputTokens, blockHashes, tenant, outcome } = request;
    if (inputTokens < 1) throw new TraceFileError(from, line, `inputTokens must be at least 1, not ${inputTokens}`);
    if (blockHashes.length > Math.floor(inputTokens / blockSize)) {
      throw new TraceFileError(
        from,
        line,
        `${inputTokens} prompt tokens have no ${blockHashes.length} full blocks of ${blockSize}`,
      );
    }
    if (outcome === 'error') return null;
    return {
      arrivalMs: arrivedMs,
      promptTokens: inputTokens,
      outputTokens,
      hashIds: blockHashes.map(idOf),
      tokensPerHashId: blockSize,
      ...(typeof tenant === 'string' ? { salt: tenant } : {}),
    };
  }

  return {
    header: { blockSize, fingerprint: fingerprint ?? null },
    parse(text, line, from = path) {
      const entry = take(text, line, from);
      return entry?.kind === 'request' ? toRequest(entry, line, from) : null;
    },
  };
}
