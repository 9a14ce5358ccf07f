// An engine that fails, and a server that is told to stop: what clients see then.

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Engine, GenerateEvent } from '../src/engine/api.ts';
import { createEngine } from '../src/engine/index.ts';
import { BackendError } from '../src/errors/index.ts';
import { createServer, startServer } from '../src/server/index.ts';
import { errorResponse } from '../src/server/schemas/responses.ts';
import { post, postStream } from './support/http.ts';
import { bundledModelPath, servedModelName, waitUntil } from './support/server.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ model: bundledModelPath(), threads: 1 });
});
afterAll(() => engine.close());

const prompt = 'Once upon a time';

/** The real engine, whose generations fail after `eventCount` events. */
function failingAfter(eventCount: number): Engine {
  return {
    ...engine,
    generate(request) {
      const generation = engine.generate(request);
      async function* failing(): AsyncGenerator<GenerateEvent, void, void> {
        let seen = 0;
        for await (const event of generation) {
          if (seen++ === eventCount) throw new BackendError('cpu', 'the secret reason');
          yield event;
        }
      }
      return { ...generation, [Symbol.asyncIterator]: () => failing() };
    },
  };
}

/** A server that can be closed without draining the engine, which the tests share. */
async function listen(failing: Engine): Promise<{ url: string; close(): Promise<void> }> {
  const app = await createServer({ engine: failing, servedModelName });
  const url = await app.listen({ port: 0 });
  return { url, close: () => app.close() };
}

test.each([true, false])('a backend that fails at once is a 500 that tells nothing (stream: %s)', async (stream) => {
  const server = await listen(failingAfter(0));
  const answer = await post(server.url, '/v1/completions', { prompt, stream });
  expect(answer.status).toBe(500);
  expect(errorResponse.strict().parse(answer.json).error).toMatchObject({
    type: 'server_error',
    code: 'internal_error',
  });
  expect(answer.json.error.message).not.toContain('secret');
  expect((await fetch(`${server.url}/health`)).status).toBe(200);
  await expect.poll(() => engine.stats().usedBlocks).toBe(0);
  await server.close();
});

test('a backend that fails in a stream ends it with an error event and without [DONE]', async () => {
  const server = await listen(failingAfter(3));
  for (const path of ['/v1/completions', '/v1/chat/completions']) {
    const body = { prompt, messages: [{ role: 'user', content: prompt }], ignore_eos: true, max_tokens: 20 };
    const { status, chunks, done } = await postStream(server.url, path, body);
    expect(status).toBe(200);
    expect(done).toBe(false);
    expect(chunks.length).toBeGreaterThan(1);
    expect(errorResponse.strict().parse(chunks.at(-1)).error.code).toBe('internal_error');
  }
  await expect.poll(() => engine.stats().usedBlocks).toBe(0);
  await server.close();
});

test('an engine that has stopped after an internal error is unhealthy', async () => {
  const server = await listen({ ...engine, failure: new Error('secret') });
  const response = await fetch(`${server.url}/health`);
  expect(response.status).toBe(503);
  expect(await response.json()).toEqual({ status: 'failed' });
  await server.close();
});

test('an engine that closes ends running streams with an error, and answers 503 from then on', async () => {
  const ours = await createEngine({ model: bundledModelPath(), threads: 1 });
  const server = await startServer({ engine: ours, servedModelName, port: 0 });
  const body = { prompt, ignore_eos: true, max_tokens: 1500 };
  const streaming = postStream(server.url, '/v1/completions', body);
  const plain = post(server.url, '/v1/completions', body);
  await waitUntil(() => ours.stats().runningRequests === 2, 'both run');
  await ours.close();
  const { chunks, done } = await streaming;
  expect(done).toBe(false);
  expect(chunks.at(-1)?.error.code).toBe('engine_closed');
  expect((await plain).status).toBe(503);
  expect((await post(server.url, '/v1/completions', body)).status).toBe(503);
  await server.close();
});

test('close lets running answers finish, ends the event stream, and closes once', async () => {
  const ours = await createEngine({ model: bundledModelPath(), threads: 1 });
  const server = await startServer({ engine: ours, servedModelName, port: 0 });
  const viewer = fetch(`${server.url}/v1/events`).then((response) => response.text());
  const running = post(server.url, '/v1/completions', { prompt, ignore_eos: true, max_tokens: 200 });
  await waitUntil(() => ours.stats().runningRequests === 1, 'it runs');
  const closing = server.close();
  expect(server.close()).toBe(closing);
  const refused = await post(server.url, '/v1/completions', { prompt });
  expect(refused.status).toBe(503);
  expect(refused.headers.get('retry-after')).toBe('5');
  expect((await running).json.usage.completion_tokens).toBe(200);
  await closing;
  expect(await viewer).toContain('"blockCount"');
  await expect(fetch(`${server.url}/health`)).rejects.toThrow();
  await ours.close();
});

test('an origin may call only if it is allowed', async () => {
  const origin = 'https://example.org';
  const ask = async (corsOrigins?: string[]) => {
    const app = await createServer({ engine, servedModelName, corsOrigins });
    const preflight = { origin, 'access-control-request-method': 'POST' };
    const answer = await app.inject({ method: 'OPTIONS', url: '/v1/chat/completions', headers: preflight });
    await app.close();
    return answer.headers['access-control-allow-origin'];
  };
  expect(await ask()).toBeUndefined();
  expect(await ask(['https://other.example'])).toBeUndefined();
  expect(await ask([origin])).toBe(origin);
  expect(await ask(['*'])).toBe('*');
});

test('without a built page, / says how to build it', async () => {
  const app = await createServer({ engine, servedModelName, webRoot: 'no-such-folder' });
  const answer = await app.inject({ url: '/' });
  expect(answer.statusCode).toBe(200);
  expect(answer.body).toContain('npm run build');
  await app.close();
});
