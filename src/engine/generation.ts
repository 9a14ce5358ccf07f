// A request in the engine: its choices, the events it yields, and what it knows of its prompt.

import type { CacheReport } from '../memory/index.ts';
import type { SequenceRequest } from '../scheduler/types.ts';
import type {
  Choice as AnswerChoice,
  FinishReason,
  GenerateEvent,
  GenerateResult,
  Generation,
  PromptLogprob,
  RequestTimes,
  SamplingParams,
  TokenLogprob,
  Usage,
} from './api.ts';
import type { Choice } from './choice.ts';
import { createEventQueue } from './event-queue.ts';

/** The engine's side of a generation. */
export interface GenerationState {
  readonly requestId: string;
  readonly promptTokenIds: readonly number[];
  readonly salt: string;
  readonly choices: readonly Choice[];
  /** Tokens of the prompt found in the cache; known once it is first scheduled. */
  cachedTokens: number;
  /** Why no more of it was; null until then. */
  cacheReport: CacheReport | null;
  readonly promptLogprobs: (PromptLogprob | null)[] | null;
  readonly arrivedMs: number;
  firstScheduledMs: number | null;
  firstTokenMs: number | null;
  lastTokenMs: number | null;
  readonly interTokenMs: number[];
  started: boolean;
  ended: boolean;
  emit(event: GenerateEvent): void;
  /** Emits `usage` and ends the stream. */
  end(): void;
  fail(error: unknown): void;
}

export interface GenerationHooks {
  cancel(state: GenerationState): void;
  fork(
    state: GenerationState,
    options: { sampling?: SamplingParams; signal?: AbortSignal; requestId?: string },
  ): Generation;
}

export type NewGeneration = Pick<GenerationState, 'requestId' | 'promptTokenIds' | 'salt' | 'choices' | 'arrivedMs'> & {
  readonly wantsPromptLogprobs: boolean;
};

/** Pairs the engine's state with what the caller holds. */
export function createGeneration(
  request: NewGeneration,
  hooks: GenerationHooks,
): { readonly state: GenerationState; readonly generation: Generation } {
  const queue = createEventQueue<GenerateEvent>();
  const { wantsPromptLogprobs, ...given } = request;
  const state: GenerationState = {
    ...given,
    cachedTokens: 0,
    cacheReport: null,
    promptLogprobs: wantsPromptLogprobs ? [null] : null,
    firstScheduledMs: null,
    firstTokenMs: null,
    lastTokenMs: null,
    interTokenMs: [],
    started: false,
    ended: false,
    emit: (event) => queue.push(event),
    end() {
      state.ended = true;
      queue.push({ type: 'usage', usage: usageOf(state) });
      queue.end();
    },
    fail(error) {
      state.ended = true;
      queue.fail(error);
    },
  };
  const iterator: AsyncIterator<GenerateEvent> = {
    next: () => queue.next(),
    async return() {
      hooks.cancel(state);
      return { value: undefined, done: true };
    },
  };
  const generation: Generation = {
    requestId: state.requestId,
    get cacheReport() {
      return state.cacheReport;
    },
    [Symbol.asyncIterator]: () => iterator,
    result: () => collectResult(state, iterator),
    fork: (options = {}) => hooks.fork(state, options),
    cancel: () => hooks.cancel(state),
  };
  return { state, generation };
}

function usageOf(state: GenerationState): Usage {
  let completionTokens = 0;
  for (const choice of state.choices) completionTokens += choice.tokenIds.length;
  const { cachedTokens, cacheReport } = state;
  return { promptTokens: state.promptTokenIds.length, completionTokens, cachedTokens, cacheReport };
}

export function timesOf(
  state: GenerationState,
  finishedMs: number,
  finishReason: FinishReason | 'error',
): RequestTimes {
  const { requestId, arrivedMs, firstScheduledMs, firstTokenMs, interTokenMs } = state;
  return {
    requestId,
    arrivedMs,
    firstScheduledMs,
    firstTokenMs,
    finishedMs,
    ...usageOf(state),
    finishReason,
    interTokenMs,
  };
}

/** What the scheduler is told of a generation's first sequence. */
export function sequenceRequestOf(
  request: Pick<NewGeneration, 'requestId' | 'promptTokenIds' | 'salt' | 'wantsPromptLogprobs'>,
  id: number,
  maxNewTokens: number,
): SequenceRequest {
  const { requestId, promptTokenIds, salt, wantsPromptLogprobs } = request;
  return { id, requestId, promptTokenIds, maxNewTokens, salt, wantsPromptLogits: wantsPromptLogprobs };
}

async function collectResult(state: GenerationState, iterator: AsyncIterator<GenerateEvent>): Promise<GenerateResult> {
  const texts = state.choices.map(() => '');
  const tokens: { tokenId: number; logprob: number; topLogprobs: readonly TokenLogprob[] }[][] = state.choices.map(
    () => [],
  );
  const ends = new Map<number, { reason: FinishReason; stopReason: string | number | null }>();
  for (;;) {
    const { value: event, done } = await iterator.next();
    if (done) break;
    if (event.type === 'token') {
      texts[event.index] += event.text;
      tokens[event.index].push({
        tokenId: event.tokenId,
        logprob: event.logprob ?? 0,
        topLogprobs: event.topLogprobs ?? [],
      });
    } else if (event.type === 'finish') {
      texts[event.index] += event.text;
      ends.set(event.index, event);
    }
  }
  const choices: AnswerChoice[] = state.choices.map((choice, index) => ({
    index,
    text: texts[index],
    tokenIds: tokens[index].map(({ tokenId }) => tokenId),
    logprobs: choice.sampling.logprobs === null ? null : tokens[index],
    finishReason: ends.get(index)?.reason ?? 'cancelled',
    stopReason: ends.get(index)?.stopReason ?? null,
  }));
  const { requestId, promptTokenIds, promptLogprobs } = state;
  return { requestId, promptTokenIds, promptLogprobs, choices, usage: usageOf(state) };
}
