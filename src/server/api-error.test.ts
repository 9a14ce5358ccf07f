// Which error becomes which answer.

import { expect, test } from 'vitest';
import {
  BackendError,
  ContextLengthError,
  EngineClosedError,
  IntegrityError,
  InvalidRequestError,
  QueueFullError,
} from '../errors/index.ts';
import { ApiError, errorBody, toApiError } from './api-error.ts';

test.each([
  [new InvalidRequestError('topP must be …', 'topP', 2), 400, 'top_p', 'invalid_value'],
  [new InvalidRequestError('bad', 'sampling.minTokens'), 400, 'min_tokens', 'invalid_value'],
  [new ContextLengthError(10, 5, 12), 400, 'prompt', 'context_length_exceeded'],
  [new QueueFullError(8, 8), 503, null, 'queue_full'],
  [new EngineClosedError(), 503, null, 'engine_closed'],
  [new BackendError('cpu', 'secret path'), 500, null, 'internal_error'],
  [new IntegrityError('secret state'), 500, null, 'internal_error'],
  [new Error('secret'), 500, null, 'internal_error'],
  ['not even an error', 500, null, 'internal_error'],
  [Object.assign(new Error('gone'), { name: 'AbortError' }), 499, null, 'client_closed_request'],
])('%s', (error, status, param, code) => {
  const answer = toApiError(error);
  expect({ status: answer.status, param: answer.param, code: answer.code }).toEqual({ status, param, code });
});

test('what fails inside is not told outside', () => {
  expect(JSON.stringify(errorBody(toApiError(new BackendError('cpu', 'secret path'))))).not.toContain('secret');
});

test('an ApiError stays as it is, and a full queue says when to retry', () => {
  const error = new ApiError(404, 'no', { code: 'x' });
  expect(toApiError(error)).toBe(error);
  expect(toApiError(new QueueFullError(1, 1)).retryAfterSeconds).toBeGreaterThan(0);
});
