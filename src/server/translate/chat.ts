// /v1/chat/completions: from the body to an engine request, and from engine events to pieces of the answer.

import type { ChatPromptOptions, Engine, GenerateRequest } from '../../engine/api.ts';
import { EngineClosedError } from '../../errors/index.ts';
import type { ChatMessage } from '../../models/chat-template.ts';
import type { Tokenizer } from '../../models/tokenizers/tokenizer.ts';
import { ApiError } from '../api-error.ts';
import type { PromptEvent } from '../merge.ts';
import type { ChatRequest, ChatRequestMessage } from '../schemas/requests.ts';
import type { ChatLogprobs } from '../schemas/responses.ts';
import { toSampling, wantsStreamUsage } from './sampling.ts';
import { finiteLogprob, tokenString } from './tokens.ts';

export interface ChatPlan {
  readonly n: number;
  readonly logprobs: boolean;
  readonly streamUsage: boolean;
  readonly messages: readonly ChatMessage[];
  readonly chatOptions: ChatPromptOptions;
  /** All but the prompt, which `encodeMessages` makes. */
  readonly request: GenerateRequest;
}

/** What one event adds to one choice. */
export interface ChatPiece {
  readonly index: number;
  /** The choice begins: the first chunk names the role. */
  readonly opens: boolean;
  readonly text: string;
  readonly logprobs: ChatLogprobs | null;
  readonly finish_reason: 'stop' | 'length' | null;
  readonly stop_reason: string | number | null;
}

function unsupported(message: string, param: string): ApiError {
  return new ApiError(400, message, { code: 'unsupported_parameter', param });
}

function contentText(message: ChatRequestMessage, index: number): string {
  if (message.content == null) return '';
  if (typeof message.content === 'string') return message.content;
  const texts = message.content.map((part, partIndex) => {
    const param = `messages[${index}].content[${partIndex}]`;
    if (part.type !== 'text') {
      throw unsupported(`${param}: parts of type "${part.type}" are not supported; this model reads text only.`, param);
    }
    if (part.text == null) {
      throw new ApiError(400, `${param}.text: this field is required.`, {
        code: 'invalid_value',
        param: `${param}.text`,
      });
    }
    return part.text;
  });
  return texts.join('\n');
}

/** Messages as templates know them: content is text, and "developer" is today's name of "system". */
export function toChatMessages(messages: readonly ChatRequestMessage[]): ChatMessage[] {
  return messages.map((message, index) => {
    if (message.tool_calls && message.tool_calls.length > 0) {
      throw unsupported('Tool calls are not supported.', `messages[${index}].tool_calls`);
    }
    const role = message.role === 'developer' ? 'system' : message.role;
    const content = contentText(message, index);
    return message.name == null ? { role, content } : { role, content, name: message.name };
  });
}

function refuseUnsupported(body: ChatRequest): void {
  if (body.tools && body.tools.length > 0) throw unsupported('Tools are not supported.', 'tools');
  if (body.functions && body.functions.length > 0) throw unsupported('Functions are not supported.', 'functions');
  if (body.response_format && body.response_format.type !== 'text') {
    throw unsupported(
      `response_format "${body.response_format.type}" is not supported; only "text" is.`,
      'response_format',
    );
  }
  if (!body.logprobs && body.top_logprobs != null && body.top_logprobs > 0) {
    throw new ApiError(422, 'top_logprobs needs logprobs to be true.', {
      code: 'conflicting_values',
      param: 'top_logprobs',
    });
  }
}

/** The body as an engine request. Throws ApiError 400 for what is not supported, 422 for fields that contradict. */
export function planChat(body: ChatRequest, id: string, engine: Engine): ChatPlan {
  refuseUnsupported(body);
  if (!engine.hasChatTemplate) {
    throw new ApiError(400, 'This model has no chat template; use /v1/completions.', {
      code: 'no_chat_template',
      param: 'messages',
    });
  }
  const maxTokens = body.max_completion_tokens ?? body.max_tokens ?? undefined;
  const logprobs = body.logprobs ?? false;
  const n = body.n ?? 1;
  return {
    n,
    logprobs,
    streamUsage: wantsStreamUsage(body),
    messages: toChatMessages(body.messages),
    chatOptions: toChatOptions(body),
    request: {
      sampling: { ...toSampling(body, maxTokens), logprobs: logprobs ? (body.top_logprobs ?? 0) : undefined },
      n,
      cacheSalt: body.cache_salt ?? undefined,
      requestId: id,
    },
  };
}

/** The template's part of a request, in vLLM's names. */
export function toChatOptions(
  body: Pick<ChatRequest, 'add_generation_prompt' | 'chat_template_kwargs'>,
): ChatPromptOptions {
  return { addGenerationPrompt: body.add_generation_prompt ?? true, variables: body.chat_template_kwargs ?? {} };
}

function chatToken(tokenizer: Tokenizer, tokenId: number, logprob: number) {
  return {
    token: tokenString(tokenizer, tokenId),
    logprob: finiteLogprob(logprob),
    bytes: Array.from(tokenizer.tokenBytes(tokenId)),
  };
}

/** What turns the events of one request into pieces. */
export function createChatFormatter(plan: ChatPlan, tokenizer: Tokenizer): (event: PromptEvent) => ChatPiece[] {
  return ({ event }) => {
    switch (event.type) {
      case 'start':
        return Array.from({ length: plan.n }, (_, index) => ({
          index,
          opens: true,
          text: '',
          logprobs: null,
          finish_reason: null,
          stop_reason: null,
        }));
      case 'token': {
        let logprobs: ChatLogprobs | null = null;
        if (plan.logprobs && event.logprob !== null) {
          const topLogprobs = (event.topLogprobs ?? []).map((top) => chatToken(tokenizer, top.tokenId, top.logprob));
          const content = { ...chatToken(tokenizer, event.tokenId, event.logprob), top_logprobs: topLogprobs };
          logprobs = { content: [content], refusal: null };
        }
        if (event.text === '' && logprobs === null) return [];
        return [
          { index: event.index, opens: false, text: event.text, logprobs, finish_reason: null, stop_reason: null },
        ];
      }
      case 'finish':
        if (event.reason === 'cancelled') throw new EngineClosedError('The generation was cancelled before it ended.');
        return [
          {
            index: event.index,
            opens: false,
            text: event.text,
            logprobs: null,
            finish_reason: event.reason,
            stop_reason: event.stopReason,
          },
        ];
      case 'usage':
        return [];
    }
  };
}
