// POST /tokenize and /detokenize, in vLLM's shapes.

import type { FastifyInstance } from 'fastify';
import type { Engine } from '../../engine/api.ts';
import { encodeAsync } from '../../models/tokenizers/index.ts';
import { ApiError } from '../api-error.ts';
import { clientGoneSignal, requireModel, type ServerContext } from '../context.ts';
import { documented } from '../openapi.ts';
import { parseBody } from '../schemas/parse.ts';
import { detokenizeRequest, type TokenizeRequest, tokenizeRequest } from '../schemas/requests.ts';
import { detokenizeResponse, tokenizeResponse } from '../schemas/responses.ts';
import { toChatMessages, toChatOptions } from '../translate/chat.ts';
import { tokenString } from '../translate/tokens.ts';

async function tokenize(engine: Engine, body: TokenizeRequest, signal: AbortSignal): Promise<readonly number[]> {
  if ((body.prompt == null) === (body.messages == null)) {
    throw new ApiError(422, 'Give either prompt or messages.', { code: 'conflicting_values', param: 'prompt' });
  }
  if (body.prompt != null) {
    return encodeAsync(engine.tokenizer, body.prompt, { addSpecialTokens: body.add_special_tokens ?? true, signal });
  }
  if (!engine.hasChatTemplate) {
    throw new ApiError(400, 'This model has no chat template; give a prompt.', {
      code: 'no_chat_template',
      param: 'messages',
    });
  }
  return engine.encodePrompt(
    { messages: toChatMessages(body.messages ?? []), chatOptions: toChatOptions(body) },
    signal,
  );
}

export function registerTokenize(app: FastifyInstance, context: ServerContext): void {
  const { engine } = context;
  app.post(
    '/tokenize',
    {
      schema: documented({
        summary: 'Text or messages to token ids',
        tags: ['vllm'],
        body: tokenizeRequest,
        response: tokenizeResponse,
      }),
    },
    async (request, reply) => {
      const body = parseBody(tokenizeRequest, request.body);
      requireModel(context, body.model);
      const tokens = await tokenize(engine, body, clientGoneSignal(reply));
      return {
        count: tokens.length,
        max_model_len: engine.maxModelLen,
        tokens,
        token_strs: body.return_token_strs ? tokens.map((id) => tokenString(engine.tokenizer, id)) : null,
      };
    },
  );
  app.post(
    '/detokenize',
    {
      schema: documented({
        summary: 'Token ids to text',
        tags: ['vllm'],
        body: detokenizeRequest,
        response: detokenizeResponse,
      }),
    },
    async (request) => {
      const body = parseBody(detokenizeRequest, request.body);
      requireModel(context, body.model);
      const unknown = body.tokens.findIndex((id) => id >= engine.tokenizer.vocabSize);
      if (unknown >= 0) {
        const { vocabSize } = engine.tokenizer;
        throw new ApiError(400, `tokens[${unknown}]: ${body.tokens[unknown]} is not below ${vocabSize}.`, {
          code: 'invalid_value',
          param: `tokens[${unknown}]`,
        });
      }
      return { prompt: engine.tokenizer.decode(body.tokens, { skipSpecialTokens: false }) };
    },
  );
}
