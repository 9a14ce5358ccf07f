// What the engine tells of itself: its event stream, explanations of requests, recordings.

import {
  createEventHub,
  createKeyedHash,
  type EventHub,
  type HashKey,
  type RecordedRequest,
  type RecordingHeader,
} from '../../events/index.ts';
import { createBlockHasher, HASH_WORDS } from '../../memory/index.ts';
import type { Tokenizer } from '../../models/tokenizers/tokenizer.ts';
import type { BlockMap, FinishReason, RequestTimes } from '../api.ts';
import type { GenerationState } from '../generation.ts';
import { createExplanations, explain, type RequestExplanation } from './explanations.ts';
import { createRecorder, type Recorder, type RecordingFile } from './recorder.ts';
import { createRequestTracker } from './request-tracker.ts';

export type { RequestExplanation } from './explanations.ts';
export type { RecordingFile } from './recorder.ts';
export { createRecordingFile } from './recording-file.ts';

export interface RecordingSettings {
  /** A new file. */
  readonly path: string;
  /** Whether every event is written too, so that the run can be replayed block by block. Defaults to false. */
  readonly events?: boolean;
  /** The file is never longer; the recording ends there, or goes on in a new file. Defaults to 1 GiB. */
  readonly limitBytes?: number;
  /**
   * At `limitBytes` the file becomes `path.1`, that before it `path.2` and so on, and a new one begins; so many are kept. Each is a recording of its
   * own. Defaults to 0: the recording ends at its limit.
   */
  readonly keptParts?: number;
  /** Where lines go, instead of a file at `path`. */
  readonly file?: RecordingFile;
  /** Told, in a sentence, when the recording ends early. Defaults to nobody. */
  readonly onEnd?: (message: string) => void;
}

export interface ObserverOptions {
  readonly hub: EventHub;
  readonly hashKey: HashKey;
  readonly now: () => number;
  /** Calls `action` after that many milliseconds. Without it, what is recorded is written at once. */
  readonly after?: (ms: number, action: () => void) => void;
  /** Ended requests that are kept for explanations. */
  readonly explainedRequests: number;
  /** Null where text may not be shown. */
  readonly tokenizer: Pick<Tokenizer, 'decode'> | null;
  readonly blockSize: number;
  readonly blockMap: () => BlockMap;
  readonly recording: { readonly file: RecordingFile; readonly settings: RecordingSettings } | null;
  readonly header: RecordedParts | null;
}

/** A header without what the observer knows itself. */
type RecordedParts = Omit<RecordingHeader, 'kind' | 'format' | 'version' | 'startedAtMs' | 'startedMs' | 'events'>;

export interface Observer {
  /** Before the request is forgotten. */
  ended(state: GenerationState, times: RequestTimes): void;
  /** `state` of a request that has not ended, if there is one. */
  explain(requestId: string, state: GenerationState | undefined): RequestExplanation | null;
  close(): Promise<void>;
}

export const defaultRecordingBytes = 2 ** 30;
/** Leading blocks of a prompt that a recording names. */
const mostHashes = 16_384;

/** A hub whose hashes nobody outside can make. */
export function createEngineHub(now: () => number, hashKey: HashKey): EventHub {
  return createEventHub({ now, hashKey });
}

export function randomHashKey(): HashKey {
  const words = crypto.getRandomValues(new Uint32Array(4));
  return [words[0], words[1], words[2], words[3]];
}

/** What of it whoever makes the engine decides. */
export interface ObservedParts extends Pick<ObserverOptions, 'hub' | 'hashKey' | 'explainedRequests' | 'recording'> {
  readonly explainText: boolean;
  /** Null where nothing is recorded. */
  readonly header: Omit<RecordedParts, 'kvDType'> | null;
}

/** Nothing is explained or recorded, and events are those of a hub that nobody emits to. */
export function unobserved(now: () => number): ObservedParts {
  const hashKey: HashKey = [0, 0, 0, 0];
  return {
    hub: createEngineHub(now, hashKey),
    hashKey,
    explainedRequests: 0,
    explainText: false,
    recording: null,
    header: null,
  };
}

/** Does nothing, and listens to nothing, where nothing is explained or recorded. */
export function createObserver(options: ObserverOptions): Observer {
  const { hub, now, explainedRequests, blockSize, recording } = options;
  const explanations = createExplanations(explainedRequests);
  const isOn = explainedRequests > 0 || recording !== null;
  const tracker = isOn ? createRequestTracker(hub) : null;
  const recorder = recording === null || options.header === null ? null : startRecorder(recording, options.header);
  const hasher = createBlockHasher(blockSize);
  const hash = createKeyedHash(options.hashKey);

  function startRecorder(
    { file, settings }: NonNullable<ObserverOptions['recording']>,
    header: RecordedParts,
  ): Recorder {
    return createRecorder({
      file,
      header: {
        kind: 'header',
        format: 'octavo-recording',
        version: 1,
        startedAtMs: Date.now(),
        startedMs: now(),
        ...header,
        events: settings.events ?? false,
      },
      hub,
      now,
      limitBytes: settings.limitBytes ?? defaultRecordingBytes,
      rotates: (settings.keptParts ?? 0) > 0,
      after: options.after,
      onEnd: (message) => settings.onEnd?.(message),
    });
  }

  function recordedOf(
    { promptTokenIds, salt, choices }: GenerationState,
    times: RequestTimes,
    tracked: { readonly waitedMs: RecordedRequest['waitedMs']; readonly preemptionCount: number },
  ): RecordedRequest {
    const blockCount = Math.min(mostHashes, Math.floor(promptTokenIds.length / blockSize));
    const chain = new Uint32Array((blockCount + 1) * HASH_WORDS);
    hasher.root(salt, chain);
    const blockHashes: string[] = [];
    for (let index = 1; index <= blockCount; index++) {
      hasher.extend(chain, index, promptTokenIds);
      blockHashes.push(hash(chain, index * HASH_WORDS, HASH_WORDS));
    }
    return {
      kind: 'request',
      requestId: times.requestId,
      arrivedMs: times.arrivedMs,
      inputTokens: times.promptTokens,
      outputTokens: times.completionTokens,
      n: choices.length,
      priority: 0,
      tenant: hash(chain, 0, HASH_WORDS),
      blockHashes,
      outcome: times.finishReason,
      cachedTokens: times.cachedTokens,
      firstScheduledMs: times.firstScheduledMs,
      firstTokenMs: times.firstTokenMs,
      finishedMs: times.finishedMs,
      waitedMs: { ...tracked.waitedMs },
      preemptions: tracked.preemptionCount,
    };
  }

  /** Who else has blocks of a request's block tables. */
  function sharedNow(requestId: string): { requestId: string; blocks: number }[] {
    const { sequences } = options.blockMap();
    const own = new Set(sequences.flatMap((each) => (each.requestId === requestId ? each.blocks : [])));
    const shared = new Map<string, Set<number>>();
    for (const { requestId: other, blocks } of sequences) {
      if (other === requestId) continue;
      for (const block of blocks) {
        if (!own.has(block)) continue;
        const found = shared.get(other) ?? new Set();
        shared.set(other, found.add(block));
      }
    }
    return [...shared].map(([other, blocks]) => ({ requestId: other, blocks: blocks.size }));
  }

  return {
    ended(state, times) {
      const nowMs = times.finishedMs;
      const tracked = tracker?.take(state.requestId, nowMs);
      if (tracked === undefined) return;
      recorder?.request(recordedOf(state, times, tracked));
      if (explainedRequests === 0) return;
      const ended: FinishReason | 'error' = times.finishReason;
      const { tokenizer } = options;
      explanations.keep(
        explain({ state, tracked, blockSize, nowMs, ended, isRunning: false, sharedNow: [], tokenizer }),
      );
    },
    explain(requestId, state) {
      if (explainedRequests === 0) return null;
      const nowMs = now();
      const tracked = state === undefined ? undefined : tracker?.find(requestId, nowMs);
      if (state === undefined || tracked === undefined) return explanations.find(requestId) ?? null;
      const { tokenizer } = options;
      const isRunning = options
        .blockMap()
        .sequences.some((each) => each.requestId === requestId && each.state === 'running');
      const shared = sharedNow(requestId);
      return explain({ state, tracked, blockSize, nowMs, ended: null, isRunning, sharedNow: shared, tokenizer });
    },
    async close() {
      tracker?.close();
      await recorder?.close('closed');
    },
  };
}
