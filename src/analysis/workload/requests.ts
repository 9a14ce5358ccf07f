// Requests to measure with: those of a trace, or made-up ones whose lengths are shaped like a chat's.

import type { Trace, TraceRequest } from '../../simulation/index.ts';
import { logNormalLength } from '../../simulation/random.ts';
import { type Text, text } from '../i18n/index.ts';
import { createRandom } from './random.ts';

export interface Workload {
  readonly name: Text;
  readonly requests: readonly TraceRequest[];
}

/**
 * Lengths with the means that PagedAttention's authors report for ShareGPT (Kwon et al., 2023, figure 11): 161 tokens in and 338 out, log-normal,
 * with deviations of the logarithm of 1.1 and 0.7; at most `limit` each. Nothing is shared.
 */
export function chatRequests(count: number, seed: number, limit = 2048): TraceRequest[] {
  const random = createRandom(seed, 1);
  return Array.from({ length: count }, () => ({
    arrivalMs: 0,
    promptTokens: logNormalLength(random, 161, 1.1, limit),
    outputTokens: logNormalLength(random, 338, 0.7, limit),
    hashIds: null,
  }));
}

/** The first `count` requests of the trace if there is one, else as many chats. */
export function workloadOf(trace: Trace | null, count: number, seed: number): Workload {
  if (trace === null) {
    return {
      name: text('chats of ShareGPT-like lengths', '长度分布类似 ShareGPT 的对话'),
      requests: chatRequests(count, seed),
    };
  }
  const file = trace.path.split(/[/\\]/).at(-1) ?? trace.path;
  return { name: text(file, file), requests: trace.requests.slice(0, count) };
}
