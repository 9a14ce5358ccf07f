// Turns what a request carries (text, messages or token ids) into prompt tokens.

import { InvalidRequestError } from '../errors/errors.ts';
import type { ChatMessage } from '../models/chat-template.ts';
import type { LoadedModel } from '../models/model.ts';
import type { GenerateRequest } from './api.ts';

/** Throws InvalidRequestError unless exactly one kind of prompt is given and it holds at least one token. */
export function readPrompt(request: GenerateRequest, model: LoadedModel): readonly number[] {
  const given = [request.prompt, request.messages, request.tokenIds].filter((value) => value !== undefined);
  if (given.length !== 1) {
    throw new InvalidRequestError(
      `exactly one of prompt, messages and tokenIds must be given, got ${given.length}`,
      'prompt',
      given.length,
    );
  }
  const ids = readTokens(request, model);
  if (ids.length === 0)
    throw new InvalidRequestError('the prompt is empty: it must hold at least one token', 'prompt', '');
  return ids;
}

function readTokens(request: GenerateRequest, model: LoadedModel): readonly number[] {
  if (request.tokenIds !== undefined) return checkTokenIds(request.tokenIds, model.config.vocabSize);
  if (request.messages !== undefined) return encodeChat(model.tokenizer, requireTemplate(model), request.messages);
  if (typeof request.prompt !== 'string')
    throw new InvalidRequestError('prompt must be a string', 'prompt', request.prompt);
  return model.tokenizer.encode(request.prompt);
}

function checkTokenIds(tokenIds: readonly number[], vocabSize: number): readonly number[] {
  if (!Array.isArray(tokenIds))
    throw new InvalidRequestError('tokenIds must be an array of integers', 'tokenIds', tokenIds);
  for (const id of tokenIds) {
    if (!Number.isInteger(id) || id < 0 || id >= vocabSize) {
      throw new InvalidRequestError(
        `tokenIds holds ${String(id)}; the vocabulary has ${vocabSize} tokens`,
        'tokenIds',
        id,
      );
    }
  }
  return [...tokenIds];
}

function requireTemplate(model: LoadedModel): NonNullable<LoadedModel['chatTemplate']> {
  if (!model.chatTemplate) {
    throw new InvalidRequestError('this model has no chat template: send a prompt instead of messages', 'messages');
  }
  return model.chatTemplate;
}

/** Renders messages to text with the model's own template. Throws InvalidRequestError if it has none or refuses them. */
export function renderChat(
  model: LoadedModel,
  messages: readonly ChatMessage[],
  options: { readonly addGenerationPrompt?: boolean },
): string {
  if (!Array.isArray(messages) || messages.length === 0)
    throw new InvalidRequestError('messages must not be empty', 'messages', messages);
  return requireTemplate(model).render(messages, { addGenerationPrompt: options.addGenerationPrompt ?? true });
}
