// The live source: events from the server, applied as they come and drawn at a bounded rate.

import { batch, effect } from '@preact/signals';
import type { OctavoEvent, Snapshot } from '../../../src/events/types.ts';
import { createStepLog } from '../scheduler/step-log.ts';
import { callServer, refusals } from '../server/api.ts';
import { readEvents, type ServerSentEvent } from '../server/sse.ts';
import { applyEvent, createMoment, createSource } from './source.ts';

export const liveSource = createSource(true);

/** Drawn at most this often: a page beside the engine should not take its processor. */
const drawMs = 66;
const tellMs = 250;
/** Ages are told once a second where nothing happens. */
const idleTellMs = 1000;
const retryMs = 1000;
/** Where a key is missing, until somebody has entered it. */
const refusedRetryMs = 5000;
/** The server sends a comment every 10 seconds where nothing happens. */
const silenceMs = 25_000;

interface Resync {
  readonly nextEventId: number;
  readonly snapshot: Snapshot | null;
}

let drawnMs = 0;
let toldMs = 0;
let changed = false;
/** Where to go on after the connection was lost. */
let lastEventId: string | null = null;

function show(): void {
  const now = performance.now();
  if (document.hidden) return;
  const draws = changed && now - drawnMs >= drawMs;
  const tells = now - toldMs >= (changed ? tellMs : idleTellMs);
  if (!draws && !tells) return;
  batch(() => {
    if (draws) {
      drawnMs = now;
      changed = false;
      liveSource.shown.value++;
    }
    if (tells) {
      toldMs = now;
      liveSource.told.value++;
    }
  });
}

function nameOfSequence(id: number): string | undefined {
  return liveSource.moment.value?.view.sequences.get(id)?.requestId;
}

/** Steps and origins seen so far stay where the state is of the same run. */
function begin(snapshot: Snapshot): void {
  const before = liveSource.moment.value;
  const goesOn = before !== null && snapshot.nextEventId >= before.view.nextEventId;
  const offsetMs = performance.now() - snapshot.timeMs;
  liveSource.moment.value = createMoment({
    snapshot,
    steps: goesOn ? before.steps : createStepLog({ nameOf: nameOfSequence }),
    ...(goesOn ? { origins: before.origins.copy() } : {}),
    nowMs: () => performance.now() - offsetMs,
  });
}

function accept({ event, id, data }: ServerSentEvent): void {
  changed = true;
  if (event === 'resync') {
    const { snapshot } = JSON.parse(data) as Resync;
    if (snapshot !== null) begin(snapshot);
  } else if (event === 'events') {
    const moment = liveSource.moment.value;
    if (moment === null) return;
    for (const each of JSON.parse(data) as readonly OctavoEvent[]) {
      // Before the state forgets the names of sequences that end.
      moment.steps.apply(each);
      applyEvent(moment, each);
    }
  }
  if (id !== null) lastEventId = id;
}

async function watchOnce(): Promise<void> {
  const abort = new AbortController();
  let watchdog = setTimeout(() => abort.abort(), silenceMs);
  const alive = (): void => {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => abort.abort(), silenceMs);
  };
  const headers: HeadersInit = lastEventId === null ? {} : { 'last-event-id': lastEventId };
  try {
    const response = await callServer('/v1/events', { headers, signal: abort.signal }, 'admin');
    if (response.body === null) return;
    for await (const event of readEvents(response.body, alive)) accept(event);
  } catch (error) {
    // What does not fit the state is answered by beginning anew.
    lastEventId = null;
    throw error;
  } finally {
    clearTimeout(watchdog);
    abort.abort();
  }
}

/** Resolves when it is time to try again: soon, or when a key was entered. */
function retry(): Promise<void> {
  return new Promise((resolve) => {
    const refused = refusals.admin.value !== '' || refusals.api.value !== '';
    const stop = effect(() => {
      if (refused && refusals.admin.value === '' && refusals.api.value === '') resolve();
    });
    setTimeout(
      () => {
        stop();
        resolve();
      },
      refused ? refusedRetryMs : retryMs,
    );
  });
}

/** Never ends: a server that restarts is found again. */
export async function watchEvents(): Promise<never> {
  setInterval(show, drawMs / 2);
  for (;;) {
    await watchOnce().catch(() => undefined);
    await retry();
  }
}
