// Turns what a request carries (text, messages or token ids) into prompt tokens.

import { InvalidRequestError } from '../errors/errors.ts';
import { encodeChat, encodeChatAsync } from '../models/chat/index.ts';
import type { ChatMessage } from '../models/chat-template.ts';
import type { LoadedModel } from '../models/model.ts';
import { encodeAsync } from '../models/tokenizers/index.ts';
import type { ChatPromptOptions, GenerateRequest } from './api.ts';

type Prompt = Pick<GenerateRequest, 'prompt' | 'messages' | 'chatOptions' | 'tokenIds'>;

/** Throws InvalidRequestError unless exactly one kind of prompt is given and it holds at least one token. */
export function readPrompt(request: Prompt, model: LoadedModel): readonly number[] {
  checkPrompt(request);
  if (request.tokenIds !== undefined) return refuseEmpty(checkTokenIds(request.tokenIds, model.config.vocabSize));
  if (request.messages !== undefined) {
    return refuseEmpty(
      encodeChat(model.tokenizer, requireTemplate(model), request.messages, templateOptions(request.chatOptions)),
    );
  }
  return refuseEmpty(model.tokenizer.encode(request.prompt as string));
}

/** `readPrompt` that gives way to the event loop while it encodes a long text. */
export async function readPromptAsync(
  request: Prompt,
  model: LoadedModel,
  signal?: AbortSignal,
): Promise<readonly number[]> {
  checkPrompt(request);
  if (request.tokenIds !== undefined) return readPrompt(request, model);
  if (request.messages !== undefined) {
    const options = { ...templateOptions(request.chatOptions), signal };
    return refuseEmpty(await encodeChatAsync(model.tokenizer, requireTemplate(model), request.messages, options));
  }
  return refuseEmpty(await encodeAsync(model.tokenizer, request.prompt as string, { signal }));
}

function templateOptions(options: ChatPromptOptions = {}): Required<ChatPromptOptions> {
  return { addGenerationPrompt: options.addGenerationPrompt ?? true, variables: options.variables ?? {} };
}

function checkPrompt(request: Prompt): void {
  const given = [request.prompt, request.messages, request.tokenIds].filter((value) => value !== undefined);
  if (given.length !== 1) {
    throw new InvalidRequestError(
      `exactly one of prompt, messages and tokenIds must be given, got ${given.length}`,
      'prompt',
      given.length,
    );
  }
  if (request.prompt !== undefined && typeof request.prompt !== 'string') {
    throw new InvalidRequestError('prompt must be a string', 'prompt', request.prompt);
  }
  if (request.messages !== undefined && (!Array.isArray(request.messages) || request.messages.length === 0)) {
    throw new InvalidRequestError('messages must not be empty', 'messages', request.messages);
  }
}

function refuseEmpty(ids: readonly number[]): readonly number[] {
  if (ids.length === 0)
    throw new InvalidRequestError('the prompt is empty: it must hold at least one token', 'prompt', '');
  return ids;
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
export function renderChat(model: LoadedModel, messages: readonly ChatMessage[], options: ChatPromptOptions): string {
  checkPrompt({ messages });
  return requireTemplate(model).render(messages, templateOptions(options));
}
