// /v1/completions: from the body to engine requests, and from engine events to pieces of the answer.

import type { GenerateRequest, PromptLogprob, TokenLogprob } from '../../engine/api.ts';
import { EngineClosedError } from '../../errors/index.ts';
import type { Detokenizer, Tokenizer } from '../../models/tokenizers/tokenizer.ts';
import { ApiError } from '../api-error.ts';
import type { PromptEvent } from '../merge.ts';
import { maxChoiceCount, type Prompt } from '../schemas/fields.ts';
import type { CompletionRequest } from '../schemas/requests.ts';
import type { CompletionLogprobs } from '../schemas/responses.ts';
import { toSampling, wantsStreamUsage } from './sampling.ts';
import { finiteLogprob, tokenString } from './tokens.ts';

export interface CompletionPlan {
  readonly prompts: readonly (string | readonly number[])[];
  /** Choices per prompt; choice index = prompt index * n + choice of that prompt. */
  readonly n: number;
  readonly echo: boolean;
  readonly logprobs: number | null;
  /** max_tokens was 0: the prompt alone is wanted. The engine still draws one token, which is dropped. */
  readonly promptOnly: boolean;
  readonly streamUsage: boolean;
  readonly requests: readonly GenerateRequest[];
}

/** What one event adds to one choice. */
export interface CompletionPiece {
  readonly index: number;
  readonly text: string;
  readonly logprobs: CompletionLogprobs | null;
  readonly finish_reason: 'stop' | 'length' | null;
  readonly stop_reason: string | number | null;
}

function listPrompts(prompt: Prompt): readonly (string | readonly number[])[] {
  if (typeof prompt === 'string') return [prompt];
  return typeof prompt[0] === 'number' ? [prompt as number[]] : (prompt as string[] | number[][]);
}

/** The body as engine requests. Throws ApiError 400 for what is not supported, 422 for fields that contradict. */
export function planCompletion(body: CompletionRequest, id: string): CompletionPlan {
  const prompts = listPrompts(body.prompt);
  const n = body.n ?? 1;
  if (prompts.length * n > maxChoiceCount) {
    throw new ApiError(
      400,
      `prompt: ${prompts.length} prompts with n = ${n} are more than ${maxChoiceCount} choices.`,
      {
        code: 'invalid_value',
        param: 'prompt',
      },
    );
  }
  if (body.best_of != null && body.best_of !== n) {
    throw new ApiError(422, `best_of (${body.best_of}) other than n (${n}) is not supported.`, {
      code: 'conflicting_values',
      param: 'best_of',
    });
  }
  if (body.suffix) {
    throw new ApiError(400, 'suffix is not supported.', { code: 'unsupported_parameter', param: 'suffix' });
  }
  const maxTokens = body.max_tokens ?? 16;
  const promptOnly = maxTokens === 0;
  const echo = body.echo ?? false;
  const logprobs = body.logprobs ?? null;
  const streamUsage = wantsStreamUsage(body);
  const sampling = {
    ...toSampling(body, maxTokens),
    maxTokens: promptOnly ? 1 : maxTokens,
    logprobs: logprobs ?? undefined,
    promptLogprobs: echo && logprobs !== null ? logprobs : undefined,
  };
  const requests = prompts.map((prompt, index) => ({
    ...(typeof prompt === 'string' ? { prompt } : { tokenIds: prompt }),
    sampling,
    n,
    cacheSalt: body.cache_salt ?? undefined,
    requestId: prompts.length === 1 ? id : `${id}-${index}`,
  }));
  return { prompts, n, echo, logprobs, promptOnly, streamUsage, requests };
}

function codePointCount(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

interface LogprobWriter {
  add(tokenId: number, logprob: number | null, topLogprobs: readonly TokenLogprob[] | null): CompletionLogprobs;
}

/** Writes tokens in the completions form. Offsets count code points of the text of this choice, as Python clients do. */
function createLogprobWriter(tokenizer: Tokenizer, firstOffset: number, isContinuation: boolean): LogprobWriter {
  const detokenizer: Detokenizer = tokenizer.createDetokenizer({ isContinuation });
  let offset = firstOffset;
  return {
    add(tokenId, logprob, topLogprobs) {
      const start = offset;
      offset += codePointCount(detokenizer.push(tokenId));
      const top: Record<string, number> = {};
      for (const entry of topLogprobs ?? []) {
        // Two tokens may read the same; the likelier one comes first and stays.
        const name = tokenString(tokenizer, entry.tokenId);
        if (!Object.hasOwn(top, name)) top[name] = finiteLogprob(entry.logprob);
      }
      const token = tokenString(tokenizer, tokenId);
      if (logprob !== null) top[token] ??= finiteLogprob(logprob);
      return {
        tokens: [token],
        token_logprobs: [logprob === null ? null : finiteLogprob(logprob)],
        top_logprobs: [logprob === null ? null : top],
        text_offset: [start],
      };
    },
  };
}

/** One after the other. */
export function concatLogprobs(parts: readonly CompletionLogprobs[]): CompletionLogprobs {
  return {
    tokens: parts.flatMap((part) => part.tokens),
    token_logprobs: parts.flatMap((part) => part.token_logprobs),
    top_logprobs: parts.flatMap((part) => part.top_logprobs),
    text_offset: parts.flatMap((part) => part.text_offset),
  };
}

/** What turns the events of one request into pieces; it holds the text offsets of every choice. */
export function createCompletionFormatter(
  plan: CompletionPlan,
  tokenizer: Tokenizer,
): (event: PromptEvent) => CompletionPiece[] {
  const writers = new Map<number, LogprobWriter>();
  const writerOf = (index: number): LogprobWriter => {
    let writer = writers.get(index);
    if (writer === undefined) {
      writer = createLogprobWriter(tokenizer, 0, true);
      writers.set(index, writer);
    }
    return writer;
  };

  function echoPieces(
    promptIndex: number,
    tokenIds: readonly number[],
    scores: readonly (PromptLogprob | null)[] | null,
  ) {
    const prompt = plan.prompts[promptIndex];
    const text = typeof prompt === 'string' ? prompt : tokenizer.decode(prompt);
    let logprobs: CompletionLogprobs | null = null;
    if (plan.logprobs !== null) {
      const promptWriter = createLogprobWriter(tokenizer, 0, false);
      logprobs = concatLogprobs(
        tokenIds.map((tokenId, position) => {
          const score = scores?.[position] ?? null;
          return promptWriter.add(tokenId, score?.logprob ?? null, score?.topLogprobs ?? null);
        }),
      );
    }
    const textLength = codePointCount(text);
    return Array.from({ length: plan.n }, (_, choice): CompletionPiece => {
      const index = promptIndex * plan.n + choice;
      writers.set(index, createLogprobWriter(tokenizer, textLength, true));
      return { index, text, logprobs, finish_reason: null, stop_reason: null };
    });
  }

  return ({ promptIndex, event }) => {
    switch (event.type) {
      case 'start':
        return plan.echo ? echoPieces(promptIndex, event.promptTokenIds, event.promptLogprobs) : [];
      case 'token': {
        if (plan.promptOnly) return [];
        const index = promptIndex * plan.n + event.index;
        const logprobs =
          plan.logprobs === null ? null : writerOf(index).add(event.tokenId, event.logprob, event.topLogprobs);
        if (event.text === '' && logprobs === null) return [];
        return [{ index, text: event.text, logprobs, finish_reason: null, stop_reason: null }];
      }
      case 'finish': {
        if (event.reason === 'cancelled') throw new EngineClosedError('The generation was cancelled before it ended.');
        return [
          {
            index: promptIndex * plan.n + event.index,
            text: plan.promptOnly ? '' : event.text,
            logprobs: null,
            finish_reason: plan.promptOnly ? 'length' : event.reason,
            stop_reason: plan.promptOnly ? null : event.stopReason,
          },
        ];
      }
      case 'usage':
        return [];
    }
  };
}
