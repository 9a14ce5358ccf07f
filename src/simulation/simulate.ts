// A simulation of a trace: what its prefix cache hits, and how it is served.

import { InvalidRequestError } from '../errors/index.ts';
import { defaultEvictionPolicy, type EvictionPolicyName, type MemoryMode } from '../memory/index.ts';
import { type CostModel, defaultCostModel } from './cost-model.ts';
import { type ReplayResult, replay } from './replay.ts';
import { TOKENS_PER_HASH_ID, type Trace, type TraceRequest } from './trace.ts';

export const replayKinds = ['cache', 'serving'] as const;
/**
 * `cache`: requests one after the other, prompts only: the hits of a prefix cache of this size and policy, as caches are compared.
 * `serving`: requests as they arrive, batched, with their answers.
 */
export type ReplayKind = (typeof replayKinds)[number];

export interface SimulationOptions {
  readonly trace: Trace;
  /** Size of the pool. */
  readonly blockCount: number;
  readonly blockSize: number;
  /** Defaults to the memory's. */
  readonly policy?: EvictionPolicyName;
  /** Defaults to `paged`. */
  readonly memory?: MemoryMode;
  /** Defaults to both; traces that do not say what prompts share have no `cache` replay. */
  readonly replays?: readonly ReplayKind[];
  /** Of the serving replay. Defaults to `trace`. */
  readonly arrivals?: 'trace' | 'saturated';
  /** Of the serving replay. Defaults to 256. */
  readonly maxNumSeqs?: number;
  /** Of the serving replay. Defaults to 8192. */
  readonly maxNumBatchedTokens?: number;
  /** Defaults to `defaultCostModel`. */
  readonly cost?: CostModel;
  /** Defaults to 0. */
  readonly seed?: number;
  /** Requests handed over so far, over all replays, of how many. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Milliseconds, for `wallSeconds`. */
  readonly now: () => number;
}

export interface ReplayReport extends ReplayResult {
  /** hitBlocks / promptBlocks. */
  readonly blockHitRate: number;
  readonly wallSeconds: number;
}

export interface SimulationReport {
  readonly cache: ReplayReport | null;
  readonly serving: ReplayReport | null;
  readonly wallSeconds: number;
}

/**
 * Runs the replays, through the real scheduler and memory manager. Throws InvalidRequestError for sizes out of range and for
 * a pool that none of the requests fits.
 */
export function simulate(options: SimulationOptions): SimulationReport {
  const { trace, blockCount, blockSize, now, seed = 0, memory = 'paged', cost = defaultCostModel } = options;
  const startedMs = now();
  const { requests } = trace;
  const kinds = (options.replays ?? replayKinds).filter((kind) => kind === 'serving' || trace.format === 'mooncake');
  let done = 0;

  function run(kind: ReplayKind): ReplayReport | null {
    if (!kinds.includes(kind)) return null;
    const runStartedMs = now();
    const inputs = kind === 'cache' ? requests.map(promptAlone) : requests;
    const result = replay(inputs, {
      blockCount,
      blockSize,
      memory,
      enablePrefixCaching: true,
      evictionPolicy: options.policy ?? defaultEvictionPolicy,
      cost,
      seed,
      ...(kind === 'cache'
        ? { maxNumSeqs: 1, maxNumBatchedTokens: longestPrompt(inputs), arrivals: 'saturated', watermarkBlocks: 0 }
        : {
            maxNumSeqs: options.maxNumSeqs ?? 256,
            maxNumBatchedTokens: options.maxNumBatchedTokens ?? 8192,
            arrivals: options.arrivals ?? 'trace',
          }),
      onProgress: (count) => options.onProgress?.(done + count, requests.length * kinds.length),
    });
    done += requests.length;
    if (result.refusedRequests === requests.length) {
      throw new InvalidRequestError(
        `a pool of ${blockCount} blocks of ${blockSize} tokens holds none of the trace's requests`,
        'blockCount',
        blockCount,
      );
    }
    const blockHitRate = result.promptBlocks === 0 ? 0 : result.hitBlocks / result.promptBlocks;
    return { ...result, blockHitRate, wallSeconds: (now() - runStartedMs) / 1000 };
  }

  const cache = run('cache');
  const serving = run('serving');
  return { cache, serving, wallSeconds: (now() - startedMs) / 1000 };
}

/**
 * A request as prefix caches are compared by: its prompt, all hash ids whole. The last id names a block that is partly filled in truth; comparisons
 * over the trace's ids count it like the others.
 */
function promptAlone(request: TraceRequest): TraceRequest {
  const promptTokens = (request.hashIds?.length ?? 0) * TOKENS_PER_HASH_ID;
  return { ...request, promptTokens, outputTokens: 0 };
}

function longestPrompt(requests: readonly TraceRequest[]): number {
  return requests.reduce((longest, { promptTokens }) => Math.max(longest, promptTokens), 1);
}
