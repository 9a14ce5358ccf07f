// A simulation of a trace: what its prefix cache hits, and how it is served.

import { InvalidRequestError } from '../errors/index.ts';
import { defaultEvictionPolicy, type EvictionPolicyName, type MemoryMode } from '../memory/index.ts';
import { type Arrivals, changedArrivals, listArrivals, saturatedArrivals } from './arrivals.ts';
import { type CostModel, defaultCostModel } from './cost-model.ts';
import type { Objectives } from './measures.ts';
import { type ReplayOptions, type ReplayResult, replay } from './replay.ts';
import { type HostTierOptions, replayWithHostTier } from './tiered-replay.ts';
import { TOKENS_PER_HASH_ID, type Trace, type TraceRequest } from './trace.ts';

export const replayKinds = ['cache', 'serving'] as const;
/**
 * `cache`: requests one after the other, prompts only: the hits of a prefix cache of this size and policy, as caches are compared.
 * `serving`: requests as they arrive, batched, with their answers.
 */
export type ReplayKind = (typeof replayKinds)[number];

export interface SimulationOptions {
  readonly trace: Trace | Arrivals;
  /** Size of the pool. */
  readonly blockCount: number;
  readonly blockSize: number;
  /** Defaults to the memory's. */
  readonly policy?: EvictionPolicyName;
  /** Defaults to `paged`. */
  readonly memory?: MemoryMode;
  /** Defaults to both; requests that share nothing have no `cache` replay. */
  readonly replays?: readonly ReplayKind[];
  /** Of the serving replay: when the trace says, or all at the start. Defaults to `trace`. */
  readonly arrivals?: 'trace' | 'saturated';
  /** Of the serving replay. Defaults to 256. */
  readonly maxNumSeqs?: number;
  /** Of the serving replay. Defaults to 8192. */
  readonly maxNumBatchedTokens?: number;
  /** Of the serving replay. Longer requests are refused. Defaults to what the pool holds. */
  readonly maxModelLen?: number;
  /** Of the serving replay, as the engine's. Defaults to no limit. */
  readonly maxStepStretch?: number;
  /** Of the serving replay, for goodput. */
  readonly objectives?: Objectives;
  /** Defaults to `defaultCostModel`. */
  readonly cost?: CostModel;
  /** Defaults to 0. */
  readonly seed?: number;
  /** Requests handed over so far, over all replays, of how many. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface ReplayReport extends ReplayResult {
  /** hitBlocks / promptBlocks. */
  readonly blockHitRate: number;
}

export interface SimulationReport {
  readonly cache: ReplayReport | null;
  readonly serving: ReplayReport | null;
}

/**
 * Runs the replays, through the real scheduler and memory manager. Throws InvalidRequestError for sizes out of range and for
 * a pool that none of the requests fits.
 */
export function simulate(options: SimulationOptions): SimulationReport {
  const plan = planSimulation(options);
  return plan.report(plan.parts.map(({ arrivals, replayOptions }) => replay(arrivals, replayOptions)));
}

/** As `simulate`, with host memory below the pool of the serving replay. */
export async function simulateWithHostTier(
  options: SimulationOptions,
  host: HostTierOptions,
): Promise<SimulationReport> {
  const plan = planSimulation(options);
  const results: ReplayResult[] = [];
  for (const { kind, arrivals, replayOptions } of plan.parts) {
    const isServing = kind === 'serving';
    results.push(isServing ? await replayWithHostTier(arrivals, replayOptions, host) : replay(arrivals, replayOptions));
  }
  return plan.report(results);
}

interface Part {
  readonly kind: ReplayKind;
  readonly arrivals: Arrivals;
  readonly replayOptions: ReplayOptions;
}

interface SimulationPlan {
  readonly parts: readonly Part[];
  report(results: readonly ReplayResult[]): SimulationReport;
}

function planSimulation(options: SimulationOptions): SimulationPlan {
  const { trace, blockCount, blockSize, seed = 0, memory = 'paged', cost = defaultCostModel } = options;
  const source = 'open' in trace ? trace : listArrivals(trace.requests, options.arrivals === 'saturated');
  /** A list's own order is that of its cache replay. */
  const inOrder = 'open' in trace ? trace : listArrivals(trace.requests, true);
  const { requestCount } = source;
  const kinds = (options.replays ?? replayKinds).filter((kind) => kind === 'serving' || source.sharesPrompts);
  const parts = kinds.map((kind, i): Part => {
    const arrivals =
      kind === 'cache'
        ? saturatedArrivals(changedArrivals(inOrder, promptAlone, TOKENS_PER_HASH_ID))
        : options.arrivals === 'saturated'
          ? saturatedArrivals(source)
          : source;
    const longest = source.longestTokens(Number.POSITIVE_INFINITY) + TOKENS_PER_HASH_ID;
    const replayOptions: ReplayOptions = {
      blockCount,
      blockSize,
      memory,
      enablePrefixCaching: true,
      evictionPolicy: options.policy ?? defaultEvictionPolicy,
      cost,
      seed,
      arrivals: 'trace',
      ...(kind === 'cache'
        ? { maxNumSeqs: 1, maxNumBatchedTokens: longest, watermarkBlocks: 0 }
        : {
            maxNumSeqs: options.maxNumSeqs ?? 256,
            maxNumBatchedTokens: options.maxNumBatchedTokens ?? 8192,
            maxModelLen: options.maxModelLen,
            maxStepStretch: options.maxStepStretch,
            objectives: options.objectives,
          }),
      onProgress: (count) => options.onProgress?.(i * requestCount + count, requestCount * kinds.length),
    };
    return { kind, arrivals, replayOptions };
  });
  return {
    parts,
    report(results) {
      const reports = results.map((result): ReplayReport => {
        if (result.refusedRequests === requestCount) {
          throw new InvalidRequestError(
            `a pool of ${blockCount} blocks of ${blockSize} tokens holds none of the requests`,
            'blockCount',
            blockCount,
          );
        }
        return { ...result, blockHitRate: result.promptBlocks === 0 ? 0 : result.hitBlocks / result.promptBlocks };
      });
      const of = (kind: ReplayKind) => reports[kinds.indexOf(kind)] ?? null;
      return { cache: of('cache'), serving: of('serving') };
    },
  };
}

/**
 * A request as prefix caches are compared by: its prompt. Of a Mooncake trace all hash ids are whole: the last one names a block that is
 * partly filled in truth; comparisons over the trace's ids count it like the others.
 */
function promptAlone(request: TraceRequest): TraceRequest {
  const { hashIds, tokensPerHashId } = request;
  const isMooncake = hashIds !== null && tokensPerHashId === undefined;
  const promptTokens = isMooncake ? hashIds.length * TOKENS_PER_HASH_ID : request.promptTokens;
  return { ...request, promptTokens, outputTokens: 0 };
}
