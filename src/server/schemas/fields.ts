// Request fields that several routes share. Null counts as absent, as clients of many languages send it.

import { z } from 'zod';

/** Choices over all prompts of one request; more is refused, so that one request stays bounded. */
export const maxChoiceCount = 1024;

const tokenIdSchema = { type: 'integer', minimum: 0 } as const;

function isTokenId(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** What is wrong with a `prompt`, or null. Written by hand: a union of array schemas would report every element. */
function promptFault(value: unknown): string | null {
  if (typeof value === 'string') return null;
  const expected = 'expected a string, an array of strings, an array of token ids or an array of token-id arrays';
  if (!Array.isArray(value)) return expected;
  if (value.length === 0) return `${expected}; the array is empty`;
  const first: unknown = value[0];
  if (typeof first === 'string') return value.every((item) => typeof item === 'string') ? null : expected;
  if (typeof first === 'number') {
    return value.every(isTokenId) ? null : 'token ids must be non-negative integers';
  }
  for (const item of value) {
    if (!Array.isArray(item)) return expected;
    if (item.length === 0) return 'a token-id array is empty';
    if (!item.every(isTokenId)) return 'token ids must be non-negative integers';
  }
  return null;
}

export type Prompt = string | string[] | number[] | number[][];

export const promptField = z
  .custom<Prompt>((value) => promptFault(value) === null, {
    error: (issue) =>
      issue.input === undefined ? 'this field is required' : (promptFault(issue.input) ?? 'invalid prompt'),
  })
  .meta({
    anyOf: [
      { type: 'string' },
      { type: 'array', items: { type: 'string' }, minItems: 1 },
      { type: 'array', items: tokenIdSchema, minItems: 1 },
      { type: 'array', items: { type: 'array', items: tokenIdSchema, minItems: 1 }, minItems: 1 },
    ],
    description: 'Text, several texts, token ids, or several arrays of token ids.',
  });

const stopText = z.string().min(1, 'a stop string must not be empty');

/** Sampling fields of OpenAI and of vLLM, with the ranges that the engine accepts. */
export const samplingFields = {
  temperature: z.number().min(0).max(2).nullish().describe('0 is greedy. Defaults to 1.'),
  top_p: z.number().gt(0).max(1).nullish(),
  top_k: z.int().min(-1).nullish().describe('0 or -1 keeps all tokens.'),
  min_p: z.number().min(0).max(1).nullish(),
  repetition_penalty: z.number().gt(0).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  logit_bias: z
    .record(z.string().regex(/^\d+$/, 'keys must be token ids'), z.number().min(-100).max(100))
    .nullish()
    .describe('Token id -> value added to its logit.'),
  seed: z.int().nullish(),
  stop: z
    .union([stopText, z.array(stopText).max(16, 'at most 16 stop strings')], {
      error: 'expected a string or an array of at most 16 strings, none of them empty',
    })
    .nullish(),
  stop_token_ids: z.array(z.int().min(0)).max(128).nullish(),
  min_tokens: z.int().min(0).nullish(),
  ignore_eos: z.boolean().nullish(),
};

/** Fields of every generation request beside sampling. */
export const generationFields = {
  model: z.string().nullish().describe('Defaults to the served model.'),
  n: z.int().min(1).max(128).nullish().describe('Continuations of each prompt, which is computed once.'),
  stream: z.boolean().nullish(),
  stream_options: z
    .looseObject({ include_usage: z.boolean().nullish() })
    .nullish()
    .describe('include_usage: the last chunk carries the usage and no choices.'),
  user: z.string().nullish(),
  cache_salt: z.string().min(1).nullish().describe('Cached blocks are shared only with requests of the same salt.'),
};
