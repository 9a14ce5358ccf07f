// The HTTP server over an engine: routes, API key, error shape, draining.

import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import fastifyCors from '@fastify/cors';
import fastifySwagger from '@fastify/swagger';
import fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyReply, LogController } from 'fastify';
import type { Engine } from '../engine/api.ts';
import { ApiError, errorBody, toApiError } from './api-error.ts';
import { createAdminCheck, createKeyCheck } from './auth.ts';
import { nowSeconds, type ServerContext } from './context.ts';
import { createMetrics } from './metrics.ts';
import { registerAdmin } from './routes/admin.ts';
import { registerChat } from './routes/chat.ts';
import { registerCompletions } from './routes/completions.ts';
import { registerEvents } from './routes/events.ts';
import { registerExplain } from './routes/explain.ts';
import { registerModels } from './routes/models.ts';
import { registerPage } from './routes/page.ts';
import { registerHealth, registerMetrics, registerOpenApi } from './routes/status.ts';
import { registerTokenize } from './routes/tokenize.ts';

export interface ServerOptions {
  readonly engine: Engine;
  /** The model name that clients use. */
  readonly servedModelName: string;
  /** If set, every route but /health and the page wants `Authorization: Bearer <apiKey>`. Defaults to none. */
  readonly apiKey?: string;
  /**
   * The key for what shows requests of others: `/v1/events` and `/v1/requests/…/explain` want it in place of `apiKey`, always. Defaults to none: then
   * both answer this machine only.
   */
  readonly adminKey?: string;
  /** How long a viewer of `/v1/events` that has gone may come back and go on; events are made until then. Defaults to 10 seconds. */
  readonly viewerLingerMs?: number;
  /** A pino logger. Defaults to none. */
  readonly logger?: FastifyBaseLogger;
  /** Origins whose pages may call this server; '*' is any. Defaults to none. */
  readonly corsOrigins?: readonly string[];
  /** Larger request bodies are answered 413. Defaults to 8 MiB. */
  readonly maxBodyBytes?: number;
  /** Folder of the built page. Defaults to web/dist of this package. */
  readonly webRoot?: string;
  /** Aborted when the server must take no more work: generation requests are answered 503, endless streams end. */
  readonly draining?: AbortSignal;
}

const defaultWebRoot = fileURLToPath(new URL('../../web/dist', import.meta.url));

/** Answers what never became a request (malformed HTTP) in the same error shape. */
function answerBrokenClient(error: Error & { code?: string }, socket: Socket): void {
  if (socket.writable && error.code !== 'ECONNRESET') {
    const tooLarge = error.code === 'HPE_HEADER_OVERFLOW';
    const status = tooLarge ? '431 Request Header Fields Too Large' : '400 Bad Request';
    const message = tooLarge ? 'The request headers are too large.' : 'This is not a well-formed HTTP request.';
    const body = JSON.stringify(errorBody(new ApiError(tooLarge ? 431 : 400, message, { code: 'malformed_http' })));
    const head = `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\nconnection: close\r\n`;
    socket.write(`${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  }
  socket.destroySoon();
}

function useErrorShape(app: FastifyInstance): void {
  app.setErrorHandler((error, request, reply) => {
    const answer = toApiError(error);
    if (answer.status >= 500 && answer.status !== 503) request.log.error({ err: error }, 'a request failed');
    if (answer.status === 401) reply.header('www-authenticate', 'Bearer');
    if (answer.retryAfterSeconds !== null) reply.header('retry-after', answer.retryAfterSeconds);
    return reply.code(answer.status).send(errorBody(answer));
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0];
    const answer = new ApiError(
      404,
      `There is no ${request.method} ${path} here. GET /openapi.json lists the routes.`,
      {
        code: 'not_found',
      },
    );
    return reply.code(404).send(errorBody(answer));
  });
}

/**
 * A fastify instance with every route, ready to `listen` or `inject`. Closing it does not close the engine.
 *
 * @example
 * const app = await createServer({ engine, servedModelName: 'stories' });
 * await app.listen({ port: 8000 });
 */
export async function createServer(options: ServerOptions): Promise<FastifyInstance> {
  const context: ServerContext = {
    engine: options.engine,
    servedModelName: options.servedModelName,
    createdSeconds: nowSeconds(),
    draining: options.draining ?? new AbortController().signal,
  };
  const app = fastify({
    ...(options.logger ? { loggerInstance: options.logger } : {}),
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => randomUUID().replaceAll('-', ''),
    bodyLimit: options.maxBodyBytes ?? 8 * 1024 * 1024,
    requestTimeout: 60_000,
    keepAliveTimeout: 75_000,
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    clientErrorHandler: answerBrokenClient,
    frameworkErrors: (error, _request, reply) => {
      const answer = toApiError(error);
      (reply as FastifyReply).code(answer.status).send(errorBody(answer));
    },
  });
  // Only JSON is a body here; plain text would let any web page post to a local server without a preflight.
  app.removeContentTypeParser('text/plain');
  // Schemas of routes are documentation: zod checks bodies, and answers are built from typed values.
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  useErrorShape(app);

  const metrics = createMetrics(options.engine, options.servedModelName);
  app.addHook('onClose', async () => metrics.close());
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
  });
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'unknown';
    metrics.countHttp(route, reply.statusCode);
    request.log.info(
      { method: request.method, route, status: reply.statusCode, durationMs: reply.elapsedTime },
      'request',
    );
  });
  await app.register(fastifyCors, {
    origin: options.corsOrigins?.includes('*') ? '*' : [...(options.corsOrigins ?? [])],
  });
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Octavo', description: 'OpenAI-compatible server on a paged KV cache.', version: '1' },
      ...(options.apiKey === undefined
        ? {}
        : {
            components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
            security: [{ bearer: [] }],
          }),
    },
  });

  registerHealth(app, context);
  await registerPage(app, options.webRoot ?? defaultWebRoot);
  await app.register(async (admin) => {
    const checkAdmin = createAdminCheck({ adminKey: options.adminKey, apiKey: options.apiKey });
    admin.addHook('onRequest', async (request) => checkAdmin(request));
    registerEvents(admin, context, options.viewerLingerMs);
    registerExplain(admin, context);
  });
  await app.register(async (guarded) => {
    if (options.apiKey !== undefined) {
      const checkKey = createKeyCheck(options.apiKey);
      guarded.addHook('onRequest', async (request) => checkKey(request));
    }
    registerMetrics(guarded, metrics);
    registerOpenApi(guarded);
    registerModels(guarded, context);
    registerTokenize(guarded, context);
    registerAdmin(guarded, context);
    await guarded.register(async (generating) => {
      generating.addHook('onRequest', async (_request, reply) => {
        if (!context.draining.aborted) return;
        reply.header('connection', 'close');
        throw new ApiError(503, 'This server is shutting down and takes no more requests.', {
          code: 'draining',
          retryAfterSeconds: 5,
        });
      });
      registerCompletions(generating, context);
      registerChat(generating, context);
    });
  });
  await app.ready();
  return app;
}
