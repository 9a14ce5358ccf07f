// Sends a prompt, and streams the answer into its message.

import { words } from '../i18n/language.ts';
import { callServer } from '../server/api.ts';
import { readEvents } from '../server/sse.ts';
import { type Answer, type Conversation, createAnswer, forkConversation, type Message } from './conversations.ts';
import { settings } from './settings.ts';
import { takeSlot } from './slots.ts';

interface Chunk {
  readonly id?: string;
  readonly error?: { readonly message: string };
  readonly choices?: readonly { readonly text?: string; readonly delta?: { readonly content?: string } }[];
  readonly usage?: {
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly prompt_tokens_details: { readonly cached_tokens: number };
  } | null;
}

function apply(answer: Answer, chunk: Chunk, startedMs: number): void {
  if (chunk.error) throw new Error(chunk.error.message);
  if (chunk.id) answer.requestId.value ??= chunk.id;
  let text = '';
  for (const choice of chunk.choices ?? []) text += choice.text ?? choice.delta?.content ?? '';
  if (text !== '') {
    answer.firstTextMs.value ??= performance.now() - startedMs;
    answer.text.value += text;
  }
  if (chunk.usage) {
    answer.usage.value = {
      promptTokens: chunk.usage.prompt_tokens,
      cachedTokens: chunk.usage.prompt_tokens_details.cached_tokens,
      completionTokens: chunk.usage.completion_tokens,
    };
  }
}

/** Browsers tell of a connection that broke by a TypeError, in words of their own. */
function messageOf(error: unknown): string {
  if (error instanceof TypeError) return words.value.chat.cutOff;
  return error instanceof Error ? error.message : String(error);
}

async function stream(answer: Answer, path: string, body: Readonly<Record<string, unknown>>): Promise<void> {
  let giveBack: (() => void) | null = null;
  const { signal } = answer.abort;
  try {
    giveBack = await takeSlot(signal);
    answer.state.value = 'running';
    const startedMs = performance.now();
    const response = await callServer(path, {
      method: 'POST',
      body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
      signal,
    });
    let complete = false;
    if (response.body !== null) {
      for await (const { data } of readEvents(response.body)) {
        if (data === '[DONE]') complete = true;
        else apply(answer, JSON.parse(data) as Chunk, startedMs);
      }
    }
    answer.totalMs.value = performance.now() - startedMs;
    if (!complete) throw new Error(words.value.chat.cutOff);
    answer.state.value = 'done';
  } catch (error) {
    answer.state.value = signal.aborted ? 'stopped' : 'failed';
    if (!signal.aborted) answer.error.value = messageOf(error);
  } finally {
    giveBack?.();
  }
}

function textOf(message: Message): string {
  return message.role === 'user' ? message.text : message.text.value;
}

function requestOf(conversation: Conversation): [path: string, body: Record<string, unknown>] {
  const messages = conversation.messages.value;
  if (conversation.mode.value === 'text') {
    return ['/v1/completions', { ...settings.value, prompt: messages.map(textOf).join('') }];
  }
  const history = messages
    .filter((message) => textOf(message) !== '')
    .map((message) => ({ role: message.role, content: textOf(message) }));
  return ['/v1/chat/completions', { ...settings.value, messages: history }];
}

/** Adds a prompt and its answer, which streams in. */
export function send(conversation: Conversation, prompt: string): void {
  conversation.messages.value = [...conversation.messages.value, { role: 'user', text: prompt }];
  answerTo(conversation);
}

/** Asks again for the last answer, in place of one that failed or was stopped. */
export function sendAgain(conversation: Conversation): void {
  conversation.messages.value = conversation.messages.value.slice(0, -1);
  answerTo(conversation);
}

function answerTo(conversation: Conversation): void {
  const [path, body] = requestOf(conversation);
  const answer = createAnswer();
  conversation.messages.value = [...conversation.messages.value, answer];
  void stream(answer, path, body);
}

/** Sends a prompt here and in `count - 1` forks of this conversation, all at once. */
export function sendInForks(conversation: Conversation, prompt: string, count: number): void {
  const forks = Array.from({ length: count - 1 }, () =>
    forkConversation(conversation, conversation.messages.value.length),
  );
  for (const target of [conversation, ...forks]) send(target, prompt);
}
