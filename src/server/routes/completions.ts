// POST /v1/completions.

import type { FastifyInstance } from 'fastify';
import type { GenerateRequest, Usage } from '../../engine/api.ts';
import { clientGoneSignal, nowSeconds, requireModel, type ServerContext } from '../context.ts';
import { mergeGenerations, type PromptEvent, startAll } from '../merge.ts';
import { documented } from '../openapi.ts';
import { parseBody } from '../schemas/parse.ts';
import { completionRequest } from '../schemas/requests.ts';
import { type CompletionLogprobs, completionResponse } from '../schemas/responses.ts';
import { sendEventStream, sseData, sseDone } from '../sse.ts';
import {
  type CompletionPlan,
  concatLogprobs,
  createCompletionFormatter,
  planCompletion,
} from '../translate/completion.ts';
import { toApiUsage } from '../translate/usage.ts';

/** The usage of one prompt as the client sees it: the token drawn for `max_tokens: 0` is not the client's. */
function clientUsage(plan: CompletionPlan, usage: Usage): Usage {
  return plan.promptOnly ? { ...usage, completionTokens: 0 } : usage;
}

interface Head {
  readonly id: string;
  readonly object: 'text_completion';
  readonly created: number;
  readonly model: string;
}

async function* streamCompletion(
  context: ServerContext,
  plan: CompletionPlan,
  head: Head,
  events: AsyncIterable<PromptEvent>,
): AsyncGenerator<string, void, void> {
  const format = createCompletionFormatter(plan, context.engine.tokenizer);
  const usages: Usage[] = [];
  const noUsage = plan.streamUsage ? { usage: null } : {};
  for await (const event of events) {
    if (event.event.type === 'usage') usages.push(clientUsage(plan, event.event.usage));
    for (const piece of format(event)) yield sseData({ ...head, choices: [piece], ...noUsage });
  }
  if (plan.streamUsage) yield sseData({ ...head, choices: [], usage: toApiUsage(usages) });
  yield sseDone;
}

async function collectCompletion(
  context: ServerContext,
  plan: CompletionPlan,
  head: Head,
  events: AsyncIterable<PromptEvent>,
) {
  const format = createCompletionFormatter(plan, context.engine.tokenizer);
  const usages: Usage[] = [];
  const choices = Array.from({ length: plan.prompts.length * plan.n }, () => ({
    texts: [] as string[],
    logprobs: [] as CompletionLogprobs[],
    finishReason: null as 'stop' | 'length' | null,
    stopReason: null as string | number | null,
  }));
  for await (const event of events) {
    if (event.event.type === 'usage') usages.push(clientUsage(plan, event.event.usage));
    for (const piece of format(event)) {
      const choice = choices[piece.index];
      choice.texts.push(piece.text);
      if (piece.logprobs !== null) choice.logprobs.push(piece.logprobs);
      choice.finishReason ??= piece.finish_reason;
      choice.stopReason ??= piece.stop_reason;
    }
  }
  return {
    ...head,
    choices: choices.map((choice, index) => ({
      index,
      text: choice.texts.join(''),
      logprobs: plan.logprobs === null ? null : concatLogprobs(choice.logprobs),
      finish_reason: choice.finishReason,
      stop_reason: choice.stopReason,
    })),
    usage: toApiUsage(usages),
  };
}

export function registerCompletions(app: FastifyInstance, context: ServerContext): void {
  app.post(
    '/v1/completions',
    {
      schema: documented({
        summary: 'Continue a prompt',
        tags: ['openai'],
        body: completionRequest,
        response: completionResponse,
        stream: true,
      }),
    },
    async (request, reply) => {
      const body = parseBody(completionRequest, request.body);
      requireModel(context, body.model);
      const id = `cmpl-${request.id}`;
      const plan = planCompletion(body, id);
      const signal = clientGoneSignal(reply);
      const { engine } = context;
      const requests: GenerateRequest[] = [];
      for (const { prompt, tokenIds, ...rest } of plan.requests) {
        requests.push({ ...rest, tokenIds: await engine.encodePrompt({ prompt, tokenIds }, signal), signal });
      }
      const events = mergeGenerations(startAll(requests.map((each) => () => engine.generate(each))));
      const head: Head = { id, object: 'text_completion', created: nowSeconds(), model: context.servedModelName };
      if (!body.stream) return collectCompletion(context, plan, head, events);
      return sendEventStream(reply, streamCompletion(context, plan, head, events), (error) =>
        request.log.warn({ err: error }, 'the stream ended with an error'),
      );
    },
  );
}
