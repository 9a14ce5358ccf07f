// Reads trace files of every format: as a list, or as a stream of arrivals.

import { TraceFileError } from '../errors/index.ts';
import { type ArrivalStream, type Arrivals, longestWithin } from './arrivals.ts';
import { AZURE_HEADER, parseAzureLine } from './azure.ts';
import { type Line, readLines, readParts } from './line-reader.ts';
import { parseMooncakeLine } from './mooncake.ts';
import { createRecordingParser, isRecordingHeader, type RecordingHeader } from './recording.ts';
import type { Trace, TraceFormat, TraceRequest } from './trace.ts';

/** The first `limit` requests of a file. Throws TraceFileError for one that cannot be read, is malformed or has no requests. */
export async function readTrace(path: string, limit: number = Number.POSITIVE_INFINITY): Promise<Trace> {
  return traceOf(linesOf(path), path, limit);
}

/** Of the file; of a recording, those of the parts before it too. */
function* linesOf(path: string): Generator<Line, void, void> {
  const lines = readLines(path);
  const first = lines.next();
  const isRecording = !first.done && isRecordingHeader(first.value.text);
  if (isRecording) {
    lines.return();
    yield* readParts(path);
  } else if (!first.done) {
    yield first.value;
    yield* lines;
  }
}

/** As `readTrace`, of a file's text: by its first line Azure's, a recording, or Mooncake's. Empty lines are passed over. */
export function parseTrace(content: string, path: string, limit: number = Number.POSITIVE_INFINITY): Trace {
  const lines = content.replace(/^\uFEFF/, '').split(/\r?\n/);
  const numbered = lines.map((text, i): Line => ({ text, number: i + 1 })).filter(({ text }) => text.trim() !== '');
  return traceOf(numbered, path, limit);
}

function traceOf(lines: Iterable<Line>, path: string, limit: number): Trace {
  const requests: TraceRequest[] = [];
  const reader = readRequests(lines, path);
  for (const request of reader.requests) {
    requests.push(request);
    if (requests.length >= limit) break;
  }
  if (requests.length === 0) throw new TraceFileError(path, null, 'has no requests');
  const first = requests.reduce((earliest, { arrivalMs }) => Math.min(earliest, arrivalMs), Number.POSITIVE_INFINITY);
  return {
    format: reader.format(),
    path,
    requests: requests.map((one) => ({ ...one, arrivalMs: one.arrivalMs - first })),
  };
}

interface RequestReader {
  readonly requests: Iterable<TraceRequest>;
  /** Known once a request was read. */
  format(): TraceFormat;
  header(): RecordingHeader | null;
}

function readRequests(lines: Iterable<Line>, path: string): RequestReader {
  let format: TraceFormat = 'mooncake';
  let header: RecordingHeader | null = null;
  function* read(): Generator<TraceRequest, void, void> {
    let parse: (text: string, line: number, from?: string) => TraceRequest | null = (text, line) =>
      parseMooncakeLine(text, path, line);
    let isFirst = true;
    for (const { text, number, path: from = path } of lines) {
      if (isFirst) {
        isFirst = false;
        if (text.trim() === AZURE_HEADER) {
          format = 'azure';
          parse = (line, at) => parseAzureLine(line, path, at);
          continue;
        }
        if (isRecordingHeader(text)) {
          format = 'recording';
          const parser = createRecordingParser(text, path, from);
          ({ header } = parser);
          parse = parser.parse;
          continue;
        }
      }
      const request = parse(text, number, from);
      if (request !== null) yield request;
    }
  }
  return { requests: read(), format: () => format, header: () => header };
}

/** A trace that is read again each time it is replayed, as far as it is needed. */
export interface TraceArrivals extends Arrivals {
  readonly format: TraceFormat;
  readonly path: string;
  /** Of a recording; else null. */
  readonly recording: RecordingHeader | null;
  /** Without the requests, in the order of the file: [requestCount] each. */
  readonly promptTokens: Int32Array;
  readonly outputTokens: Int32Array;
}

/**
 * Checks every line of a file and notes times and lengths (20 bytes a request); requests themselves are read again as they arrive, so that a long
 * trace takes little memory. `speed`: how many times faster than recorded they come. Throws as `readTrace` does.
 */
export function openTrace(path: string, limit: number = Number.POSITIVE_INFINITY, speed = 1): TraceArrivals {
  const arrivals: number[] = [];
  const prompts: number[] = [];
  const outputs: number[] = [];
  let sharesPrompts = false;
  const reader = readRequests(linesOf(path), path);
  for (const { arrivalMs, promptTokens, outputTokens, hashIds } of reader.requests) {
    arrivals.push(arrivalMs);
    prompts.push(promptTokens);
    outputs.push(outputTokens);
    sharesPrompts ||= hashIds !== null;
    if (arrivals.length >= limit) break;
  }
  const requestCount = arrivals.length;
  if (requestCount === 0) throw new TraceFileError(path, null, 'has no requests');
  const firstMs = arrivals.reduce((earliest, each) => Math.min(earliest, each), Number.POSITIVE_INFINITY);
  const order = Uint32Array.from(arrivals.keys()).sort((a, b) => arrivals[a] - arrivals[b] || a - b);
  const promptTokens = Int32Array.from(prompts);
  const outputTokens = Int32Array.from(outputs);
  return {
    format: reader.format(),
    path,
    recording: reader.header(),
    requestCount,
    sharesPrompts,
    promptTokens,
    outputTokens,
    longestTokens: (limitTokens) =>
      longestWithin(
        promptTokens.map((count, i) => count + outputTokens[i]),
        limitTokens,
      ),
    open(): ArrivalStream {
      const requests = readRequests(linesOf(path), path).requests[Symbol.iterator]();
      /** Read before their time, because the file is in another order. */
      const early = new Map<number, TraceRequest>();
      let read = 0;
      let taken = 0;
      return {
        get nextMs() {
          return taken < requestCount ? (arrivals[order[taken]] - firstMs) / speed : null;
        },
        take() {
          const index = order[taken++];
          while (read <= index) {
            const { value } = requests.next();
            if (value === undefined) throw new TraceFileError(path, null, 'has changed while it was read');
            early.set(read++, value);
          }
          const request = early.get(index)!;
          early.delete(index);
          if (taken === requestCount) requests.return?.();
          return { index, request: { ...request, arrivalMs: (request.arrivalMs - firstMs) / speed } };
        },
        ended() {},
      };
    },
  };
}
