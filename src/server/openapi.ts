// The OpenAPI document: which schemas a route shows.

import type { FastifySchema } from 'fastify';
import type { z } from 'zod';
import { jsonSchema } from './schemas/parse.ts';
import { errorResponse } from './schemas/responses.ts';

export interface RouteDocument {
  readonly summary: string;
  readonly tags: readonly string[];
  readonly body?: z.ZodType;
  /** Query parameters, all optional, with what each means. */
  readonly query?: Readonly<Record<string, string>>;
  readonly params?: Readonly<Record<string, string>>;
  readonly response?: z.ZodType;
  /** The route also answers with server-sent events. */
  readonly stream?: boolean;
  /** Content type of an answer that is not JSON. */
  readonly contentType?: string;
  /** Reachable without the API key. */
  readonly open?: boolean;
}

/** The fastify schema of a route. It documents only: bodies are checked by zod, answers are written as they are. */
export function documented(route: RouteDocument): FastifySchema {
  const content: Record<string, unknown> = {};
  if (route.response) content['application/json'] = { schema: jsonSchema(route.response, 'output') };
  if (route.stream) content['text/event-stream'] = { schema: { type: 'string' } };
  if (route.contentType) content[route.contentType] = { schema: { type: 'string' } };
  const failure = { description: 'An error', content: { 'application/json': { schema: jsonSchema(errorResponse) } } };
  return {
    summary: route.summary,
    tags: route.tags,
    ...(route.open ? { security: [] } : {}),
    ...(route.body ? { body: jsonSchema(route.body) } : {}),
    ...(route.query ? { querystring: stringFields(route.query) } : {}),
    ...(route.params ? { params: stringFields(route.params) } : {}),
    response: { 200: { description: 'Success', content }, '4xx': failure, '5xx': failure },
  };
}

function stringFields(descriptions: Readonly<Record<string, string>>): Record<string, unknown> {
  const fields = Object.entries(descriptions).map(([name, description]) => [name, { type: 'string', description }]);
  return { type: 'object', properties: Object.fromEntries(fields) };
}
