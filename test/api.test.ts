// What the routes answer: shapes, options of OpenAI and vLLM, prefix hits, metrics.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as responses from '../src/server/schemas/responses.ts';
import { post, postStream } from './support/http.ts';
import { servedModelName, startTestServer, type TestServer } from './support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

const prompt = 'Once upon a time there was a little girl named Lily. She liked to play in the garden.';
const complete = (body: Record<string, unknown>) => post(server.url, '/v1/completions', body);
const chat = (body: Record<string, unknown>) => post(server.url, '/v1/chat/completions', body);
const messages = [{ role: 'user', content: 'Tell me a story.' }];

async function tokenize(text: string): Promise<number[]> {
  return (await post(server.url, '/tokenize', { prompt: text })).json.tokens;
}

describe('completions', () => {
  test('answers in the documented shape', async () => {
    const { status, json, headers } = await complete({ prompt, max_tokens: 8, temperature: 0 });
    expect(status).toBe(200);
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f]{32}$/);
    responses.completionResponse.strict().parse(json);
    expect(json.model).toBe(servedModelName);
    expect(json.usage.completion_tokens).toBe(8);
    expect(json.usage.prompt_tokens).toBe((await tokenize(prompt)).length);
    expect(json.choices[0]).toMatchObject({ index: 0, finish_reason: 'length', logprobs: null });
  });

  test('16 tokens unless told otherwise', async () => {
    const { json } = await complete({ prompt, ignore_eos: true });
    expect(json.usage.completion_tokens).toBe(16);
  });

  test('a prompt as text, as token ids and in batches gives the same continuations in order', async () => {
    const other = 'The dog ran';
    const sampling = { max_tokens: 12, temperature: 0.8, seed: 3, n: 2 };
    const [ids, otherIds] = [await tokenize(prompt), await tokenize(other)];
    const alone = (await complete({ prompt, ...sampling })).json.choices;
    const otherAlone = (await complete({ prompt: other, ...sampling })).json.choices;
    const texts = [...alone, ...otherAlone].map((choice) => choice.text);
    for (const batch of [
      [prompt, other],
      [ids, otherIds],
    ]) {
      const { json } = await complete({ prompt: batch, ...sampling });
      expect(json.choices.map((choice) => choice.index)).toEqual([0, 1, 2, 3]);
      expect(json.choices.map((choice) => choice.text)).toEqual(texts);
      expect(json.usage.completion_tokens).toBeGreaterThan(4);
      expect(json.usage.prompt_tokens).toBe(ids.length + otherIds.length);
    }
    expect((await complete({ prompt: ids, ...sampling })).json.choices[0].text).toBe(texts[0]);
    const streamed = await postStream(server.url, '/v1/completions', { prompt: [prompt, other], ...sampling });
    const streamedTexts = ['', '', '', ''];
    for (const chunk of streamed.chunks) streamedTexts[chunk.choices[0].index] += chunk.choices[0].text;
    expect(streamedTexts).toEqual(texts);
  });

  test('a seed repeats, another seed differs', async () => {
    const text = async (seed: number) =>
      (await complete({ prompt, max_tokens: 24, ignore_eos: true, seed })).json.choices[0].text;
    expect(await text(1)).toBe(await text(1));
    expect(await text(1)).not.toBe(await text(2));
  });

  test('a stop string ends the text before it', async () => {
    const free = (await complete({ prompt, max_tokens: 30, temperature: 0 })).json.choices[0].text;
    const stop = free.trim().split(' ')[4];
    const { json } = await complete({ prompt, max_tokens: 30, temperature: 0, stop: [stop] });
    expect(json.choices[0].text).toBe(free.slice(0, free.indexOf(stop)));
    expect(json.choices[0]).toMatchObject({ finish_reason: 'stop', stop_reason: stop });
    const streamed = await postStream(server.url, '/v1/completions', { prompt, max_tokens: 30, temperature: 0, stop });
    expect(streamed.chunks.map((chunk) => chunk.choices[0].text).join('')).toBe(json.choices[0].text);
    expect(streamed.chunks.at(-1)?.choices[0]).toMatchObject({ finish_reason: 'stop', stop_reason: stop });
  });

  test('stop_token_ids, min_tokens and logit_bias reach the sampler', async () => {
    const [biased] = (await tokenize('zebra')).slice(-1);
    const forced = { prompt, max_tokens: 3, temperature: 0, logit_bias: { [biased]: 100 } };
    const all = await complete({ ...forced, logprobs: 0 });
    expect(new Set(all.json.choices[0].logprobs.tokens).size).toBe(1);
    const stopped = await complete({ ...forced, stop_token_ids: [biased] });
    expect(stopped.json.choices[0]).toMatchObject({ finish_reason: 'stop', stop_reason: biased });
    expect(stopped.json.usage.completion_tokens).toBe(1);
    const later = await complete({ ...forced, max_tokens: 8, stop_token_ids: [biased], min_tokens: 3 });
    expect(later.json.usage.completion_tokens).toBeGreaterThan(3);
  });

  test('logprobs: one entry per token, the likeliest first at temperature 0, offsets that index the text', async () => {
    const { json } = await complete({ prompt, max_tokens: 6, temperature: 0, logprobs: 3 });
    const [{ text, logprobs }] = json.choices;
    expect(logprobs.tokens).toHaveLength(6);
    expect(logprobs.tokens.join('')).toBe(text);
    logprobs.tokens.forEach((token: string, index: number) => {
      const top = Object.entries<number>(logprobs.top_logprobs[index]);
      expect(top.length).toBeGreaterThanOrEqual(3);
      expect(Math.max(...top.map(([, value]) => value))).toBe(logprobs.token_logprobs[index]);
      expect(logprobs.top_logprobs[index][token]).toBe(logprobs.token_logprobs[index]);
      expect(text.slice(logprobs.text_offset[index]).startsWith(token)).toBe(true);
    });
  });

  test('echo gives the prompt back, and with logprobs scores it', async () => {
    const { json } = await complete({ prompt, max_tokens: 4, temperature: 0, echo: true, logprobs: 1 });
    const [{ text, logprobs }] = json.choices;
    const promptIds = await tokenize(prompt);
    expect(text.startsWith(prompt)).toBe(true);
    expect(logprobs.tokens).toHaveLength(promptIds.length + 4);
    expect(logprobs.token_logprobs[0]).toBeNull();
    expect(logprobs.top_logprobs[0]).toBeNull();
    expect(logprobs.token_logprobs.slice(1).every((value: number) => value <= 0)).toBe(true);
    expect(logprobs.text_offset.at(-4)).toBe(prompt.length);
    const plain = await complete({ prompt, max_tokens: 4, temperature: 0, logprobs: 1 });
    expect(text.slice(prompt.length)).toBe(plain.json.choices[0].text);
    expect(logprobs.token_logprobs.slice(-4)).toEqual(plain.json.choices[0].logprobs.token_logprobs);

    const streamed = await postStream(server.url, '/v1/completions', {
      prompt,
      max_tokens: 4,
      temperature: 0,
      echo: true,
      logprobs: 1,
    });
    expect(streamed.chunks.map((chunk) => chunk.choices[0].text).join('')).toBe(text);
    const tokens = streamed.chunks.flatMap((chunk) => chunk.choices[0].logprobs?.tokens ?? []);
    expect(tokens).toEqual(logprobs.tokens);
  });

  test('max_tokens 0 scores a prompt without an answer', async () => {
    const { json } = await complete({ prompt, max_tokens: 0, echo: true, logprobs: 0 });
    expect(json.choices[0]).toMatchObject({ text: prompt, finish_reason: 'length' });
    expect(json.usage.completion_tokens).toBe(0);
    expect(json.choices[0].logprobs.tokens).toHaveLength(json.usage.prompt_tokens);
  });

  test('usage in a stream: null until a last chunk without choices; none unless asked for', async () => {
    const body = { prompt, max_tokens: 4, temperature: 0 };
    const with_ = await postStream(server.url, '/v1/completions', { ...body, stream_options: { include_usage: true } });
    expect(with_.contentType).toContain('text/event-stream');
    expect(with_.done).toBe(true);
    for (const chunk of with_.chunks) responses.completionChunk.strict().parse(chunk);
    expect(with_.chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 4 } });
    expect(with_.chunks.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true);
    const without = await postStream(server.url, '/v1/completions', body);
    expect(without.chunks.every((chunk) => !('usage' in chunk))).toBe(true);
    expect(without.chunks.every((chunk) => 'finish_reason' in chunk.choices[0])).toBe(true);
  });
});

describe('chat', () => {
  test('answers in the documented shape', async () => {
    const { status, json } = await chat({ messages, max_tokens: 12, temperature: 0 });
    expect(status).toBe(200);
    responses.chatResponse.strict().parse(json);
    const streamed = await postStream(server.url, '/v1/chat/completions', { messages, max_tokens: 12, temperature: 0 });
    for (const chunk of streamed.chunks) responses.chatChunk.strict().parse(chunk);
  });

  test('content parts are joined, and null fields count as absent', async () => {
    const plain = await chat({ messages, max_tokens: 12, temperature: 0 });
    const parts = [{ role: 'user', content: [{ type: 'text', text: 'Tell me a story.' }] }];
    const same = await chat({
      messages: parts,
      max_completion_tokens: 12,
      temperature: 0,
      stop: null,
      seed: null,
      tools: [],
    });
    expect(same.json.choices).toEqual(plain.json.choices);
  });

  test('logprobs carry bytes and the likeliest tokens, in the stream as in the plain answer', async () => {
    const body = { messages, max_tokens: 6, temperature: 0, logprobs: true, top_logprobs: 2 };
    const { json } = await chat(body);
    const { content } = json.choices[0].logprobs;
    expect(content).toHaveLength(json.usage.completion_tokens);
    for (const entry of content) {
      expect(entry.top_logprobs).toHaveLength(2);
      expect(entry.top_logprobs[0].logprob).toBe(entry.logprob);
      if (!entry.token.startsWith('bytes:')) expect(entry.bytes).toEqual([...Buffer.from(entry.token)]);
    }
    const streamed = await postStream(server.url, '/v1/chat/completions', body);
    expect(streamed.chunks.flatMap((chunk) => chunk.choices[0].logprobs?.content ?? [])).toEqual(content);
  });

  test('n choices stream side by side and equal the plain ones', async () => {
    const body = { messages, n: 3, seed: 11, max_tokens: 20 };
    const { json } = await chat(body);
    expect(json.choices.map((choice) => choice.index)).toEqual([0, 1, 2]);
    const texts = ['', '', ''];
    const ends = [0, 0, 0];
    const streamed = await postStream(server.url, '/v1/chat/completions', body);
    for (const { choices } of streamed.chunks) {
      texts[choices[0].index] += choices[0].delta.content ?? '';
      if (choices[0].finish_reason !== null) ends[choices[0].index]++;
    }
    expect(texts).toEqual(json.choices.map((choice) => choice.message.content));
    expect(ends).toEqual([1, 1, 1]);
  });

  test('a repeated prompt is found in the cache, unless the salt differs', async () => {
    const long = [{ role: 'user', content: `${prompt} ${prompt} What does she do next?` }];
    const cached = async (salt?: string) =>
      (await chat({ messages: long, max_tokens: 2, cache_salt: salt })).json.usage.prompt_tokens_details.cached_tokens;
    expect(await cached('a')).toBe(0);
    expect(await cached('a')).toBeGreaterThanOrEqual(16);
    expect(await cached('b')).toBe(0);
  });
});

describe('other routes', () => {
  test('tokenize and detokenize are inverse', async () => {
    const { json } = await post(server.url, '/tokenize', {
      prompt,
      add_special_tokens: false,
      return_token_strs: true,
    });
    responses.tokenizeResponse.strict().parse(json);
    expect(json.count).toBe(json.tokens.length);
    expect(json.token_strs.join('')).toBe(prompt);
    expect(json.max_model_len).toBe(server.engine.maxModelLen);
    expect((await post(server.url, '/detokenize', { tokens: json.tokens })).json).toEqual({ prompt });
  });

  test('tokenize counts messages as chat does', async () => {
    const { json } = await post(server.url, '/tokenize', { messages });
    const answer = await chat({ messages, max_tokens: 1 });
    expect(json.count).toBe(answer.json.usage.prompt_tokens);
    const open = await post(server.url, '/tokenize', { messages, add_generation_prompt: false });
    expect(open.json.count).toBeLessThan(json.count);
    const continued = await chat({ messages, max_tokens: 1, add_generation_prompt: false });
    expect(continued.json.usage.prompt_tokens).toBe(open.json.count);
  });

  test('health, models and the OpenAPI document', async () => {
    const get = async (path: string) => (await fetch(server.url + path)).json();
    expect(await get('/health')).toEqual({ status: 'ok' });
    responses.modelList.strict().parse(await get('/v1/models'));
    const document = (await get('/openapi.json')) as {
      openapi: string;
      paths: Record<string, Record<string, unknown>>;
    };
    expect(document.openapi).toMatch(/^3\.1/);
    for (const path of ['/v1/completions', '/v1/chat/completions', '/tokenize', '/metrics', '/health']) {
      expect(Object.keys(document.paths)).toContain(path);
    }
    const body = JSON.stringify(document.paths['/v1/completions'].post);
    expect(body).toContain('repetition_penalty');
    expect(body).toContain('cached_tokens');
  });

  test('metrics are Prometheus text and count what ran', async () => {
    const read = async () => {
      const response = await fetch(`${server.url}/metrics`);
      expect(response.headers.get('content-type')).toContain('text/plain');
      return response.text();
    };
    const value = (text: string, name: string) => {
      const line = text.split('\n').find((each) => each.startsWith(name));
      if (line === undefined) throw new Error(`no metric ${name}`);
      return Number(line.slice(line.lastIndexOf(' ') + 1));
    };
    const before = await read();
    await complete({ prompt, max_tokens: 5, ignore_eos: true });
    const after = await read();
    expect(value(after, 'octavo_generation_tokens_total') - value(before, 'octavo_generation_tokens_total')).toBe(5);
    expect(value(after, 'octavo_prefix_cache_queries_total')).toBeGreaterThan(0);
    expect(value(after, 'octavo_prefix_cache_hits_total')).toBeGreaterThan(0);
    expect(value(after, 'octavo_time_to_first_token_seconds_count')).toBeGreaterThan(0);
    expect(value(after, 'octavo_request_success_total{finished_reason="length"')).toBeGreaterThan(0);
    for (const name of [
      'octavo_step_outside_kernels_ratio',
      'octavo_step_pick_seconds_total',
      'octavo_step_followed_seconds_total',
      'octavo_step_followed_kernel_seconds_total',
      'octavo_num_requests_running',
      'octavo_num_requests_waiting',
      'octavo_kv_cache_usage_perc',
      'octavo_prompt_tokens_total',
      'octavo_num_preemptions_total',
      'octavo_inter_token_latency_seconds_bucket',
      'octavo_e2e_request_latency_seconds_sum',
      'octavo_step_total',
      'octavo_step_seconds_total',
      'octavo_event_loop_delay_seconds',
    ]) {
      expect(value(after, name)).toBeGreaterThanOrEqual(0);
    }
    expect(after).toContain(`model_name="${servedModelName}"`);
  });

  test('the block map is shown', async () => {
    const map = await (await fetch(`${server.url}/admin/blocks`)).json();
    responses.blockMapResponse.strict().parse(map);
  });
});
