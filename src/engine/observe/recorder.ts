// Writes a recording: lines into a bounded buffer, the buffer to a file or to one after the other, and never a request's time for either.

import type { EventHub, RecordedEnd, RecordedRequest, RecordingHeader } from '../../events/index.ts';

/** Where a recording goes. */
export interface RecordingFile {
  /** Resolves when it is written. */
  append(text: string): Promise<void>;
  /** What follows goes to a new part. Files without it are not rotated. */
  rotate?(): Promise<void>;
  close(): Promise<void>;
}

export interface RecorderOptions {
  readonly file: RecordingFile;
  readonly header: RecordingHeader;
  readonly hub: Pick<EventHub, 'listen' | 'snapshot'>;
  readonly now: () => number;
  /** The file is never longer. With `rotates` the parts are as long, but for what one piece of work tells of at once. */
  readonly limitBytes: number;
  /** Goes on in a new part at the limit. Defaults to false: it ends there. */
  readonly rotates?: boolean;
  /** Lines that wait for the disk. Defaults to 8 MiB. */
  readonly bufferBytes?: number;
  /** Calls `action` after that many milliseconds: lines are gathered for so long. Without it they are written at once. */
  readonly after?: (ms: number, action: () => void) => void;
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
const gatherMs = 100;
/** So much is written without gathering more. */
const fullBytes = 256 * 1024;

/** Text for one part. */
interface Part {
  lines: string[];
}

export function createRecorder(options: RecorderOptions): Recorder {
  const { file, header, hub, now, limitBytes, rotates = false, bufferBytes = 8 * 2 ** 20, after } = options;
  /** What is not written: of the part that the file is at, and of those behind it. */
  let waiting: Part[] = [{ lines: [] }];
  let waitingBytes = 0;
  /** Of the newest part. */
  let takenBytes = 0;
  let requests = 0;
  let events = 0;
  let lostLines = 0;
  let isOpen = true;
  let hasFailed = false;
  let isTurning = false;
  let isGathering = false;
  let writing: Promise<void> | null = null;

  async function write(): Promise<void> {
    try {
      while (!hasFailed) {
        const [{ lines }] = waiting;
        if (lines.length > 0) {
          waiting[0].lines = [];
          const text = lines.join('');
          waitingBytes -= Buffer.byteLength(text);
          await file.append(text);
        } else if (waiting.length > 1) {
          waiting.shift();
          await file.rotate?.();
        } else {
          break;
        }
      }
    } catch (error) {
      hasFailed = true;
      stop(`the recording ends: ${error instanceof Error ? error.message : String(error)}`);
    }
    writing = null;
  }

  function startWriting(): void {
    isGathering = false;
    if (!hasFailed) writing ??= Promise.resolve().then(write);
  }

  function queue(text: string): void {
    const bytes = Buffer.byteLength(text);
    takenBytes += bytes;
    waitingBytes += bytes;
    waiting[waiting.length - 1].lines.push(text);
    if (writing !== null || isGathering) {
      if (waitingBytes >= fullBytes) startWriting();
    } else if (after === undefined || waitingBytes >= fullBytes) {
      startWriting();
    } else {
      isGathering = true;
      after(gatherMs, () => {
        if (isGathering) startWriting();
      });
    }
  }

  /** Whether the line is in the file, or will be. */
  function add(line: object): boolean {
    if (!isOpen) return false;
    const text = `${JSON.stringify(line)}\n`;
    const bytes = Buffer.byteLength(text);
    if (takenBytes + bytes > limitBytes - endBytes) {
      if (!rotates) {
        finish('limit');
        options.onEnd(`the recording ends: it has reached its limit of ${limitBytes} bytes`);
        return false;
      }
      turnSoon();
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

  /** Not at once: within an event there are others still to come, and the state is not that before it. */
  function turnSoon(): void {
    if (isTurning) return;
    isTurning = true;
    queueMicrotask(() => {
      isTurning = false;
      if (isOpen) turn();
    });
  }

  function turn(): void {
    const snapshot = header.events ? hub.snapshot() : null;
    // Its last events may have ended the recording.
    if (!isOpen) return;
    queue(`${JSON.stringify(endOf('rotated', null))}\n`);
    waiting.push({ lines: [] });
    takenBytes = 0;
    requests = 0;
    events = 0;
    lostLines = 0;
    queue(`${JSON.stringify(header)}\n`);
    if (snapshot !== null) queue(`${JSON.stringify({ kind: 'snapshot', snapshot })}\n`);
    // A part has to hold more than what it begins with.
    if (takenBytes > limitBytes / 2) {
      finish('limit');
      options.onEnd(`the recording ends: ${limitBytes} bytes are too few for the state of the pool and what follows`);
    }
  }

  function endOf(reason: RecordedEnd['reason'], state: RecordedEnd['state']): RecordedEnd {
    return { kind: 'end', reason, finishedMs: now(), requests, events, lostLines, state };
  }

  function stop(message: string): void {
    if (isOpen) options.onEnd(message);
    isOpen = false;
    stopListening();
    waiting = [{ lines: [] }];
  }

  function finish(reason: RecordedEnd['reason']): void {
    if (!isOpen) return;
    // Before the last events are asked for: within an event there are others still to come.
    const state = header.events && reason === 'closed' ? hub.snapshot() : null;
    if (!isOpen) return;
    isOpen = false;
    stopListening();
    const text = `${JSON.stringify(endOf(reason, state))}\n`;
    const fits = rotates || takenBytes + Buffer.byteLength(text) <= limitBytes;
    queue(fits ? text : `${JSON.stringify(endOf(reason, null))}\n`);
  }

  let stopListening = (): void => {};
  queue(`${JSON.stringify(header)}\n`);
  if (header.events) {
    const snapshot = hub.snapshot();
    stopListening = hub.listen((event) => void (add({ kind: 'event', event }) && events++), { blocks: true });
    if (rotates) queue(`${JSON.stringify({ kind: 'snapshot', snapshot })}\n`);
    else add({ kind: 'snapshot', snapshot });
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
      startWriting();
      while (writing !== null) await writing;
      await file.close().catch(() => undefined);
    },
  };
}
