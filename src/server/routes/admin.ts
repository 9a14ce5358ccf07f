// GET /admin/blocks: the block map. GET /v1/events tells it live.

import type { FastifyInstance } from 'fastify';
import type { ServerContext } from '../context.ts';
import { documented } from '../openapi.ts';
import { blockMapResponse } from '../schemas/responses.ts';

export function registerAdmin(app: FastifyInstance, context: ServerContext): void {
  app.get(
    '/admin/blocks',
    { schema: documented({ summary: 'The block map', tags: ['admin'], response: blockMapResponse }) },
    async () => context.engine.blockMap(),
  );
}
