// GET /v1/models and /v1/models/:id.

import type { FastifyInstance } from 'fastify';
import { requireModel, type ServerContext } from '../context.ts';
import { documented } from '../openapi.ts';
import { modelCard, modelList } from '../schemas/responses.ts';

export function registerModels(app: FastifyInstance, context: ServerContext): void {
  const card = {
    id: context.servedModelName,
    object: 'model',
    created: context.createdSeconds,
    owned_by: 'octavo',
    root: context.engine.config.name,
    parent: null,
    max_model_len: context.engine.maxModelLen,
  };
  app.get(
    '/v1/models',
    { schema: documented({ summary: 'List the served models', tags: ['openai'], response: modelList }) },
    async () => ({ object: 'list', data: [card] }),
  );
  app.get<{ Params: { id: string } }>(
    '/v1/models/:id',
    { schema: documented({ summary: 'Describe a model', tags: ['openai'], response: modelCard }) },
    async (request) => {
      requireModel(context, request.params.id);
      return card;
    },
  );
  // Names of the hub hold a slash, which not every client escapes.
  app.get<{ Params: { '*': string } }>('/v1/models/*', { schema: { hide: true } }, async (request) => {
    requireModel(context, request.params['*']);
    return card;
  });
}
