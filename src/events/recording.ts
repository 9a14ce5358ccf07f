// The file format of recordings: JSON lines without text, and the reader that checks them.

import { RecordingFormatError } from '../errors/index.ts';
import { eventKinds, type OctavoEvent, type Snapshot } from './types.ts';

export const recordingFormat = 'octavo-recording';
export const recordingVersion = 1;

/** The first line. */
export interface RecordingHeader {
  readonly kind: 'header';
  readonly format: typeof recordingFormat;
  readonly version: typeof recordingVersion;
  /** When the recording began, in milliseconds since 1970, and at the same moment by the clock of all other times in the file. */
  readonly startedAtMs: number;
  readonly startedMs: number;
  readonly model: string;
  /** Of the model's weights and form, as sessions and tiers name them; null where it was not computed. */
  readonly fingerprint: string | null;
  readonly kvDType: string;
  readonly blockSize: number;
  readonly blockCount: number;
  /** Cache groups beyond the first one too. */
  readonly groups: readonly { readonly blockSize: number; readonly blockCount: number }[];
  readonly scheduler: RecordedSchedulerOptions;
  /** Whether event lines follow. */
  readonly events: boolean;
}

export interface RecordedSchedulerOptions {
  readonly maxNumSeqs: number;
  readonly maxNumBatchedTokens: number;
  readonly maxModelLen: number;
  readonly maxQueuedRequests: number;
  readonly maxStepStretch: number;
  readonly memory: string;
  readonly enablePrefixCaching: boolean;
  readonly evictionPolicy: string | null;
  readonly allocator: string;
  readonly adaptiveMemory: boolean;
  readonly tenantQuota: number | null;
}

/** Milliseconds that a request waited, by cause; see WaitCause. */
export interface RequestWaits {
  readonly queue: number;
  readonly blocks: number;
  readonly headroom: number;
  readonly quota: number;
  readonly pages: number;
  readonly prefix: number;
}

export type RequestOutcome = 'stop' | 'length' | 'cancelled' | 'error';

/** One line for each request, written when it ends. Times are by the clock of the engine. */
export interface RecordedRequest {
  readonly kind: 'request';
  readonly requestId: string;
  readonly arrivedMs: number;
  readonly inputTokens: number;
  /** Tokens of all choices together. */
  readonly outputTokens: number;
  /** Choices. */
  readonly n: number;
  /** 0 for all where the engine knows no priorities. */
  readonly priority: number;
  /** A keyed hash of the request's salt; equal for requests of one tenant within a file. */
  readonly tenant: string;
  /** Keyed hashes of the prompt's full blocks, each of all tokens up to its end: equal leading hashes are equal leading tokens (of one tenant). */
  readonly blockHashes: readonly string[];
  readonly outcome: RequestOutcome;
  readonly cachedTokens: number;
  readonly firstScheduledMs: number | null;
  readonly firstTokenMs: number | null;
  readonly finishedMs: number;
  readonly waitedMs: RequestWaits;
  readonly preemptions: number;
}

/** The state that the events which follow begin with. */
export interface RecordedSnapshot {
  readonly kind: 'snapshot';
  readonly snapshot: Snapshot;
}

export interface RecordedEvent {
  readonly kind: 'event';
  readonly event: OctavoEvent;
}

/** The last line of a recording that was ended in order. */
export interface RecordedEnd {
  readonly kind: 'end';
  /** `limit`: the byte budget was used up; `rotated`: the next part goes on; `closed`: the engine closed; `stopped`: somebody asked for it. */
  readonly reason: 'closed' | 'limit' | 'rotated' | 'stopped';
  readonly finishedMs: number;
  /** Of this part. */
  readonly requests: number;
  readonly events: number;
  /** Lines that were not written because the disk was too slow. With events, the recording ends at the first. */
  readonly lostLines: number;
  /** The engine's own state at that moment; null without events, and for `limit` and `rotated`. */
  readonly state: Snapshot | null;
}

export type RecordingLine = RecordingHeader | RecordedRequest | RecordedSnapshot | RecordedEvent | RecordedEnd;

const kinds: readonly string[] = ['request', 'snapshot', 'event', 'end'] satisfies RecordingLine['kind'][];

/** Takes the lines of a recording one by one. */
export interface RecordingReader {
  /** Line `number` (from 1) as what it says; null for an empty one. Throws RecordingFormatError. */
  take(text: string, number: number): RecordingLine | null;
  /** After the last line. Throws RecordingFormatError where there was no header. */
  finish(): void;
}

/**
 * The one reader of recordings. Several parts of one run may follow each other, oldest first: each has its header, and ends with `rotated`. A
 * last line that was cut off (a process that died) is not an error: `end` is missing then.
 */
export function createRecordingReader(): RecordingReader {
  let header: RecordingHeader | null = null;
  let end: RecordedEnd | null = null;
  /** A line that does not parse is an error only if another one follows. */
  let broken: RecordingFormatError | null = null;

  function takeHeader(value: unknown, number: number): RecordingHeader {
    const next = checkHeader(value, number);
    if (header !== null && (next.startedAtMs !== header.startedAtMs || next.startedMs !== header.startedMs)) {
      throw new RecordingFormatError(number, 'a part of another run follows');
    }
    header = next;
    end = null;
    return next;
  }

  return {
    take(text, number) {
      if (text.trim() === '') return null;
      if (broken !== null) throw broken;
      if (end !== null && end.reason !== 'rotated') {
        throw new RecordingFormatError(number, 'nothing may follow the end line');
      }
      let value: unknown;
      try {
        value = JSON.parse(text);
      } catch {
        broken = new RecordingFormatError(number, 'not a JSON object');
        if (header === null) throw broken;
        return null;
      }
      if (header === null || end !== null) return takeHeader(value, number);
      const line = checkLine(value, number);
      if (line.kind === 'end') end = line;
      return line;
    },
    finish() {
      if (header === null) throw new RecordingFormatError(1, 'the file is empty');
    },
  };
}

/**
 * The lines of a recording in order, the header first. `lines` are the file's, without their ends, or those of several parts, oldest first.
 * Throws RecordingFormatError with the line's number, from 1.
 *
 * @example
 * const lines = createInterface({ input: createReadStream(path) });
 * for await (const line of readRecording(lines)) if (line.kind === 'event') view.apply(line.event);
 */
export async function* readRecording(
  lines: Iterable<string> | AsyncIterable<string>,
): AsyncGenerator<RecordingLine, void, void> {
  const reader = createRecordingReader();
  let number = 0;
  for await (const text of lines) {
    const line = reader.take(text, ++number);
    if (line !== null) yield line;
  }
  reader.finish();
}

function asObject(value: unknown, line: number): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new RecordingFormatError(line, 'not a JSON object');
  }
  return value as Record<string, unknown>;
}

function checkHeader(value: unknown, line: number): RecordingHeader {
  const header = asObject(value, line);
  if (header.kind !== 'header' || header.format !== recordingFormat) {
    throw new RecordingFormatError(line, `not a recording: the first line has no format "${recordingFormat}"`);
  }
  if (header.version !== recordingVersion) {
    throw new RecordingFormatError(line, `version ${String(header.version)} is unknown; this is ${recordingVersion}`);
  }
  for (const name of ['blockSize', 'blockCount'] as const) requireCount(header, name, 1, line);
  requireNumber(header, 'startedMs', line);
  requireObject(header, 'scheduler', line);
  if (!Array.isArray(header.groups) || header.groups.length === 0) throw new RecordingFormatError(line, 'no groups');
  return value as RecordingHeader;
}

function checkLine(value: unknown, line: number): RecordingLine {
  const entry = asObject(value, line);
  const { kind } = entry;
  if (typeof kind !== 'string' || !kinds.includes(kind)) {
    throw new RecordingFormatError(line, `kind must be one of ${kinds.join(', ')}, not ${JSON.stringify(kind)}`);
  }
  if (kind === 'request') checkRequest(entry, line);
  else if (kind === 'event') checkEvent(requireObject(entry, 'event', line), line);
  else if (kind === 'snapshot') requireCount(requireObject(entry, 'snapshot', line), 'nextEventId', 0, line);
  else requireNumber(entry, 'finishedMs', line);
  return value as RecordingLine;
}

function checkRequest(entry: Record<string, unknown>, line: number): void {
  for (const name of ['inputTokens', 'outputTokens', 'cachedTokens', 'preemptions']) requireCount(entry, name, 0, line);
  requireCount(entry, 'n', 1, line);
  for (const name of ['arrivedMs', 'finishedMs', 'priority']) requireNumber(entry, name, line);
  if (!Array.isArray(entry.blockHashes) || !entry.blockHashes.every((each) => typeof each === 'string')) {
    throw new RecordingFormatError(line, 'blockHashes must be a list of strings');
  }
  requireObject(entry, 'waitedMs', line);
}

function checkEvent(event: Record<string, unknown>, line: number): void {
  if (!(eventKinds as readonly unknown[]).includes(event.type)) {
    throw new RecordingFormatError(line, `unknown event type ${JSON.stringify(event.type)}`);
  }
  requireCount(event, 'id', 0, line);
  requireNumber(event, 'timeMs', line);
}

function requireNumber(entry: Record<string, unknown>, name: string, line: number): void {
  const value = entry[name];
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw new RecordingFormatError(line, `${name} must be a number, not ${JSON.stringify(value)}`);
  }
}

function requireCount(entry: Record<string, unknown>, name: string, least: number, line: number): void {
  const value = entry[name];
  if (!Number.isSafeInteger(value) || (value as number) < least) {
    throw new RecordingFormatError(
      line,
      `${name} must be an integer of at least ${least}, not ${JSON.stringify(value)}`,
    );
  }
}

function requireObject(entry: Record<string, unknown>, name: string, line: number): Record<string, unknown> {
  const value = entry[name];
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new RecordingFormatError(line, `${name} must be an object`);
  }
  return value as Record<string, unknown>;
}
