// Request bodies: loose objects, so that unknown vendor fields pass, but known fields must be right.

import { z } from 'zod';
import { generationFields, promptField, samplingFields } from './fields.ts';

export const completionRequest = z.looseObject({
  prompt: promptField,
  ...generationFields,
  ...samplingFields,
  best_of: z.int().min(1).nullish().describe('Accepted if equal to n.'),
  max_tokens: z.int().min(0).nullish().describe('Defaults to 16; 0 is for echo with logprobs.'),
  logprobs: z.int().min(0).max(20).nullish().describe('Log-probabilities of each token and of this many likeliest.'),
  echo: z.boolean().nullish().describe('Put the prompt before the answer; with logprobs, its tokens are scored too.'),
  suffix: z.string().nullish().describe('Not supported: refused unless empty.'),
});
export type CompletionRequest = z.infer<typeof completionRequest>;

const contentPart = z.looseObject({ type: z.string(), text: z.string().nullish() });

export const chatMessage = z.looseObject({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool', 'function']),
  content: z
    .union([z.string(), z.array(contentPart)], {
      error: 'expected a string or an array of parts {"type": "text", "text": …}',
    })
    .nullish(),
  name: z.string().nullish(),
  tool_calls: z.array(z.unknown()).nullish(),
});
export type ChatRequestMessage = z.infer<typeof chatMessage>;

const messagesField = z.array(chatMessage).min(1, 'at least one message is needed');

export const chatRequest = z.looseObject({
  messages: messagesField,
  ...generationFields,
  ...samplingFields,
  max_tokens: z.int().min(1).nullish(),
  max_completion_tokens: z.int().min(1).nullish().describe('Wins over max_tokens.'),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  add_generation_prompt: z.boolean().nullish().describe('Defaults to true.'),
  chat_template_kwargs: z
    .record(z.string(), z.unknown())
    .nullish()
    .describe("Variables for the model's chat template."),
  tools: z.array(z.unknown()).nullish().describe('Not supported: refused unless empty.'),
  functions: z.array(z.unknown()).nullish().describe('Not supported: refused unless empty.'),
  response_format: z.looseObject({ type: z.string() }).nullish().describe('Only {"type": "text"}.'),
});
export type ChatRequest = z.infer<typeof chatRequest>;

export const tokenizeRequest = z.looseObject({
  model: z.string().nullish(),
  prompt: z.string().nullish(),
  messages: messagesField.nullish(),
  add_special_tokens: z.boolean().nullish().describe('Of a prompt; messages follow their template. Defaults to true.'),
  add_generation_prompt: z.boolean().nullish().describe('Defaults to true.'),
  chat_template_kwargs: z
    .record(z.string(), z.unknown())
    .nullish()
    .describe("Variables for the model's chat template."),
  return_token_strs: z.boolean().nullish(),
});
export type TokenizeRequest = z.infer<typeof tokenizeRequest>;

export const detokenizeRequest = z.looseObject({
  model: z.string().nullish(),
  tokens: z.array(z.int().min(0)),
});
