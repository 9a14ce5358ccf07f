// POST /v1/chat/completions.

import type { FastifyInstance } from 'fastify';
import type { Usage } from '../../engine/api.ts';
import { clientGoneSignal, nowSeconds, requireModel, type ServerContext } from '../context.ts';
import { mergeGenerations, type PromptEvent } from '../merge.ts';
import { documented } from '../openapi.ts';
import { parseBody } from '../schemas/parse.ts';
import { chatRequest } from '../schemas/requests.ts';
import { type ChatLogprobs, chatResponse } from '../schemas/responses.ts';
import { sendEventStream, sseData, sseDone } from '../sse.ts';
import { type ChatPiece, type ChatPlan, createChatFormatter, planChat } from '../translate/chat.ts';
import { toApiUsage } from '../translate/usage.ts';

interface Head {
  readonly id: string;
  readonly created: number;
  readonly model: string;
}

function chunkChoice(piece: ChatPiece) {
  const delta = piece.opens
    ? { role: 'assistant', content: '' }
    : piece.text === '' && piece.logprobs === null
      ? {}
      : { content: piece.text };
  const choice = { index: piece.index, delta, logprobs: piece.logprobs, finish_reason: piece.finish_reason };
  return piece.finish_reason === null ? choice : { ...choice, stop_reason: piece.stop_reason };
}

async function* streamChat(
  context: ServerContext,
  plan: ChatPlan,
  head: Head,
  events: AsyncIterable<PromptEvent>,
): AsyncGenerator<string, void, void> {
  const format = createChatFormatter(plan, context.engine.tokenizer);
  const base = { ...head, object: 'chat.completion.chunk' };
  const usages: Usage[] = [];
  const noUsage = plan.streamUsage ? { usage: null } : {};
  for await (const event of events) {
    if (event.event.type === 'usage') usages.push(event.event.usage);
    for (const piece of format(event)) yield sseData({ ...base, choices: [chunkChoice(piece)], ...noUsage });
  }
  if (plan.streamUsage) yield sseData({ ...base, choices: [], usage: toApiUsage(usages) });
  yield sseDone;
}

async function collectChat(context: ServerContext, plan: ChatPlan, head: Head, events: AsyncIterable<PromptEvent>) {
  const format = createChatFormatter(plan, context.engine.tokenizer);
  const usages: Usage[] = [];
  const choices = Array.from({ length: plan.n }, () => ({
    texts: [] as string[],
    tokens: [] as ChatLogprobs['content'],
    finishReason: null as 'stop' | 'length' | null,
    stopReason: null as string | number | null,
  }));
  for await (const event of events) {
    if (event.event.type === 'usage') usages.push(event.event.usage);
    for (const piece of format(event)) {
      const choice = choices[piece.index];
      choice.texts.push(piece.text);
      if (piece.logprobs !== null) choice.tokens.push(...piece.logprobs.content);
      choice.finishReason ??= piece.finish_reason;
      choice.stopReason ??= piece.stop_reason;
    }
  }
  return {
    id: head.id,
    object: 'chat.completion',
    created: head.created,
    model: head.model,
    choices: choices.map((choice, index) => ({
      index,
      message: { role: 'assistant', content: choice.texts.join(''), refusal: null },
      logprobs: plan.logprobs ? { content: choice.tokens, refusal: null } : null,
      finish_reason: choice.finishReason,
      stop_reason: choice.stopReason,
    })),
    usage: toApiUsage(usages),
  };
}

export function registerChat(app: FastifyInstance, context: ServerContext): void {
  app.post(
    '/v1/chat/completions',
    {
      schema: documented({
        summary: 'Answer a conversation',
        tags: ['openai'],
        body: chatRequest,
        response: chatResponse,
        stream: true,
      }),
    },
    async (request, reply) => {
      const body = parseBody(chatRequest, request.body);
      requireModel(context, body.model);
      const id = `chatcmpl-${request.id}`;
      const plan = planChat(body, id, context.engine);
      const signal = clientGoneSignal(reply);
      const { messages, chatOptions } = plan;
      const tokenIds = await context.engine.encodePrompt({ messages, chatOptions }, signal);
      const generation = context.engine.generate({ ...plan.request, tokenIds, signal });
      const events = mergeGenerations([generation]);
      const head: Head = { id, created: nowSeconds(), model: context.servedModelName };
      if (!body.stream) return collectChat(context, plan, head, events);
      return sendEventStream(reply, streamChat(context, plan, head, events), (error) =>
        request.log.warn({ err: error }, 'the stream ended with an error'),
      );
    },
  );
}
