// The exchanges of the chat: each has a prompt and one answer or several that run at once.

import { type Signal, signal } from '@preact/signals';
import { callServer } from './server-api.ts';
import { readEventData } from './sse.ts';

export interface Answer {
  /** The server's id of the request; known with the first chunk. */
  readonly requestId: Signal<string | null>;
  readonly text: Signal<string>;
  readonly state: Signal<'running' | 'done' | 'stopped' | 'failed'>;
  /** Tokens, or the error. */
  readonly note: Signal<string>;
  readonly abort: AbortController;
}

export interface Exchange {
  readonly key: number;
  readonly mode: Mode;
  readonly prompt: string;
  readonly answers: readonly Answer[];
}

export type Mode = 'chat' | 'text';

export const exchanges = signal<readonly Exchange[]>([]);
export const mode = signal<Mode>('chat');
export const maxTokens = signal(200);
export const temperature = signal(0.8);

interface Chunk {
  readonly id?: string;
  readonly error?: { readonly message: string };
  readonly choices?: readonly {
    readonly text?: string;
    readonly delta?: { readonly content?: string };
    readonly finish_reason?: string | null;
  }[];
  readonly usage?: {
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly prompt_tokens_details: { readonly cached_tokens: number };
  } | null;
}

function apply(answer: Answer, chunk: Chunk): void {
  if (chunk.error) throw new Error(chunk.error.message);
  if (chunk.id) answer.requestId.value ??= chunk.id;
  for (const choice of chunk.choices ?? []) answer.text.value += choice.text ?? choice.delta?.content ?? '';
  if (chunk.usage) {
    const { prompt_tokens, completion_tokens, prompt_tokens_details } = chunk.usage;
    answer.note.value = `${prompt_tokens} prompt tokens, ${prompt_tokens_details.cached_tokens} of them cached · ${completion_tokens} generated`;
  }
}

async function run(answer: Answer, path: string, body: Record<string, unknown>): Promise<void> {
  try {
    const response = await callServer(path, {
      method: 'POST',
      body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
      signal: answer.abort.signal,
    });
    let complete = false;
    if (response.body !== null) {
      for await (const data of readEventData(response.body)) {
        if (data === '[DONE]') complete = true;
        else apply(answer, JSON.parse(data) as Chunk);
      }
    }
    if (!complete) throw new Error('The connection ended before the answer did.');
    answer.state.value = 'done';
  } catch (error) {
    const stopped = answer.abort.signal.aborted;
    answer.state.value = stopped ? 'stopped' : 'failed';
    answer.note.value = stopped ? 'stopped' : String(error instanceof Error ? error.message : error);
  }
}

/** The conversation so far, along the first answer of each exchange. */
function conversation(): { role: string; content: string }[] {
  return exchanges.value
    .filter((exchange) => exchange.mode === 'chat' && exchange.answers[0].state.value === 'done')
    .flatMap((exchange) => [
      { role: 'user', content: exchange.prompt },
      { role: 'assistant', content: exchange.answers[0].text.value },
    ]);
}

/** Sends one prompt `count` times at once. */
export function send(prompt: string, count: number): void {
  const sampling = { max_tokens: maxTokens.value, temperature: temperature.value };
  const [path, body] =
    mode.value === 'chat'
      ? ['/v1/chat/completions', { ...sampling, messages: [...conversation(), { role: 'user', content: prompt }] }]
      : ['/v1/completions', { ...sampling, prompt }];
  const answers = Array.from(
    { length: count },
    (): Answer => ({
      requestId: signal(null),
      text: signal(''),
      state: signal('running'),
      note: signal(''),
      abort: new AbortController(),
    }),
  );
  const key = (exchanges.value.at(-1)?.key ?? 0) + 1;
  exchanges.value = [...exchanges.value, { key, mode: mode.value, prompt, answers }];
  for (const answer of answers) void run(answer, path as string, body as Record<string, unknown>);
}

export function stopAll(): void {
  for (const exchange of exchanges.value) {
    for (const answer of exchange.answers) if (answer.state.value === 'running') answer.abort.abort();
  }
}

export function clearChat(): void {
  stopAll();
  exchanges.value = [];
}
