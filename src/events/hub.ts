// The hub: numbers events, hands them to listeners at once, and keeps the last ones in a ring for viewers that read at their own pace.

import { createKeyedHash, type HashKey, type KeyedHash } from './keyed-hash.ts';
import {
  blockEventKinds,
  type EventBody,
  type EventKind,
  eventKinds,
  type OctavoEvent,
  type Snapshot,
} from './types.ts';

export interface EventHubOptions {
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** Of the hashes in events. Random for each run, where nobody is to find out tokens by trying. */
  readonly hashKey: HashKey;
  /** The most events that are kept for viewers. Defaults to 8192. */
  readonly ringEvents?: number;
  /** The most array entries that those events may have together. Defaults to 1,048,576. */
  readonly ringEntries?: number;
  /** A listener threw; it is not called again. */
  readonly onListenerError?: (error: unknown) => void;
}

export type EventListener = (event: OctavoEvent) => void;

export interface ViewOptions {
  /** Only events of these kinds. Defaults to all. Without any kind of block event, none are made for this viewer. */
  readonly kinds?: readonly EventKind[];
  /** Go on after the event of this id, if the ring has what follows; else begin with a snapshot. */
  readonly afterEventId?: number;
}

/** What a viewer reads. */
export type ViewerBatch =
  | { readonly type: 'events'; readonly events: readonly OctavoEvent[] }
  | {
      /**
       * The state now, which the events that follow change; `snapshot` is null for a viewer that does not see all kinds of block events.
       * `behind`: the viewer was too slow, and the ring has lost what it had not read.
       */
      readonly type: 'resync';
      readonly reason: 'start' | 'behind';
      readonly nextEventId: number;
      readonly snapshot: Snapshot | null;
    };

/** A reader with a place in the ring. It holds no events, so that one that does not read costs nothing. */
export interface EventViewer extends AsyncIterable<ViewerBatch> {
  /** What has happened since the last call, at most `limit` events (defaults to 1024), or null if nothing has. Not to be called from a listener. */
  read(limit?: number): ViewerBatch | null;
  /** Resolves when `read` has something, or the viewer is closed. */
  ready(): Promise<void>;
  /** Resolves when the next step is planned, or the viewer is closed: what is done in the turn after that is done while the step runs. */
  nextStep(): Promise<void>;
  /** Ends the iteration. */
  close(): void;
  readonly isClosed: boolean;
  /** Whether the ring has lost what comes next, so that the next read is a resync. */
  readonly isBehind: boolean;
}

/** What emits: asked by those who make events, so that nothing is made for nobody. */
export interface EventSink {
  readonly wantsBlocks: boolean;
  readonly wantsSteps: boolean;
  /** The index of the step that events belong to. */
  step: number;
  readonly hash: KeyedHash;
  emit(body: EventBody): void;
  /** Adds a source that gathers events: it is asked to emit what it has before anybody else's event, and before a snapshot. */
  addSource(flush: () => void): void;
}

export interface EventHub extends EventSink {
  readonly nextEventId: number;
  /** Events in the ring now. */
  readonly ringEvents: number;
  /** Calls `listener` with every event as it is emitted; `blocks` false (the default) is for those who need step events only. Returns what stops it. */
  listen(listener: EventListener, options?: { readonly blocks?: boolean }): () => void;
  view(options?: ViewOptions): EventViewer;
  /** Where snapshots come from; without it there are none. */
  snapshotFrom(take: () => Omit<Snapshot, 'nextEventId' | 'step' | 'timeMs'>): void;
  snapshot(): Snapshot;
}

const isBlockKind = new Set<EventKind>(blockEventKinds);

export function createEventHub(options: EventHubOptions): EventHub {
  const { now, ringEvents: capacity = 8192, ringEntries = 1_048_576 } = options;
  const ring: (OctavoEvent | undefined)[] = new Array(capacity);
  const weights = new Uint32Array(capacity);
  let weight = 0;
  let nextId = 0;
  /** The oldest event in the ring. */
  let firstId = 0;
  /** From this event on no block events were left out. */
  let blocksFromId = Number.POSITIVE_INFINITY;
  let stepsFromId = Number.POSITIVE_INFINITY;
  const listeners = new Map<EventListener, boolean>();
  const viewers = new Set<{ readonly blocks: boolean; wake(): void; stepPlanned(): void }>();
  const sources: (() => void)[] = [];
  let take: (() => Omit<Snapshot, 'nextEventId' | 'step' | 'timeMs'>) | null = null;

  function flush(): void {
    for (const source of sources) source();
  }

  function updateWants(): void {
    const isWanted = listeners.size + viewers.size > 0;
    const blocks = [...listeners.values()].includes(true) || [...viewers].some((viewer) => viewer.blocks);
    // What was gathered belongs to those who were there.
    flush();
    if (blocks && !hub.wantsBlocks) blocksFromId = nextId;
    if (isWanted && !hub.wantsSteps) stepsFromId = nextId;
    if (!blocks) blocksFromId = Number.POSITIVE_INFINITY;
    if (!isWanted) stepsFromId = Number.POSITIVE_INFINITY;
    hub.wantsBlocks = blocks;
    hub.wantsSteps = isWanted;
  }

  function forgetOldest(): void {
    const slot = firstId % capacity;
    weight -= weights[slot];
    ring[slot] = undefined;
    firstId++;
  }

  function keep(event: OctavoEvent): void {
    const entries = entryCount(event);
    if (nextId - firstId === capacity) forgetOldest();
    while (firstId < nextId && weight + entries > ringEntries) forgetOldest();
    const slot = event.id % capacity;
    ring[slot] = event;
    weights[slot] = entries;
    weight += entries;
  }

  function emit(body: EventBody): void {
    // Microseconds are enough, and short numbers are quickly written.
    const event = { id: nextId, step: hub.step, timeMs: Math.round(now() * 1000) / 1000, ...body } as OctavoEvent;
    if (viewers.size > 0) keep(event);
    nextId++;
    if (viewers.size === 0) firstId = nextId;
    const isBlock = isBlockKind.has(event.type);
    for (const [listener, blocks] of listeners) {
      if (isBlock && !blocks) continue;
      try {
        listener(event);
      } catch (error) {
        listeners.delete(listener);
        updateWants();
        options.onListenerError?.(error);
      }
    }
    for (const viewer of viewers) {
      viewer.wake();
      if (event.type === 'scheduled') viewer.stepPlanned();
    }
  }

  function snapshot(): Snapshot {
    flush();
    if (take === null) throw new Error('no source of snapshots');
    return { ...take(), nextEventId: nextId, step: hub.step, timeMs: now() };
  }

  function view({ kinds, afterEventId }: ViewOptions = {}): EventViewer {
    const wanted = kinds === undefined ? null : new Set(kinds);
    const blocks = wanted === null || blockEventKinds.some((kind) => wanted.has(kind));
    const hasState = wanted === null || blockEventKinds.every((kind) => wanted.has(kind));
    let awaited: Awaited | null = null;
    let awaitedStep: Awaited | null = null;
    let isClosed = false;
    let cursor = nextId;
    let resync: 'start' | 'behind' | null = 'start';
    if (afterEventId !== undefined) {
      const isThere = afterEventId + 1 >= firstId && afterEventId < nextId;
      const isWhole = afterEventId + 1 >= stepsFromId && (!blocks || afterEventId + 1 >= blocksFromId);
      if (isThere && isWhole) {
        cursor = afterEventId + 1;
        resync = null;
      }
    }

    const entry = {
      blocks,
      wake() {
        if (awaited === null) return;
        const { resolve } = awaited;
        awaited = null;
        resolve();
      },
      stepPlanned() {
        awaitedStep?.resolve();
        awaitedStep = null;
      },
    };
    viewers.add(entry);
    updateWants();

    const viewer: EventViewer = {
      get isClosed() {
        return isClosed;
      },
      get isBehind() {
        return cursor < firstId || resync === 'behind';
      },
      read(limit = 1024) {
        if (isClosed) return null;
        flush();
        if (cursor < firstId) resync ??= 'behind';
        if (resync !== null) {
          const reason = resync;
          resync = null;
          const state = hasState && take !== null ? snapshot() : null;
          cursor = nextId;
          return { type: 'resync', reason, nextEventId: cursor, snapshot: state };
        }
        const events: OctavoEvent[] = [];
        for (; cursor < nextId && events.length < limit; cursor++) {
          const event = ring[cursor % capacity]!;
          if (wanted === null ? true : wanted.has(event.type)) events.push(event);
        }
        return events.length === 0 ? null : { type: 'events', events };
      },
      ready() {
        if (isClosed || resync !== null || cursor < nextId) return Promise.resolve();
        awaited ??= createAwaited();
        return awaited.promise;
      },
      nextStep() {
        if (isClosed) return Promise.resolve();
        awaitedStep ??= createAwaited();
        return awaitedStep.promise;
      },
      close() {
        if (isClosed) return;
        isClosed = true;
        viewers.delete(entry);
        updateWants();
        if (viewers.size === 0) {
          while (firstId < nextId) forgetOldest();
        }
        entry.wake();
        entry.stepPlanned();
      },
      async *[Symbol.asyncIterator]() {
        try {
          while (!isClosed) {
            const batch = viewer.read();
            if (batch !== null) yield batch;
            else await viewer.ready();
          }
        } finally {
          viewer.close();
        }
      },
    };
    return viewer;
  }

  const hub = {
    wantsBlocks: false,
    wantsSteps: false,
    step: 0,
    hash: createKeyedHash(options.hashKey),
    get nextEventId() {
      return nextId;
    },
    get ringEvents() {
      return nextId - firstId;
    },
    emit(body: EventBody) {
      flush();
      emit(body);
    },
    addSource(source: () => void) {
      sources.push(source);
    },
    listen(listener: EventListener, { blocks = false }: { readonly blocks?: boolean } = {}) {
      listeners.set(listener, blocks);
      updateWants();
      return () => {
        if (listeners.delete(listener)) updateWants();
      };
    },
    view,
    snapshotFrom(source: () => Omit<Snapshot, 'nextEventId' | 'step' | 'timeMs'>) {
      take = source;
    },
    snapshot,
  };
  return hub;
}

interface Awaited {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

function createAwaited(): Awaited {
  let resolve = (): void => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

/** A sink that wants nothing. */
export function createSilentSink(): EventSink {
  return { wantsBlocks: false, wantsSteps: false, step: 0, hash: () => '', emit() {}, addSource() {} };
}

/** Entries of an event's arrays, roughly what it takes to keep and to send. */
function entryCount(event: OctavoEvent): number {
  switch (event.type) {
    case 'allocated':
    case 'shared':
    case 'released':
    case 'left_behind': {
      let count = 4;
      for (const { blocks } of event.spans) count += 4 + blocks.length;
      return count;
    }
    case 'cached':
      return 4 + 4 * event.blocks.length;
    case 'copied':
      return 4 + 6 * event.copies.length;
    case 'merged':
      return 4 + 4 * event.merges.length;
    case 'held':
    case 'unheld':
    case 'uncached':
    case 'evicted':
    case 'paged_in':
      return 8 + event.blocks.length;
    case 'scheduled':
      return 8 + 3 * event.sequences.length;
    case 'computed':
      return 4 + 2 * event.sequences.length;
    case 'completed':
      return 4 + event.sampled.length;
    default:
      return 8;
  }
}

/** Names of kinds from outside, checked: null if one of them is none. */
export function parseKinds(names: readonly string[]): readonly EventKind[] | null {
  return names.every((name) => (eventKinds as readonly string[]).includes(name)) ? (names as EventKind[]) : null;
}
