// The chat template's part of a request reaches the template.

import { expect, it } from 'vitest';
import { chatRequest } from '../schemas/requests.ts';
import { toChatOptions } from './chat.ts';

it('reads the template options in the names of vLLM', () => {
  const messages = [{ role: 'user', content: 'Hi' }];
  expect(toChatOptions(chatRequest.parse({ messages }))).toEqual({ addGenerationPrompt: true, variables: {} });
  const body = { messages, add_generation_prompt: false, chat_template_kwargs: { enable_thinking: false } };
  expect(toChatOptions(chatRequest.parse(body))).toEqual({
    addGenerationPrompt: false,
    variables: { enable_thinking: false },
  });
});
