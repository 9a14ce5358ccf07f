// Sampling fields of a request body as the engine's SamplingParams.

import type { SamplingParams } from '../../engine/api.ts';
import { ApiError } from '../api-error.ts';
import type { ChatRequest, CompletionRequest } from '../schemas/requests.ts';

type SamplingBody = Pick<
  CompletionRequest & ChatRequest,
  | 'temperature'
  | 'top_p'
  | 'top_k'
  | 'min_p'
  | 'repetition_penalty'
  | 'presence_penalty'
  | 'frequency_penalty'
  | 'logit_bias'
  | 'seed'
  | 'stop'
  | 'stop_token_ids'
  | 'min_tokens'
  | 'ignore_eos'
>;

/**
 * The engine's parameters for a body; fields that are absent or null stay undefined.
 * Throws ApiError 422 when the fields contradict each other.
 */
export function toSampling(body: SamplingBody, maxTokens: number | undefined): SamplingParams {
  const minTokens = body.min_tokens ?? undefined;
  if (minTokens !== undefined && maxTokens !== undefined && minTokens > maxTokens) {
    throw new ApiError(422, `min_tokens (${minTokens}) is more than max_tokens (${maxTokens}).`, {
      code: 'conflicting_values',
      param: 'min_tokens',
    });
  }
  const stop = typeof body.stop === 'string' ? [body.stop] : (body.stop ?? undefined);
  return {
    temperature: body.temperature ?? undefined,
    topP: body.top_p ?? undefined,
    topK: body.top_k ?? undefined,
    minP: body.min_p ?? undefined,
    repetitionPenalty: body.repetition_penalty ?? undefined,
    presencePenalty: body.presence_penalty ?? undefined,
    frequencyPenalty: body.frequency_penalty ?? undefined,
    logitBias: body.logit_bias ?? undefined,
    seed: body.seed ?? undefined,
    stop,
    stopTokenIds: body.stop_token_ids ?? undefined,
    minTokens,
    maxTokens,
    ignoreEos: body.ignore_eos ?? undefined,
  };
}

/** Refuses stream_options without stream, as OpenAI does. Returns whether the stream ends with a usage chunk. */
export function wantsStreamUsage(body: Pick<CompletionRequest, 'stream' | 'stream_options'>): boolean {
  if (body.stream_options && !body.stream) {
    throw new ApiError(422, 'stream_options is only allowed when stream is true.', {
      code: 'conflicting_values',
      param: 'stream_options',
    });
  }
  return body.stream_options?.include_usage ?? false;
}
