// Usage as OpenAI counts it, summed over the prompts of a request.

import type { CacheReason, Usage } from '../../engine/api.ts';

export interface ApiUsage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number };
  /** Not OpenAI's. */
  readonly octavo: {
    /** For each prompt that was looked up, why no more of it was found in the prefix cache. */
    readonly prefix_cache: readonly { readonly reason: CacheReason; readonly first_missing_token: number | null }[];
  };
}

export function toApiUsage(usages: readonly Usage[]): ApiUsage {
  let promptTokens = 0;
  let completionTokens = 0;
  let cachedTokens = 0;
  for (const usage of usages) {
    promptTokens += usage.promptTokens;
    completionTokens += usage.completionTokens;
    cachedTokens += usage.cachedTokens;
  }
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
    octavo: {
      prefix_cache: usages.flatMap(({ cacheReport }) =>
        cacheReport === null ? [] : [{ reason: cacheReport.reason, first_missing_token: cacheReport.firstMissing }],
      ),
    },
  };
}
