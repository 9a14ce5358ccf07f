// The conversations: any number, streaming at once, kept as long as the page is open.

import { type Signal, signal } from '@preact/signals';

export type Mode = 'chat' | 'text';
export type AnswerState = 'queued' | 'running' | 'done' | 'stopped' | 'failed';

export interface Usage {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
}

export interface UserMessage {
  readonly role: 'user';
  readonly text: string;
}

export interface Answer {
  readonly role: 'assistant';
  readonly text: Signal<string>;
  readonly state: Signal<AnswerState>;
  /** The server's id of the request; known with the first chunk. */
  readonly requestId: Signal<string | null>;
  readonly usage: Signal<Usage | null>;
  readonly error: Signal<string | null>;
  /** From sending to the first text, and to the end, in milliseconds. */
  readonly firstTextMs: Signal<number | null>;
  readonly totalMs: Signal<number | null>;
  readonly abort: AbortController;
}

export type Message = UserMessage | Answer;

export interface Conversation {
  readonly id: number;
  readonly mode: Signal<Mode>;
  readonly messages: Signal<readonly Message[]>;
  readonly draft: Signal<string>;
  /** Where it was forked off, if it was. */
  readonly origin: { readonly id: number; readonly messageCount: number } | null;
}

export const conversations = signal<readonly Conversation[]>([]);
export const activeId = signal(0);
let lastId = 0;

export function createAnswer(): Answer {
  return {
    role: 'assistant',
    text: signal(''),
    state: signal('queued'),
    requestId: signal(null),
    usage: signal(null),
    error: signal(null),
    firstTextMs: signal(null),
    totalMs: signal(null),
    abort: new AbortController(),
  };
}

export function openConversation(
  mode: Mode,
  messages: readonly Message[] = [],
  origin: Conversation['origin'] = null,
): Conversation {
  const conversation: Conversation = {
    id: ++lastId,
    mode: signal(mode),
    messages: signal(messages),
    draft: signal(''),
    origin,
  };
  conversations.value = [...conversations.value, conversation];
  return conversation;
}

export function activeConversation(): Conversation {
  const known = conversations.value.find(({ id }) => id === activeId.value);
  if (known !== undefined) return known;
  const [first] = conversations.value;
  const conversation = first ?? openConversation('chat');
  activeId.value = conversation.id;
  return conversation;
}

export function isStreaming(conversation: Conversation): boolean {
  return conversation.messages.value.some(
    (message) =>
      message.role === 'assistant' && (message.state.value === 'running' || message.state.value === 'queued'),
  );
}

/** A copy of a message that nothing writes to any more. */
function settled(message: Message): Message {
  if (message.role === 'user') return message;
  const copy = createAnswer();
  copy.text.value = message.text.value;
  copy.state.value =
    message.state.value === 'running' || message.state.value === 'queued' ? 'stopped' : message.state.value;
  copy.requestId.value = message.requestId.value;
  copy.usage.value = message.usage.value;
  return copy;
}

/**
 * A new conversation with the first `messageCount` messages of another one. If the last of them is the user's, its text
 * becomes the draft, to be changed or sent again.
 */
export function forkConversation(source: Conversation, messageCount: number): Conversation {
  const kept = source.messages.value.slice(0, messageCount).map(settled);
  const last = kept.at(-1);
  const draft = last?.role === 'user' ? last.text : '';
  if (last?.role === 'user') kept.pop();
  const fork = openConversation(source.mode.value, kept, { id: source.id, messageCount });
  fork.draft.value = draft;
  return fork;
}

export function stop(conversation: Conversation): void {
  for (const message of conversation.messages.value) {
    if (message.role !== 'assistant') continue;
    if (message.state.value === 'running' || message.state.value === 'queued') message.abort.abort();
  }
}

export function closeConversation(conversation: Conversation): void {
  stop(conversation);
  conversations.value = conversations.value.filter(({ id }) => id !== conversation.id);
  if (activeId.value === conversation.id) activeId.value = conversations.value.at(-1)?.id ?? 0;
}

export function clearConversations(): void {
  for (const conversation of conversations.value) stop(conversation);
  conversations.value = [];
  activeId.value = 0;
}
