// A checkpoint folder whose layers differ in attention, served: text, streams and the block map.

import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { post, postStream } from './support/http.ts';
import { startTestServer, type TestServer } from './support/server.ts';

let server: TestServer;
beforeAll(async () => {
  const model = fileURLToPath(new URL('./fixtures/oracle/qwen3-hybrid', import.meta.url));
  server = await startTestServer({ model, blockSize: 8, maxModelLen: 256 });
});
afterAll(() => server.close());

const prompt = 'the thin man in the inn then ran into the inn again and again';
const body = { prompt, max_tokens: 120, temperature: 0.5, seed: 3, ignore_eos: true };

test('completes and streams the same text, and gives windowed blocks back while it does', async () => {
  let most = 0;
  const watching = setInterval(() => {
    for (const { blocks } of server.engine.blockMap().sequences) most = Math.max(most, blocks.length);
  }, 1);
  const { status, json } = await post(server.url, '/v1/completions', body);
  clearInterval(watching);
  expect(status).toBe(200);
  expect(json.usage.completion_tokens).toBe(120);
  const tokens = json.usage.prompt_tokens + 120;
  // All blocks of the full layers, and those of a window of 14 (and of a step's tokens) of the others.
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(Math.ceil(tokens / 8) + Math.ceil(json.usage.prompt_tokens / 8) + 1);
  const streamed = await postStream(server.url, '/v1/completions', body);
  const pieces = streamed.chunks.map((chunk) => chunk.choices[0]?.text ?? '');
  expect(pieces.join('')).toBe(json.choices[0].text);
  expect(server.engine.stats().usedBlocks).toBe(0);
});
