// From messages to prompt tokens: the template's text, and BOS where the template has not written it.

import type { ChatMessage, ChatTemplate } from '../chat-template.ts';
import { encodeAsync } from '../tokenizers/index.ts';
import type { Tokenizer } from '../tokenizers/tokenizer.ts';

type RenderOptions = Parameters<ChatTemplate['render']>[1];

/**
 * Token ids of a chat prompt. The text is encoded without special tokens; BOS goes in front if the tokenizer adds
 * one and the text does not begin with it. EOS is never added: the model's turn comes next.
 * Throws InvalidRequestError as `template.render` does.
 */
export function encodeChat(
  tokenizer: Tokenizer,
  template: ChatTemplate,
  messages: readonly ChatMessage[],
  options?: RenderOptions,
): number[] {
  return withBos(tokenizer, tokenizer.encode(template.render(messages, options), { addSpecialTokens: false }));
}

/** `encodeChat` that gives way to the event loop during long encodings. */
export async function encodeChatAsync(
  tokenizer: Tokenizer,
  template: ChatTemplate,
  messages: readonly ChatMessage[],
  options?: RenderOptions & { readonly signal?: AbortSignal },
): Promise<number[]> {
  const text = template.render(messages, options);
  return withBos(tokenizer, await encodeAsync(tokenizer, text, { addSpecialTokens: false, signal: options?.signal }));
}

function withBos(tokenizer: Tokenizer, ids: number[]): number[] {
  const bos = tokenizer.bosTokenId;
  const addsBos = bos !== null && tokenizer.encode('')[0] === bos;
  return addsBos && ids[0] !== bos ? [bos, ...ids] : ids;
}
