// Server-sent events over a plain reply, with backpressure and with errors in the right place.

import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { errorBody, toApiError } from './api-error.ts';

/** One event as bytes on the wire. */
export function sseData(data: unknown): string {
  return `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
}

/** The end of an OpenAI stream. */
export const sseDone = sseData('[DONE]');

/** After this long without a first event (a request that waits in the queue) the headers go out anyway. */
const headerWaitMs = 2000;

/**
 * Streams `events` (already framed). Waits for the first one, so that an error before it becomes a proper status
 * (this promise rejects); a later error is sent as a `data: {"error": …}` event, and the stream ends without [DONE].
 * The generator is pulled only as the client reads, and its `finally` runs when the client goes.
 */
export async function sendEventStream(
  reply: FastifyReply,
  events: AsyncGenerator<string, void, void>,
  onError: (error: unknown) => void,
): Promise<FastifyReply> {
  const first = events.next();
  let timer: NodeJS.Timeout | undefined;
  const waited = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, headerWaitMs);
  });
  try {
    await Promise.race([first, waited]);
  } finally {
    clearTimeout(timer);
  }

  async function* guarded(): AsyncGenerator<string, void, void> {
    try {
      for (let result = await first; !result.done; result = await events.next()) yield result.value;
    } catch (error) {
      onError(error);
      yield sseData(errorBody(toApiError(error)));
    } finally {
      await events.return();
    }
  }

  return reply
    .header('content-type', 'text/event-stream; charset=utf-8')
    .header('cache-control', 'no-cache, no-transform')
    .header('x-accel-buffering', 'no')
    .send(Readable.from(guarded(), { highWaterMark: 4 }));
}
