// Checking bodies: what passes, and how a fault is named.

import { describe, expect, test } from 'vitest';
import type { ApiError } from '../api-error.ts';
import { parseBody } from './parse.ts';
import { chatRequest, completionRequest } from './requests.ts';

function refusal(schema: Parameters<typeof parseBody>[0], body: unknown): ApiError {
  try {
    parseBody(schema, body);
  } catch (error) {
    return error as ApiError;
  }
  throw new Error('it was accepted');
}

describe('parseBody', () => {
  test('keeps unknown vendor fields, and takes null for absent', () => {
    const body = parseBody(completionRequest, { prompt: 'a', guided_json: { x: 1 }, temperature: null });
    expect(body).toMatchObject({ prompt: 'a', guided_json: { x: 1 }, temperature: null });
  });

  test('names the field at fault, however deep', () => {
    const error = refusal(chatRequest, { messages: [{ role: 'user', content: 'a' }, { role: 5 }] });
    expect(error).toMatchObject({ status: 400, param: 'messages[1].role', code: 'invalid_value' });
    expect(error.message.startsWith('messages[1].role: ')).toBe(true);
  });

  test('reports one fault of a long prompt of token ids, quickly', () => {
    const prompt: unknown[] = Array(200_000).fill(7);
    prompt[199_999] = 'x';
    const startedMs = performance.now();
    expect(refusal(completionRequest, { prompt }).message).toBe('prompt: token ids must be non-negative integers');
    expect(performance.now() - startedMs).toBeLessThan(500);
  });

  test.each([[[1, 2, 3]], [[[1], [2, 3]]], [['a', '']], ['']])('accepts the prompt %j', (prompt) => {
    expect(parseBody(completionRequest, { prompt }).prompt).toEqual(prompt);
  });
});
