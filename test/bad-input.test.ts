// Bad requests: each gets its status and an error in OpenAI's shape, and the server lives on.

import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { errorResponse } from '../src/server/schemas/responses.ts';
import { post, postStream } from './support/http.ts';
import { createRandom } from './support/random.ts';
import { startTestServer, type TestServer } from './support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ maxNumSeqs: 4, maxQueuedRequests: 8 }, { maxBodyBytes: 256 * 1024 });
});
afterAll(() => server.close());

const messages = [{ role: 'user', content: 'Hello!' }];
const long = 'word '.repeat(20_000);
const completions = '/v1/completions';
const chat = '/v1/chat/completions';

type Case = readonly [name: string, path: string, body: unknown, status: number, param: string | null, code: string];

const cases: readonly Case[] = [
  ['malformed JSON', completions, '{"prompt": "a"', 400, null, 'invalid_json'],
  ['an empty body', completions, '', 400, null, 'invalid_json'],
  ['prototype poisoning', completions, '{"prompt": "a", "__proto__": {"x": 1}}', 400, null, 'invalid_json'],
  ['an array as body', completions, [], 400, null, 'invalid_value'],
  ['null as body', chat, 'null', 400, null, 'invalid_value'],
  ['no prompt', completions, {}, 400, 'prompt', 'invalid_value'],
  ['a number as prompt', completions, { prompt: 5 }, 400, 'prompt', 'invalid_value'],
  ['an empty list of prompts', completions, { prompt: [] }, 400, 'prompt', 'invalid_value'],
  ['prompts of mixed types', completions, { prompt: ['a', 1] }, 400, 'prompt', 'invalid_value'],
  ['a negative token id', completions, { prompt: [1, -1] }, 400, 'prompt', 'invalid_value'],
  ['a fractional token id', completions, { prompt: [[1.5]] }, 400, 'prompt', 'invalid_value'],
  ['a token id beyond the vocabulary', completions, { prompt: [99_999_999] }, 400, 'prompt', 'invalid_value'],
  ['no messages', chat, {}, 400, 'messages', 'invalid_value'],
  ['an empty list of messages', chat, { messages: [] }, 400, 'messages', 'invalid_value'],
  ['an unknown role', chat, { messages: [{ role: 'king', content: 'a' }] }, 400, 'messages[0].role', 'invalid_value'],
  [
    'a number as content',
    chat,
    { messages: [{ role: 'user', content: 5 }] },
    400,
    'messages[0].content',
    'invalid_value',
  ],
  [
    'an image',
    chat,
    { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }] },
    400,
    'messages[0].content[0]',
    'unsupported_parameter',
  ],
  ['tools', chat, { messages, tools: [{ type: 'function' }] }, 400, 'tools', 'unsupported_parameter'],
  [
    'a JSON answer',
    chat,
    { messages, response_format: { type: 'json_object' } },
    400,
    'response_format',
    'unsupported_parameter',
  ],
  ['temperature too high', chat, { messages, temperature: 3 }, 400, 'temperature', 'invalid_value'],
  ['temperature as text', chat, { messages, temperature: '1' }, 400, 'temperature', 'invalid_value'],
  ['top_p of 0', chat, { messages, top_p: 0 }, 400, 'top_p', 'invalid_value'],
  ['top_k below -1', chat, { messages, top_k: -2 }, 400, 'top_k', 'invalid_value'],
  ['min_p above 1', chat, { messages, min_p: 1.1 }, 400, 'min_p', 'invalid_value'],
  ['a repetition penalty of 0', chat, { messages, repetition_penalty: 0 }, 400, 'repetition_penalty', 'invalid_value'],
  ['n of 0', chat, { messages, n: 0 }, 400, 'n', 'invalid_value'],
  ['n of 1000', chat, { messages, n: 1000 }, 400, 'n', 'invalid_value'],
  ['max_tokens of 0', chat, { messages, max_tokens: 0 }, 400, 'max_tokens', 'invalid_value'],
  ['max_tokens of 1.5', completions, { prompt: 'a', max_tokens: 1.5 }, 400, 'max_tokens', 'invalid_value'],
  ['too many logprobs', completions, { prompt: 'a', logprobs: 21 }, 400, 'logprobs', 'invalid_value'],
  ['logprobs as a number in a chat', chat, { messages, logprobs: 5 }, 400, 'logprobs', 'invalid_value'],
  ['an empty stop string', chat, { messages, stop: '' }, 400, 'stop', 'invalid_value'],
  ['17 stop strings', chat, { messages, stop: Array(17).fill('a') }, 400, 'stop', 'invalid_value'],
  ['a logit bias of 101', chat, { messages, logit_bias: { 5: 101 } }, 400, 'logit_bias.5', 'invalid_value'],
  ['a logit bias of a word', chat, { messages, logit_bias: { cat: 1 } }, 400, 'logit_bias.cat', 'invalid_value'],
  ['stream as text', chat, { messages, stream: 'yes' }, 400, 'stream', 'invalid_value'],
  ['too many choices', completions, { prompt: Array(300).fill('a'), n: 100 }, 400, 'prompt', 'invalid_value'],
  ['a prompt longer than the context', completions, { prompt: long }, 400, 'prompt', 'context_length_exceeded'],
  [
    'messages longer than the context',
    chat,
    { messages: [{ role: 'user', content: long }] },
    400,
    'prompt',
    'context_length_exceeded',
  ],
  [
    'max_tokens beyond the context',
    completions,
    { prompt: 'a', max_tokens: 10_000_000 },
    400,
    'prompt',
    'context_length_exceeded',
  ],
  [
    'min_tokens above max_tokens',
    chat,
    { messages, min_tokens: 5, max_tokens: 4 },
    422,
    'min_tokens',
    'conflicting_values',
  ],
  ['best_of other than n', completions, { prompt: 'a', best_of: 3 }, 422, 'best_of', 'conflicting_values'],
  ['top_logprobs without logprobs', chat, { messages, top_logprobs: 2 }, 422, 'top_logprobs', 'conflicting_values'],
  [
    'stream_options without stream',
    chat,
    { messages, stream_options: {} },
    422,
    'stream_options',
    'conflicting_values',
  ],
  ['an unknown model', chat, { model: 'gpt-4', messages }, 404, 'model', 'model_not_found'],
  ['an unknown model to complete', completions, { model: 'gpt-4', prompt: 'a' }, 404, 'model', 'model_not_found'],
  ['an unknown route', '/v1/embeddings', { input: 'a' }, 404, null, 'not_found'],
  ['a body too large', completions, { prompt: 'a'.repeat(300_000) }, 413, null, 'request_too_large'],
  ['neither prompt nor messages to tokenise', '/tokenize', {}, 422, 'prompt', 'conflicting_values'],
  ['tokens that do not exist', '/detokenize', { tokens: [1, 99_999_999] }, 400, 'tokens[1]', 'invalid_value'],
];

describe('a bad request is refused', () => {
  afterEach(async () => {
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
  });

  test.each(cases)('%s', async (_name, path, body, status, param, code) => {
    const answer = await post(server.url, path, body);
    expect({ status: answer.status, param: answer.json.error.param, code: answer.json.error.code }).toEqual({
      status,
      param,
      code,
    });
    errorResponse.strict().parse(answer.json);
    expect(answer.json.error.message.length).toBeGreaterThan(10);
  });

  test('of another content type', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded']) {
      const answer = await post(server.url, chat, JSON.stringify({ messages }), { 'content-type': type });
      expect(answer.status).toBe(415);
      errorResponse.strict().parse(answer.json);
    }
  });

  test('of a URL that is none, and of what is not HTTP', async () => {
    const response = await fetch(`${server.url}/v1/models/%zz`);
    expect(response.status).toBe(400);
    errorResponse.strict().parse(await response.json());
    const { hostname, port } = new URL(server.url);
    const text = await new Promise<string>((resolve) => {
      let received = '';
      const socket = connect(Number(port), hostname, () => socket.write('how are you?\r\n\r\n'));
      socket.on('data', (data) => {
        received += data;
      });
      socket.on('close', () => resolve(received));
    });
    expect(text).toContain('400 Bad Request');
    errorResponse.strict().parse(JSON.parse(text.slice(text.indexOf('{'))));
  });

  test('with its status also when a stream was asked for', async () => {
    const tooLong = await postStream(server.url, completions, { prompt: long }).catch((error: unknown) =>
      String(error),
    );
    expect(tooLong).toContain('context_length_exceeded');
    const answer = await post(server.url, completions, { prompt: long, stream: true });
    expect(answer.status).toBe(400);
  });
});

test('a full queue is answered 503 with Retry-After, and requests are taken again afterwards', async () => {
  const body = { prompt: 'Once upon a time', max_tokens: 40, ignore_eos: true };
  const answers = await Promise.all(Array.from({ length: 40 }, () => post(server.url, completions, body)));
  const refused = answers.filter((answer) => answer.status === 503);
  expect(answers.filter((answer) => answer.status === 200).length).toBeGreaterThanOrEqual(4);
  expect(refused.length).toBeGreaterThan(0);
  for (const answer of refused) {
    expect(answer.json.error.code).toBe('queue_full');
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  }
  expect((await post(server.url, completions, { ...body, max_tokens: 2 })).status).toBe(200);
});

test('an API key guards everything but the page and /health', async () => {
  const guarded = await startTestServer({}, { apiKey: 'secret' });
  try {
    const get = async (path: string, key?: string) => {
      const headers: Record<string, string> = key === undefined ? {} : { authorization: key };
      return fetch(guarded.url + path, { headers });
    };
    for (const path of ['/', '/health']) expect((await get(path)).status).toBe(200);
    for (const path of ['/v1/models', '/metrics', '/admin/blocks', '/openapi.json']) {
      for (const key of [undefined, 'Bearer wrong', 'Basic secret', 'Bearer', 'Bearer secret2']) {
        const response = await get(path, key);
        expect(response.status).toBe(401);
        expect(response.headers.get('www-authenticate')).toBe('Bearer');
        const body = errorResponse.strict().parse(await response.json());
        expect(body.error.type).toBe('authentication_error');
      }
    }
    expect((await get('/v1/models', 'Bearer secret')).status).toBe(200);
    expect((await post(guarded.url, chat, { messages, max_tokens: 1 })).status).toBe(401);
    const answer = await post(guarded.url, chat, { messages, max_tokens: 1 }, { authorization: 'Bearer secret' });
    expect(answer.status).toBe(200);
  } finally {
    await guarded.close();
  }
});

test('random bodies get 2xx or 4xx, never 5xx, and the pool is empty afterwards', async () => {
  const random = createRandom(20_261_121);
  const keys = [
    ...[
      'prompt',
      'messages',
      'model',
      'n',
      'stream',
      'stream_options',
      'temperature',
      'top_p',
      'top_k',
      'min_p',
      'seed',
      'stop',
    ],
    ...[
      'stop_token_ids',
      'max_tokens',
      'max_completion_tokens',
      'min_tokens',
      'logprobs',
      'top_logprobs',
      'echo',
      'logit_bias',
    ],
    ...[
      'presence_penalty',
      'frequency_penalty',
      'repetition_penalty',
      'ignore_eos',
      'user',
      'cache_salt',
      'best_of',
      'tools',
    ],
    ...[
      'response_format',
      'add_generation_prompt',
      'suffix',
      'tokens',
      'add_special_tokens',
      'role',
      'content',
      'vendor_field',
    ],
  ];
  const randomValue = (depth: number): unknown => {
    const kind = random.below(depth > 3 ? 8 : 11);
    if (kind === 0) return null;
    if (kind === 1) return random.below(2) === 0;
    if (kind === 2) return random.below(8);
    if (kind === 3) return random.below(2000) / 500 - 2;
    if (kind === 4) return [-1, 1e308, -1e308, 2 ** 53, 0, 1e-300][random.below(6)];
    if (kind <= 7)
      return ['', 'a', 'Once upon', '\u0000', '\ud800', '🦙', '5', 'user', 'text', '<|im_end|>'][random.below(10)];
    if (kind === 8) return Array.from({ length: random.below(4) }, () => randomValue(depth + 1));
    const entries = Array.from({ length: random.below(4) }, () => [
      keys[random.below(keys.length)],
      randomValue(depth + 1),
    ]);
    return Object.fromEntries(entries);
  };
  const paths = [completions, chat, '/tokenize', '/detokenize'];
  const statuses = new Map<number, number>();
  for (let round = 0; round < 400; round++) {
    const body: Record<string, unknown> = { max_tokens: 2, prompt: 'a', messages, tokens: [1] };
    for (let count = random.below(4); count >= 0; count--) body[keys[random.below(keys.length)]] = randomValue(0);
    const path = paths[random.below(paths.length)];
    const response = await fetch(server.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(random.below(20) === 0 ? randomValue(0) : body),
    });
    const text = await response.text();
    statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
    if (response.status >= 500 || text.includes('data: {"error"'))
      throw new Error(`${path} ${JSON.stringify(body)}: ${text}`);
    if (response.status >= 400) errorResponse.strict().parse(JSON.parse(text));
  }
  expect(statuses.get(200)).toBeGreaterThan(20);
  expect(statuses.get(400)).toBeGreaterThan(20);
  await expect.poll(() => server.engine.stats().usedBlocks).toBe(0);
});
