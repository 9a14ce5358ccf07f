// Translation of bodies and events, without an engine.

import { describe, expect, test } from 'vitest';
import type { Tokenizer } from '../../models/tokenizers/tokenizer.ts';
import type { PromptEvent } from '../merge.ts';
import { completionRequest } from '../schemas/requests.ts';
import { toChatMessages } from './chat.ts';
import { createCompletionFormatter, planCompletion } from './completion.ts';
import { toSampling } from './sampling.ts';
import { finiteLogprob, tokenString } from './tokens.ts';
import { toApiUsage } from './usage.ts';

/** One token per byte of UTF-8. */
const byteTokenizer: Tokenizer = {
  vocabSize: 256,
  bosTokenId: null,
  eosTokenIds: [],
  encode: (text) => [...new TextEncoder().encode(text)],
  decode: (ids) => new TextDecoder().decode(new Uint8Array(ids)),
  tokenBytes: (id) => new Uint8Array([id]),
  isSpecial: () => false,
  tokenId: () => undefined,
  createDetokenizer() {
    const decoder = new TextDecoder();
    return { push: (id) => decoder.decode(new Uint8Array([id]), { stream: true }), end: () => decoder.decode() };
  },
};

function token(tokenId: number, text: string, promptIndex = 0, index = 0): PromptEvent {
  const topLogprobs = [{ tokenId, logprob: -0.5 }];
  return { promptIndex, event: { type: 'token', index, tokenId, text, logprob: -0.5, topLogprobs } };
}

describe('tokens', () => {
  test('a token that is no UTF-8 by itself is written as bytes', () => {
    expect(tokenString(byteTokenizer, 0x41)).toBe('A');
    expect(tokenString(byteTokenizer, 0xe2)).toBe('bytes:\\xe2');
  });

  test('log-probabilities are finite', () => {
    expect(finiteLogprob(-1)).toBe(-1);
    expect(finiteLogprob(Number.NEGATIVE_INFINITY)).toBe(-9999);
    expect(finiteLogprob(Number.NaN)).toBe(-9999);
  });
});

describe('completions', () => {
  const plan = (body: Record<string, unknown>) => planCompletion(completionRequest.parse(body), 'cmpl-1');

  test('prompts become requests; choices are numbered prompt by prompt', () => {
    const made = plan({ prompt: ['a', 'b'], n: 2, max_tokens: 3, cache_salt: 's' });
    expect(made.requests.map((request) => [request.prompt, request.requestId, request.n, request.cacheSalt])).toEqual([
      ['a', 'cmpl-1-0', 2, 's'],
      ['b', 'cmpl-1-1', 2, 's'],
    ]);
    const format = createCompletionFormatter(made, byteTokenizer);
    expect(format(token(0x41, 'A', 1, 1))[0]).toMatchObject({ index: 3, text: 'A', finish_reason: null });
  });

  test('offsets count code points, and a token inside a character has the offset of the character', () => {
    const format = createCompletionFormatter(plan({ prompt: 'x', logprobs: 1 }), byteTokenizer);
    const bytes = [...new TextEncoder().encode('é🦙b')];
    const texts = ['', 'é', '', '', '', '🦙', 'b'];
    const offsets = bytes.map((byte, at) => format(token(byte, texts[at]))[0].logprobs?.text_offset[0]);
    expect(offsets).toEqual([0, 0, 1, 1, 1, 1, 2]);
  });

  test('tokens without text are left out unless their log-probability is wanted', () => {
    expect(createCompletionFormatter(plan({ prompt: 'x' }), byteTokenizer)(token(0xc3, ''))).toEqual([]);
    expect(createCompletionFormatter(plan({ prompt: 'x', logprobs: 0 }), byteTokenizer)(token(0xc3, ''))).toHaveLength(
      1,
    );
  });

  test('a cancelled generation is an error, not an answer', () => {
    const format = createCompletionFormatter(plan({ prompt: 'x' }), byteTokenizer);
    const event = { type: 'finish', index: 0, reason: 'cancelled', stopReason: null, text: '' } as const;
    expect(() => format({ promptIndex: 0, event })).toThrow('cancelled');
  });
});

test('chat parts are joined by lines, developer is system, names stay', () => {
  const parts = [
    { type: 'text', text: 'one' },
    { type: 'text', text: 'two' },
  ];
  expect(
    toChatMessages([
      { role: 'developer', content: 'be kind' },
      { role: 'user', content: parts, name: 'Ann' },
      { role: 'assistant', content: null },
    ]),
  ).toEqual([
    { role: 'system', content: 'be kind' },
    { role: 'user', content: 'one\ntwo', name: 'Ann' },
    { role: 'assistant', content: '' },
  ]);
});

test('sampling fields keep their meaning, and null is absent', () => {
  const sampling = toSampling({ temperature: 0, top_p: null, top_k: -1, stop: 'x', logit_bias: { 5: -100 } }, 7);
  expect(sampling).toMatchObject({ temperature: 0, topK: -1, stop: ['x'], logitBias: { 5: -100 }, maxTokens: 7 });
  expect(sampling.topP).toBeUndefined();
});

test('usage is summed over prompts', () => {
  const usage = toApiUsage([
    { promptTokens: 3, completionTokens: 4, cachedTokens: 1, cacheReport: { reason: 'differs', firstMissing: 1 } },
    { promptTokens: 5, completionTokens: 6, cachedTokens: 0, cacheReport: null },
  ]);
  expect(usage).toEqual({
    prompt_tokens: 8,
    completion_tokens: 10,
    total_tokens: 18,
    prompt_tokens_details: { cached_tokens: 1 },
    octavo: { prefix_cache: [{ reason: 'differs', first_missing_token: 1 }] },
  });
});
