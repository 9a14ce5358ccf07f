// GET /v1/requests/{id}/explain, as far as the page shows it.

import type { RequestWaits } from '../../../src/events/recording.ts';
import type { MissReason } from '../../../src/events/types.ts';
import { callServer } from './api.ts';

export interface SharedBlocks {
  readonly id: string;
  readonly blocks: number;
}

export interface RequestExplanation {
  readonly id: string;
  readonly state: 'waiting' | 'running' | 'stop' | 'length' | 'cancelled' | 'error';
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly choices: number;
  readonly forked_from: string | null;
  readonly waited_ms: RequestWaits;
  readonly prefix_cache: {
    readonly reason: MissReason | null;
    readonly cached_tokens: number;
    readonly first_missing_token: number | null;
    readonly cached_tokens_by_tier: Readonly<Record<string, number>>;
    readonly shared_with: readonly SharedBlocks[];
    readonly text_before_missing: string | null;
    readonly text_from_missing: string | null;
  };
  readonly preemption_count: number;
  readonly preemptions: readonly {
    readonly step: number;
    readonly by: string;
    readonly reason: 'blocks' | 'quota';
    readonly lost_tokens: number;
    readonly recomputed_tokens: number | null;
  }[];
  readonly steps: {
    readonly first: number | null;
    readonly last: number | null;
    readonly count: number;
    readonly computed_tokens: number;
  };
  /** All times in milliseconds, from the request's arrival. */
  readonly ttft_ms: number | null;
  readonly inter_token_ms: {
    readonly mean: number;
    readonly p50: number;
    readonly p99: number;
    readonly max: number;
  } | null;
  readonly blocks_shared_now: readonly SharedBlocks[];
}

/** Rejects with the server's message where it does not know the request, or explains nothing. */
export async function explainRequest(requestId: string, signal: AbortSignal): Promise<RequestExplanation> {
  const path = `/v1/requests/${encodeURIComponent(requestId)}/explain`;
  const response = await callServer(path, { signal }, 'admin');
  return (await response.json()) as RequestExplanation;
}
