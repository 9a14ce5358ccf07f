// GET /admin/blocks: the block map, at once or live.

import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { toBlockFrame } from '../block-frames.ts';
import { clientGoneSignal, type ServerContext } from '../context.ts';
import { documented } from '../openapi.ts';
import { blockMapResponse } from '../schemas/responses.ts';
import { sendEventStream, sseData } from '../sse.ts';

/** Between frames: short for pools that are quickly described, longer for larger ones. */
function frameIntervalMs(blockCount: number): number {
  return Math.min(idleFrameMs, Math.max(200, blockCount / 100));
}
/** An unchanged frame is sent again after this long, so that the reader knows the server lives. */
const idleFrameMs = 2000;

/** Frames until the client goes or the server drains. A slow reader gets fewer frames, not older ones. */
async function* blockFrames(context: ServerContext, gone: AbortSignal): AsyncGenerator<string, void, void> {
  const stop = AbortSignal.any([gone, context.draining]);
  const { engine } = context;
  let lastState = '';
  let lastSentMs = Number.NEGATIVE_INFINITY;
  while (!stop.aborted) {
    const timeMs = performance.now();
    const frame = toBlockFrame(engine.blockMap(), engine.stats(), timeMs);
    const state = JSON.stringify([frame.stats, frame.sequences.length]);
    if (state !== lastState || timeMs - lastSentMs >= idleFrameMs) {
      lastState = state;
      lastSentMs = timeMs;
      yield sseData({ ...frame, model: context.servedModelName });
    }
    await sleep(frameIntervalMs(frame.blockCount), undefined, { signal: stop }).catch(() => undefined);
  }
}

export function registerAdmin(app: FastifyInstance, context: ServerContext): void {
  app.get(
    '/admin/blocks',
    { schema: documented({ summary: 'The block map', tags: ['admin'], response: blockMapResponse }) },
    async () => context.engine.blockMap(),
  );
  app.get(
    '/admin/blocks/stream',
    { schema: documented({ summary: 'The block map, live', tags: ['admin'], contentType: 'text/event-stream' }) },
    async (request, reply) =>
      sendEventStream(reply, blockFrames(context, clientGoneSignal(reply)), (error) =>
        request.log.warn({ err: error }, 'the block map stream ended with an error'),
      ),
  );
}
