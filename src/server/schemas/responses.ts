// Answers, as the OpenAPI document shows them and as the tests check them.

import { z } from 'zod';

const finishReason = z.enum(['stop', 'length']).nullable();
const stopReason = z.union([z.string(), z.int()]).nullable();

export const usage = z.object({
  prompt_tokens: z.int(),
  completion_tokens: z.int(),
  total_tokens: z.int(),
  prompt_tokens_details: z.object({
    cached_tokens: z.int().describe('Prompt tokens whose K and V were found in the prefix cache.'),
  }),
  octavo: z
    .object({
      prefix_cache: z.array(
        z.object({
          reason: z.enum(['hit', 'evicted', 'different_salt', 'differs', 'never_seen', 'not_looked_up']),
          first_missing_token: z.int().nullable(),
        }),
      ),
    })
    .describe("Not OpenAI's: for each prompt, why no more of it was found in the prefix cache."),
});

export const completionLogprobs = z.object({
  tokens: z.array(z.string()),
  token_logprobs: z.array(z.number().nullable()),
  top_logprobs: z.array(z.record(z.string(), z.number()).nullable()),
  text_offset: z.array(z.int()),
});
export type CompletionLogprobs = z.infer<typeof completionLogprobs>;

const completionChoice = z.object({
  index: z.int(),
  text: z.string(),
  logprobs: completionLogprobs.nullable(),
  finish_reason: finishReason,
  stop_reason: stopReason,
});

const completionBase = {
  id: z.string(),
  object: z.literal('text_completion'),
  created: z.int(),
  model: z.string(),
  choices: z.array(completionChoice),
};
export const completionResponse = z.object({ ...completionBase, usage });
export const completionChunk = z.object({ ...completionBase, usage: usage.nullish() });

const chatTokenLogprob = z.object({ token: z.string(), logprob: z.number(), bytes: z.array(z.int()) });
export const chatLogprobs = z.object({
  content: z.array(chatTokenLogprob.extend({ top_logprobs: z.array(chatTokenLogprob) })),
  refusal: z.null(),
});
export type ChatLogprobs = z.infer<typeof chatLogprobs>;

export const chatResponse = z.object({
  id: z.string(),
  object: z.literal('chat.completion'),
  created: z.int(),
  model: z.string(),
  choices: z.array(
    z.object({
      index: z.int(),
      message: z.object({ role: z.literal('assistant'), content: z.string(), refusal: z.null() }),
      logprobs: chatLogprobs.nullable(),
      finish_reason: finishReason,
      stop_reason: stopReason,
    }),
  ),
  usage,
});

export const chatChunk = z.object({
  id: z.string(),
  object: z.literal('chat.completion.chunk'),
  created: z.int(),
  model: z.string(),
  choices: z.array(
    z.object({
      index: z.int(),
      delta: z.object({ role: z.literal('assistant').optional(), content: z.string().optional() }),
      logprobs: chatLogprobs.nullable(),
      finish_reason: finishReason,
      stop_reason: stopReason.optional(),
    }),
  ),
  usage: usage.nullish(),
});

export const modelCard = z.object({
  id: z.string(),
  object: z.literal('model'),
  created: z.int(),
  owned_by: z.string(),
  root: z.string(),
  parent: z.null(),
  max_model_len: z.int(),
});
export const modelList = z.object({ object: z.literal('list'), data: z.array(modelCard) });

export const tokenizeResponse = z.object({
  count: z.int(),
  max_model_len: z.int(),
  tokens: z.array(z.int()),
  token_strs: z.array(z.string()).nullable(),
});
export const detokenizeResponse = z.object({ prompt: z.string() });

export const errorResponse = z.object({
  error: z.object({ message: z.string(), type: z.string(), param: z.string().nullable(), code: z.string() }),
});

export const healthResponse = z.object({ status: z.enum(['ok', 'draining', 'failed']) });

export const blockMapResponse = z.object({
  blockSize: z.int(),
  blockCount: z.int(),
  references: z.array(z.int()),
  cached: z.array(z.boolean()),
  sequences: z.array(
    z.object({
      requestId: z.string(),
      state: z.enum(['running', 'waiting']),
      computedTokens: z.int(),
      totalTokens: z.int(),
      blocks: z.array(z.int()),
    }),
  ),
});

const sharedBlocks = z.array(z.object({ id: z.string(), blocks: z.int() }));
const milliseconds = z.number();
export const explanationResponse = z.object({
  id: z.string(),
  object: z.literal('octavo.request_explanation'),
  state: z.enum(['waiting', 'running', 'stop', 'length', 'cancelled', 'error']),
  prompt_tokens: z.int(),
  completion_tokens: z.int(),
  choices: z.int(),
  forked_from: z.string().nullable(),
  waited_ms: z.record(z.enum(['queue', 'blocks', 'headroom', 'quota', 'pages', 'prefix']), milliseconds),
  prefix_cache: z.object({
    reason: z.enum(['hit', 'evicted', 'different_salt', 'differs', 'never_seen', 'not_looked_up']).nullable(),
    cached_tokens: z.int(),
    first_missing_token: z.int().nullable(),
    cached_tokens_by_tier: z.record(z.string(), z.int()),
    failed_pages: z.int(),
    shared_with: sharedBlocks,
    text_before_missing: z.string().nullable(),
    text_from_missing: z.string().nullable(),
  }),
  preemption_count: z.int(),
  preemptions: z.array(
    z.object({
      at_ms: milliseconds,
      step: z.int(),
      by: z.string(),
      reason: z.enum(['blocks', 'quota']),
      mode: z.literal('recompute'),
      lost_tokens: z.int(),
      recomputed_tokens: z.int().nullable(),
    }),
  ),
  steps: z.object({
    first: z.int().nullable(),
    last: z.int().nullable(),
    count: z.int(),
    computed_tokens: z.int(),
  }),
  first_scheduled_ms: milliseconds.nullable(),
  ttft_ms: milliseconds.nullable(),
  finished_ms: milliseconds.nullable(),
  inter_token_ms: z.object({ mean: milliseconds, p50: milliseconds, p99: milliseconds, max: milliseconds }).nullable(),
  blocks_shared_now: sharedBlocks,
  text: z.object({ prompt: z.string(), output: z.string() }).nullable(),
});
