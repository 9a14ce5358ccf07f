// Explanations: for each of the last requests, what it waited for, what it found in the cache, and who preempted it.

import type { RequestWaits } from '../../events/index.ts';
import type { Tokenizer } from '../../models/tokenizers/tokenizer.ts';
import type { CacheReason, FinishReason, RequestTimes } from '../api.ts';
import type { GenerationState } from '../generation.ts';
import { timesOf } from '../generation.ts';
import type { TrackedPreemption, TrackedRequest } from './request-tracker.ts';

/** What became of a request, as far as it has gone. Times in milliseconds by the engine's clock; waits of all its sequences together. */
export interface RequestExplanation {
  readonly requestId: string;
  readonly state: 'waiting' | 'running' | FinishReason | 'error';
  readonly arrivedMs: number;
  readonly finishedMs: number | null;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly choices: number;
  /** The request that it was forked off, or null. */
  readonly forkedFrom: string | null;
  readonly waitedMs: RequestWaits;
  readonly cache: {
    /** Null until it is admitted, and for a fork that never waited. */
    readonly reason: CacheReason | null;
    readonly cachedTokens: number;
    /** The first prompt token that was not found, or null. */
    readonly firstMissing: number | null;
    /** Of the cached tokens those that pages brought which were loaded for this request, by tier, and those that were on the device. */
    readonly tokensByTier: Readonly<Record<string, number>>;
    readonly failedPages: number;
    /** Who had some of the blocks too when the request was admitted. */
    readonly sharedWith: readonly { readonly requestId: string; readonly blocks: number }[];
    /** Tokens around the first missing one, if text may be shown and there is one. */
    readonly textBeforeMissing: string | null;
    readonly textFromMissing: string | null;
  };
  readonly preemptionCount: number;
  readonly preemptions: readonly TrackedPreemption[];
  readonly steps: {
    readonly first: number | null;
    readonly last: number | null;
    readonly count: number;
    readonly computedTokens: number;
  };
  readonly firstScheduledMs: number | null;
  readonly firstTokenMs: number | null;
  /** From arrival to the first token. */
  readonly ttftMs: number | null;
  /** Between its tokens. */
  readonly itl: {
    readonly meanMs: number;
    readonly p50Ms: number;
    readonly p99Ms: number;
    readonly maxMs: number;
  } | null;
  /** Who has blocks of its block tables now; empty once it has ended. */
  readonly blocksSharedNow: readonly { readonly requestId: string; readonly blocks: number }[];
  /** The first 2,000 characters of prompt and first choice; null unless text may be shown. */
  readonly text: { readonly prompt: string; readonly output: string } | null;
}

export interface Explanations {
  /** A request has ended. */
  keep(explanation: RequestExplanation): void;
  /** One of the last requests that ended. */
  find(requestId: string): RequestExplanation | undefined;
}

/** Keeps the last `limit`. */
export function createExplanations(limit: number): Explanations {
  const kept = new Map<string, RequestExplanation>();
  return {
    keep(explanation) {
      if (limit === 0) return;
      kept.delete(explanation.requestId);
      kept.set(explanation.requestId, explanation);
      for (const oldest of kept.keys()) {
        if (kept.size <= limit) break;
        kept.delete(oldest);
      }
    },
    find: (requestId) => kept.get(requestId),
  };
}

const shownCharacters = 2000;
/** A token is seldom longer than eight characters; what is decoded is bounded by this. */
const shownTokens = 1000;
const tokensBeforeMissing = 8;
const tokensFromMissing = 16;

export interface ExplainParts {
  readonly state: GenerationState;
  readonly tracked: TrackedRequest;
  readonly blockSize: number;
  readonly nowMs: number;
  /** How it ended, or null. */
  readonly ended: FinishReason | 'error' | null;
  readonly isRunning: boolean;
  readonly sharedNow: readonly { readonly requestId: string; readonly blocks: number }[];
  /** Null where text may not be shown. */
  readonly tokenizer: Pick<Tokenizer, 'decode'> | null;
}

export function explain(parts: ExplainParts): RequestExplanation {
  const { state, tracked, blockSize, nowMs, ended, tokenizer } = parts;
  const times = timesOf(state, nowMs, ended ?? 'cancelled');
  const { reason, firstMissing } = tracked;
  const missing = firstMissing ?? 0;
  const { promptTokenIds } = state;
  const show = (from: number, to: number): string => tokenizer!.decode(promptTokenIds.slice(Math.max(0, from), to));
  const tellsMissing = tokenizer !== null && firstMissing !== null;
  return {
    requestId: state.requestId,
    state: ended ?? (parts.isRunning ? 'running' : 'waiting'),
    arrivedMs: state.arrivedMs,
    finishedMs: ended === null ? null : nowMs,
    promptTokens: times.promptTokens,
    completionTokens: times.completionTokens,
    choices: state.choices.length,
    forkedFrom: tracked.forkedFrom,
    waitedMs: { ...tracked.waitedMs },
    cache: {
      reason,
      cachedTokens: tracked.cachedTokens,
      firstMissing,
      tokensByTier: tokensByTier(tracked, blockSize),
      failedPages: tracked.failedPages,
      sharedWith: tracked.sharedWith,
      textBeforeMissing: tellsMissing ? show(missing - tokensBeforeMissing, missing) : null,
      textFromMissing: tellsMissing ? show(missing, missing + tokensFromMissing) : null,
    },
    preemptionCount: tracked.preemptionCount,
    preemptions: tracked.preemptions.map((each) => ({ ...each })),
    steps: {
      first: tracked.firstStep,
      last: tracked.lastStep,
      count: tracked.stepCount,
      computedTokens: tracked.computedTokens,
    },
    firstScheduledMs: state.firstScheduledMs,
    firstTokenMs: state.firstTokenMs,
    ttftMs: state.firstTokenMs === null ? null : state.firstTokenMs - state.arrivedMs,
    itl: gapsOf(times),
    blocksSharedNow: parts.sharedNow,
    text:
      tokenizer === null
        ? null
        : {
            prompt: show(0, shownTokens).slice(0, shownCharacters),
            output: tokenizer.decode(state.choices[0].tokenIds.slice(0, shownTokens)).slice(0, shownCharacters),
          },
  };
}

/** Cached tokens by where they were: pages that were loaded for the request, the rest on the device. */
function tokensByTier({ cachedTokens, pagesIn }: TrackedRequest, blockSize: number): Record<string, number> {
  const tokens: Record<string, number> = {};
  let left = cachedTokens;
  for (const [tier, pages] of Object.entries(pagesIn)) {
    tokens[tier] = Math.min(left, pages * blockSize);
    left -= tokens[tier];
  }
  return { device: left, ...tokens };
}

function gapsOf({ interTokenMs }: RequestTimes): RequestExplanation['itl'] {
  if (interTokenMs.length === 0) return null;
  const sorted = [...interTokenMs].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  const meanMs = sorted.reduce((sum, gap) => sum + gap, 0) / sorted.length;
  return { meanMs, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: sorted[sorted.length - 1] };
}
