// GET /health, /metrics and /openapi.json.

import type { FastifyInstance } from 'fastify';
import type { ServerContext } from '../context.ts';
import type { ServerMetrics } from '../metrics.ts';
import { documented } from '../openapi.ts';
import { healthResponse } from '../schemas/responses.ts';

export function registerHealth(app: FastifyInstance, context: ServerContext): void {
  app.get(
    '/health',
    {
      schema: documented({
        summary: '200 while requests are taken',
        tags: ['status'],
        response: healthResponse,
        open: true,
      }),
    },
    async (_request, reply) => {
      const status = context.engine.failure !== null ? 'failed' : context.draining.aborted ? 'draining' : 'ok';
      return reply.code(status === 'ok' ? 200 : 503).send({ status });
    },
  );
}

export function registerMetrics(app: FastifyInstance, metrics: ServerMetrics): void {
  app.get(
    '/metrics',
    { schema: documented({ summary: 'Prometheus metrics', tags: ['status'], contentType: 'text/plain' }) },
    async (_request, reply) => reply.header('content-type', metrics.contentType).send(await metrics.render()),
  );
}

export function registerOpenApi(app: FastifyInstance): void {
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
}
