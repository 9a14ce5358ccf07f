// Clients that vanish or read slowly: their blocks come back, and nothing grows.

import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { post } from './support/http.ts';
import { startTestServer, type TestServer, waitUntil } from './support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ maxNumSeqs: 8 });
});
afterAll(() => server.close());

const endless = { prompt: 'Once upon a time', ignore_eos: true };

/** Sends a request over a bare socket, so that the test decides when to read and when to go. */
async function open(body: Record<string, unknown>): Promise<Socket> {
  const { hostname, port } = new URL(server.url);
  const text = JSON.stringify(body);
  const head = `POST /v1/completions HTTP/1.1\r\nhost: ${hostname}\r\ncontent-type: application/json\r\n`;
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.once('connect', resolve));
  socket.write(`${head}content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
  return socket;
}

function endlessTokens(): number {
  return server.engine.maxModelLen - 32;
}

function expectIdle(): Promise<void> {
  return waitUntil(() => {
    const { runningRequests, waitingRequests, usedBlocks } = server.engine.stats();
    return runningRequests === 0 && waitingRequests === 0 && usedBlocks === 0;
  }, 'the pool is as it was at start');
}

test.each([
  ['a stream', { stream: true }],
  ['a stream of several choices', { stream: true, n: 3 }],
  ['a batch', { stream: true, prompt: ['One day', 'The cat', 'A boat'] }],
  ['a plain answer', { stream: false }],
])('a client that vanishes from %s has its blocks free', async (_name, extra) => {
  const { cancelled } = server.engine.stats().finishedRequests;
  const socket = await open({ ...endless, max_tokens: endlessTokens(), ...extra });
  await waitUntil(() => server.engine.stats().usedBlocks > 1, 'the request runs');
  socket.destroy();
  await expectIdle();
  expect(server.engine.stats().finishedRequests.cancelled).toBeGreaterThan(cancelled);
});

test('a client that vanishes while it waits in the queue leaves the queue', async () => {
  const sockets = await Promise.all(
    Array.from({ length: 12 }, () => open({ ...endless, max_tokens: endlessTokens(), stream: true })),
  );
  await waitUntil(() => server.engine.stats().waitingRequests > 0, 'some wait');
  for (const socket of sockets) socket.destroy();
  await expectIdle();
});

test('a client that does not read delays nobody, and loses nothing when it reads at last', async () => {
  const body = { prompt: 'The sun', max_tokens: 200, ignore_eos: true, temperature: 0, logprobs: 5 };
  const expected = (await post(server.url, '/v1/completions', body)).json;
  const slow = await open({ ...body, stream: true });
  slow.pause();
  const other = await post(server.url, '/v1/completions', { prompt: 'A bird', max_tokens: 20 });
  expect(other.status).toBe(200);
  await new Promise((resolve) => setTimeout(resolve, 100));
  let received = '';
  slow.on('data', (data) => {
    received += data;
  });
  slow.resume();
  await waitUntil(() => received.includes('[DONE]'), 'the stream ends', 20_000);
  slow.destroy();
  const text = [...received.matchAll(/^data: (\{.*\})\r?$/gm)]
    .map(([, json]) => JSON.parse(json).choices[0].text)
    .join('');
  expect(text).toBe(expected.choices[0].text);
  await expectIdle();
});

test('viewers that vanish are forgotten', async () => {
  const { hostname, port } = new URL(server.url);
  const sockets = await Promise.all(
    Array.from({ length: 5 }, async () => {
      const socket = connect(Number(port), hostname);
      socket.on('error', () => undefined);
      socket.write(`GET /v1/events HTTP/1.1\r\nhost: ${hostname}\r\n\r\n`);
      await new Promise((resolve) => socket.once('data', resolve));
      return socket;
    }),
  );
  for (const socket of sockets) socket.destroy();
  expect((await fetch(`${server.url}/health`)).status).toBe(200);
});
