// Recordings of `octavo serve --record`: JSON lines of a header, a line for each request when it ended, and events, which are passed over here.

import { TraceFileError } from '../errors/index.ts';
import { recordingFormat, recordingVersion } from '../events/index.ts';
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
  /** Null for lines that are no requests, and for requests that failed. Throws TraceFileError for what is no line of a recording. */
  parse(text: string, line: number): TraceRequest | null;
}

/**
 * Equal leading block hashes are equal leading blocks, of one tenant: the tenant is the salt. `arrivalMs` is by the engine's clock. Throws
 * TraceFileError.
 */
export function createRecordingParser(headerText: string, path: string): RecordingParser {
  const header = parseObject(headerText, path, 1);
  if (header.format !== recordingFormat) throw new TraceFileError(path, 1, `has no format "${recordingFormat}"`);
  if (header.version !== recordingVersion) {
    throw new TraceFileError(path, 1, `version ${String(header.version)} is unknown; this is ${recordingVersion}`);
  }
  const blockSize = count(header, 'blockSize', 1, path, 1);
  const fingerprint = typeof header.fingerprint === 'string' ? header.fingerprint : null;
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
  return {
    header: { blockSize, fingerprint },
    parse(text, line) {
      const entry = parseObject(text, path, line);
      if (typeof entry.kind !== 'string') throw new TraceFileError(path, line, 'has no kind');
      if (entry.kind !== 'request') return null;
      const promptTokens = count(entry, 'inputTokens', 1, path, line);
      const outputTokens = count(entry, 'outputTokens', 0, path, line);
      const { arrivedMs, blockHashes, tenant } = entry;
      if (typeof arrivedMs !== 'number' || !Number.isFinite(arrivedMs)) {
        throw new TraceFileError(path, line, `arrivedMs must be a number, not ${JSON.stringify(arrivedMs)}`);
      }
      if (!Array.isArray(blockHashes) || !blockHashes.every((hash) => typeof hash === 'string')) {
        throw new TraceFileError(path, line, 'blockHashes must be a list of strings');
      }
      if (blockHashes.length > Math.floor(promptTokens / blockSize)) {
        throw new TraceFileError(
          path,
          line,
          `${promptTokens} prompt tokens have no ${blockHashes.length} full blocks of ${blockSize}`,
        );
      }
      if (entry.outcome === 'error') return null;
      return {
        arrivalMs: arrivedMs,
        promptTokens,
        outputTokens,
        hashIds: blockHashes.map(idOf),
        tokensPerHashId: blockSize,
        ...(typeof tenant === 'string' ? { salt: tenant } : {}),
      };
    },
  };
}

function parseObject(text: string, path: string, line: number): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new TraceFileError(path, line, 'is not JSON', { cause: error });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new TraceFileError(path, line, 'is not a JSON object');
}

function count(entry: Record<string, unknown>, name: string, least: number, path: string, line: number): number {
  const value = entry[name];
  if (Number.isSafeInteger(value) && (value as number) >= least) return value as number;
  throw new TraceFileError(path, line, `${name} must be an integer of at least ${least}, not ${JSON.stringify(value)}`);
}
