// GET /v1/events: what memory and scheduler do, live, as server-sent events.

import { setImmediate as turn } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { type EventViewer, type OctavoEvent, parseKinds, type ViewerBatch } from '../../events/index.ts';
import { ApiError } from '../api-error.ts';
import { clientGoneSignal, type ServerContext } from '../context.ts';
import { documented } from '../openapi.ts';
import { sendEventStream } from '../sse.ts';

/** Events are gathered for so long: each message wakes the viewer and disturbs the kernels once, however small it is. */
const gatherMs = 100;
/** Then a message is made while the next step runs, if one starts within this time. */
const stepWaitMs = 20;
/** The most events of a message; with the time between messages, the most in a second. */
const eventsPerMessage = 1024;
/** After this long without an event a comment goes out, so that the viewer and what is between know that the server lives. */
const keepAliveMs = 10_000;
const mostViewers = 32;
/** Of those that went and may come back. */
const mostLingering = 4;

/** A viewer that is always behind gets the state again no sooner than this, since describing a large pool takes time. */
function resyncIntervalMs(blockCount: number): number {
  return Math.max(1000, blockCount / 10);
}

/** `lingerMs`: a viewer that goes may come back within this time and go on where it was. */
export function registerEvents(app: FastifyInstance, context: ServerContext, lingerMs = 10_000): void {
  const { events } = context.engine;
  let viewers = 0;
  const lingering: EventViewer[] = [];
  /** Of events that several viewers see, once; for a single one, remembering them costs more than it saves. */
  const texts = new WeakMap<OctavoEvent, string>();

  function textOf(event: OctavoEvent): string {
    const known = texts.get(event);
    if (known !== undefined) return known;
    const text = JSON.stringify(event);
    texts.set(event, text);
    return text;
  }

  function frameOf(batch: ViewerBatch): string {
    if (batch.type === 'events') {
      const last = batch.events[batch.events.length - 1];
      const data = viewers === 1 ? JSON.stringify(batch.events) : `[${batch.events.map(textOf).join(',')}]`;
      return `id: ${last.id}\nevent: events\ndata: ${data}\n\n`;
    }
    const { reason, nextEventId, snapshot } = batch;
    const data = JSON.stringify({ reason, nextEventId, snapshot });
    return `id: ${nextEventId - 1}\nevent: resync\ndata: ${data}\n\n`;
  }

  async function* frames(viewer: EventViewer, gone: AbortSignal): AsyncGenerator<string, void, void> {
    const stop = AbortSignal.any([gone, context.draining]);
    const { wait, cancel } = createPause(stop);
    const intervalMs = resyncIntervalMs(context.engine.stats().totalBlocks);
    let resyncedMs = Number.NEGATIVE_INFINITY;
    try {
      while (!stop.aborted) {
        const leftMs = viewer.isBehind ? resyncedMs + intervalMs - performance.now() : 0;
        if (leftMs > 0) {
          await wait(leftMs);
          continue;
        }
        const batch = viewer.read(eventsPerMessage);
        if (batch === null) {
          const isQuiet = await Promise.race([viewer.ready().then(() => false), wait(keepAliveMs).then(() => true)]);
          cancel();
          if (isQuiet && !stop.aborted) yield ': alive\n\n';
          continue;
        }
        if (batch.type === 'resync') resyncedMs = performance.now();
        yield frameOf(batch);
        await wait(gatherMs);
        await Promise.race([viewer.nextStep(), wait(stepWaitMs)]);
        cancel();
        await turn();
      }
    } finally {
      viewers--;
      lingering.push(viewer);
      const isCrowded = context.draining.aborted || lingering.length > mostLingering;
      if (isCrowded) lingering.shift()?.close();
      setTimeout(() => {
        viewer.close();
        if (lingering.includes(viewer)) lingering.splice(lingering.indexOf(viewer), 1);
      }, lingerMs).unref();
    }
  }

  app.get<{ Querystring: { kinds?: string; last_event_id?: string } }>(
    '/v1/events',
    {
      schema: documented({
        summary: 'What memory and scheduler do, live',
        tags: ['admin'],
        contentType: 'text/event-stream',
        query: {
          kinds:
            'Only events of these kinds, separated by commas. Without all kinds of block events, no state is sent.',
          last_event_id: 'The same as the header Last-Event-ID: go on after this event if it is still known.',
        },
      }),
    },
    async (request, reply) => {
      const { kinds: names, last_event_id: queried } = request.query;
      const kinds = names === undefined || names === '' ? undefined : parseKinds(names.split(','));
      if (kinds === null) {
        throw new ApiError(400, `kinds: "${names}" names a kind of event that there is not.`, {
          code: 'invalid_value',
          param: 'kinds',
        });
      }
      const given = request.headers['last-event-id'] ?? queried;
      const afterEventId = given === undefined ? undefined : Number(given);
      if (afterEventId !== undefined && !(Number.isSafeInteger(afterEventId) && afterEventId >= -1)) {
        throw new ApiError(400, 'Last-Event-ID must be the id of an event.', {
          code: 'invalid_value',
          param: 'last_event_id',
        });
      }
      if (viewers >= mostViewers) {
        throw new ApiError(503, `${mostViewers} viewers watch already.`, {
          code: 'too_many_viewers',
          retryAfterSeconds: 10,
        });
      }
      const viewer = events.view({ kinds, afterEventId });
      viewers++;
      return sendEventStream(reply, frames(viewer, clientGoneSignal(reply)), (error) =>
        request.log.warn({ err: error }, 'the event stream ended with an error'),
      );
    },
  );
}

/** A timer that ends early, by `cancel` or with the signal, leaving nothing behind. */
function createPause(stop: AbortSignal): { wait(ms: number): Promise<void>; cancel(): void } {
  let end: (() => void) | null = null;
  stop.addEventListener('abort', () => end?.(), { once: true });
  return {
    wait(ms) {
      if (stop.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const timer = setTimeout(() => end?.(), ms);
        end = () => {
          clearTimeout(timer);
          end = null;
          resolve();
        };
      });
    },
    cancel: () => end?.(),
  };
}
