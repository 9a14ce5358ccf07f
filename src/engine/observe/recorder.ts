// Writes a recording: lines into a bounded buffer, the buffer to a file, and never a request's time for either.

import type { EventHub, RecordedEnd, RecordedRequest, RecordingHeader, Snapshot } from '../../events/index.ts';

/** Where a recording goes. */
export interface RecordingFile {
  /** Resolves when it is written. */
  append(text: string): Promise<void>;
  close(): Promise<void>;
}

export interface RecorderOptions {
  readonly file: RecordingFile;
  readonly header: RecordingHeader;
  readonly hub: Pick<EventHub, 'listen' | 'snapshot'>;
  readonly now: () => number;
  /** The file is never longer. */
  readonly limitBytes: number;
  /** Lines that wait for the disk. Defaults to 8 MiB. */
  readonly bufferBytes?: number;
  /** Told once, in a sentence, when the recording ends before it was asked to. */
  readonly onEnd: (message: string) => void;
}

export interface Recorder {
  readonly isOpen: boolean;
  request(request: RecordedRequest): void;
  /** Ends the recording with its last line and waits for the disk. Never rejects. */
  close(reason: RecordedEnd['reason']): Promise<void>;
}

/** Kept free for the last line, without a state. */
const endBytes = 1024;

export function createRecorder(options: RecorderOptions): Recorder {
  const { file, header, hub, now, limitBytes, bufferBytes = 8 * 2 ** 20 } = options;
  let waiting: string[] = [];
  let waitingBytes = 0;
  let takenBytes = 0;
  let requests = 0;
  let events = 0;
  let lostLines = 0;
  let isOpen = true;
  let hasFailed = false;
  let writing: Promise<void> | null = null;

  async function write(): Promise<void> {
    while (waiting.length > 0 && !hasFailed) {
      const text = waiting.join('');
      waiting = [];
      waitingBytes = 0;
      try {
        await file.append(text);
      } catch (error) {
        hasFailed = true;
        stop(`the recording ends: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    writing = null;
  }

  function queue(text: string): void {
    takenBytes += Buffer.byteLength(text);
    waitingBytes += Buffer.byteLength(text);
    waiting.push(text);
    writing ??= Promise.resolve().then(write);
  }

  /** Whether the line is in the file, or will be. */
  function add(line: object): boolean {
    if (!isOpen) return false;
    const text = `${JSON.stringify(line)}\n`;
    const bytes = Buffer.byteLength(text);
    if (takenBytes + bytes > limitBytes - endBytes) {
      finish('limit');
      options.onEnd(`the recording ends: it has reached its limit of ${limitBytes} bytes`);
      return false;
    }
    if (waitingBytes + bytes > bufferBytes) {
      lostLines++;
      // What follows a lost event makes no sense without it.
      if (header.events) {
        finish('stopped');
        options.onEnd('the recording ends: the disk is slower than the events');
      }
      return false;
    }
    queue(text);
    return true;
  }

  function stop(message: string): void {
    if (isOpen) options.onEnd(message);
    isOpen = false;
    stopListening();
    waiting = [];
  }

  function finish(reason: RecordedEnd['reason']): void {
    if (!isOpen) return;
    // Before the last events are asked for: within an event there are others still to come.
    const state = header.events && reason === 'closed' ? hub.snapshot() : null;
    if (!isOpen) return;
    isOpen = false;
    stopListening();
    const end: RecordedEnd = { kind: 'end', reason, finishedMs: now(), requests, events, lostLines, state };
    const text = `${JSON.stringify(end)}\n`;
    const fits = takenBytes + Buffer.byteLength(text) <= limitBytes;
    queue(fits ? text : `${JSON.stringify({ ...end, state: null })}\n`);
  }

  let stopListening = (): void => {};
  queue(`${JSON.stringify(header)}\n`);
  if (header.events) {
    const snapshot: Snapshot = hub.snapshot();
    stopListening = hub.listen((event) => void (add({ kind: 'event', event }) && events++), { blocks: true });
    add({ kind: 'snapshot', snapshot });
  }

  return {
    get isOpen() {
      return isOpen;
    },
    request(request) {
      if (add(request)) requests++;
    },
    async close(reason) {
      finish(reason);
      while (writing !== null) await writing;
      await file.close().catch(() => undefined);
    },
  };
}
