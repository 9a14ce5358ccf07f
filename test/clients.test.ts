// Real clients against the real server: openai, the Vercel AI SDK and LangChain, streaming and not.

import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { ChatOpenAI } from '@langchain/openai';
import { generateText, streamText } from 'ai';
import OpenAI, { BadRequestError, NotFoundError } from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { servedModelName, startTestServer, type TestServer } from './support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

const question = 'Tell me a story about a cat and a boat.';
const messages = [{ role: 'user' as const, content: question }];
const sampling = { temperature: 0.9, seed: 7, max_tokens: 40 };

describe('openai', () => {
  const client = () => new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'unused', maxRetries: 0 });

  test('lists and retrieves the model', async () => {
    const list = await client().models.list();
    expect(list.data.map((model) => model.id)).toEqual([servedModelName]);
    expect((await client().models.retrieve(servedModelName)).id).toBe(servedModelName);
    await expect(client().models.retrieve('other')).rejects.toBeInstanceOf(NotFoundError);
  });

  test('chat: the text of a stream is the text of the plain answer, and every chunk has finish_reason', async () => {
    const request = { model: servedModelName, messages, ...sampling };
    const plain = await client().chat.completions.create(request);
    expect(plain.choices[0].message.content).toBeTruthy();
    let text = '';
    const reasons: unknown[] = [];
    const roles: unknown[] = [];
    let usage: OpenAI.CompletionUsage | null | undefined;
    const stream = await client().chat.completions.create({
      ...request,
      stream: true,
      stream_options: { include_usage: true },
    });
    for await (const chunk of stream) {
      if (chunk.choices.length === 0) {
        usage = chunk.usage;
        continue;
      }
      expect(chunk.usage).toBeNull();
      expect(chunk.choices[0]).toHaveProperty('finish_reason');
      text += chunk.choices[0].delta.content ?? '';
      reasons.push(chunk.choices[0].finish_reason);
      roles.push(chunk.choices[0].delta.role);
    }
    expect(text).toBe(plain.choices[0].message.content);
    expect(reasons.slice(0, -1).every((reason) => reason === null)).toBe(true);
    expect(reasons.at(-1)).toBe(plain.choices[0].finish_reason);
    expect(roles[0]).toBe('assistant');
    expect(roles.slice(1).every((role) => role === undefined)).toBe(true);
    expect(usage?.completion_tokens).toBe(plain.usage?.completion_tokens);
    expect(usage?.prompt_tokens).toBe(plain.usage?.prompt_tokens);
  });

  test('completions: the text of a stream is the text of the plain answer', async () => {
    const request = { model: servedModelName, prompt: 'Once upon a time', ...sampling, n: 2 };
    const plain = await client().completions.create(request);
    const texts = ['', ''];
    for await (const chunk of await client().completions.create({ ...request, stream: true })) {
      texts[chunk.choices[0].index] += chunk.choices[0].text;
    }
    expect(texts).toEqual(plain.choices.map((choice) => choice.text));
    expect(texts[0]).not.toBe(texts[1]);
  });

  test('errors arrive as the client knows them', async () => {
    const wrong = client().chat.completions.create({ model: servedModelName, messages, temperature: 9 });
    await expect(wrong).rejects.toBeInstanceOf(BadRequestError);
    await expect(wrong).rejects.toMatchObject({ status: 400, code: 'invalid_value', param: 'temperature' });
  });

  test('a stream that the client leaves is cancelled', async () => {
    const stream = await client().chat.completions.create({
      model: servedModelName,
      messages,
      stream: true,
    });
    for await (const _ of stream) break;
    await expect.poll(() => server.engine.stats().runningRequests).toBe(0);
    expect(server.engine.stats().usedBlocks).toBe(0);
  });
});

describe('Vercel AI SDK', () => {
  const model = () =>
    createOpenAICompatible({ name: 'octavo', baseURL: `${server.url}/v1`, includeUsage: true })(servedModelName);
  const request = () => ({
    model: model(),
    prompt: question,
    temperature: 0.9,
    seed: 7,
    maxOutputTokens: 40,
    maxRetries: 0,
  });

  test('the text of a stream is the text of the plain answer', async () => {
    const plain = await generateText(request());
    const streamed = streamText(request());
    let text = '';
    for await (const part of streamed.textStream) text += part;
    expect(text).toBe(plain.text);
    expect(text.length).toBeGreaterThan(0);
    expect(await streamed.finishReason).toBe(plain.finishReason);
    expect((await streamed.usage).outputTokens).toBe(plain.usage.outputTokens);
    expect(plain.usage.inputTokens).toBeGreaterThan(0);
  });
});

describe('LangChain', () => {
  const model = () =>
    new ChatOpenAI({
      model: servedModelName,
      apiKey: 'unused',
      configuration: { baseURL: `${server.url}/v1` },
      temperature: 0,
      maxTokens: 40,
      maxRetries: 0,
    });

  test('the text of a stream is the text of the plain answer', async () => {
    const plain = await model().invoke(question);
    let text = '';
    for await (const chunk of await model().stream(question)) text += chunk.content;
    expect(text).toBe(plain.content);
    expect(text.length).toBeGreaterThan(0);
    expect(plain.usage_metadata?.output_tokens).toBeGreaterThan(0);
  });

  test('a batch of questions gets one answer each', async () => {
    const answers = await model().batch([question, 'Hello!', question]);
    expect(answers[0].content).toBe(answers[2].content);
    expect(answers).toHaveLength(3);
  });
});
