// GET /v1/requests/:id/explain: what a request waited for, what it found in the cache, and who preempted it.

import type { FastifyInstance } from 'fastify';
import type { RequestExplanation } from '../../engine/api.ts';
import { ApiError } from '../api-error.ts';
import type { ServerContext } from '../context.ts';
import { documented } from '../openapi.ts';
import { explanationResponse } from '../schemas/responses.ts';

interface Named {
  readonly requestId: string;
  readonly blocks: number;
}

const toShared = (each: Named) => ({ id: each.requestId, blocks: each.blocks });

/** In the words of the API. Times are milliseconds since the request arrived. */
function toBody(explanation: RequestExplanation) {
  const { arrivedMs, cache, preemptions, steps, itl, text } = explanation;
  const since = (timeMs: number | null): number | null => (timeMs === null ? null : timeMs - arrivedMs);
  return {
    id: explanation.requestId,
    object: 'octavo.request_explanation' as const,
    state: explanation.state,
    prompt_tokens: explanation.promptTokens,
    completion_tokens: explanation.completionTokens,
    choices: explanation.choices,
    forked_from: explanation.forkedFrom,
    waited_ms: explanation.waitedMs,
    prefix_cache: {
      reason: cache.reason,
      cached_tokens: cache.cachedTokens,
      first_missing_token: cache.firstMissing,
      cached_tokens_by_tier: cache.tokensByTier,
      failed_pages: cache.failedPages,
      shared_with: cache.sharedWith.map(toShared),
      text_before_missing: cache.textBeforeMissing,
      text_from_missing: cache.textFromMissing,
    },
    preemption_count: explanation.preemptionCount,
    preemptions: preemptions.map((each) => ({
      at_ms: each.timeMs - arrivedMs,
      step: each.step,
      by: each.by,
      reason: each.reason,
      mode: each.mode,
      lost_tokens: each.lostTokens,
      recomputed_tokens: each.recomputedTokens,
    })),
    steps: { first: steps.first, last: steps.last, count: steps.count, computed_tokens: steps.computedTokens },
    first_scheduled_ms: since(explanation.firstScheduledMs),
    ttft_ms: explanation.ttftMs,
    finished_ms: since(explanation.finishedMs),
    inter_token_ms: itl === null ? null : { mean: itl.meanMs, p50: itl.p50Ms, p99: itl.p99Ms, max: itl.maxMs },
    blocks_shared_now: explanation.blocksSharedNow.map(toShared),
    text,
  };
}

export function registerExplain(app: FastifyInstance, context: ServerContext): void {
  app.get<{ Params: { id: string } }>(
    '/v1/requests/:id/explain',
    {
      schema: documented({
        summary: 'What happened to a request',
        tags: ['admin'],
        response: explanationResponse,
        params: { id: 'The id of the answer; prompts of a batch have -0, -1, … after it.' },
      }),
    },
    async (request) => {
      const explanation = context.engine.explain(request.params.id);
      if (explanation !== null) return toBody(explanation);
      throw new ApiError(404, `No request "${request.params.id}" is known here, or not any more.`, {
        code: 'request_not_found',
        param: 'id',
      });
    },
  );
}
