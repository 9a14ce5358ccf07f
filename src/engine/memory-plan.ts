// Plans memory once, at start: how many blocks the pool has, and how long a sequence may be.

import { type KvLayout, kvBlockBytes } from '../backends/backend.ts';
import { InvalidRequestError, MemoryPlanError } from '../errors/errors.ts';
import { type AttentionReach, createAttentionReach } from '../memory/index.ts';
import type { ModelConfig } from '../models/model.ts';
import type { CacheGroup } from '../program/cache-groups.ts';
import type { KvDTypes } from './kv-cache-dtype.ts';

export interface MemoryPlanOptions {
  readonly config: ModelConfig;
  readonly kvDTypes: KvDTypes;
  /** Types in the first group's pool, where it is to have others than the rest. */
  readonly firstKvDTypes?: KvDTypes;
  readonly blockSize: number;
  readonly maxNumSeqs: number;
  /** Layers that share blocks, those that reach furthest first. Default to all of them, with the window that they all have. */
  readonly groups?: readonly CacheGroup[];
  /** Whether sequences may be longer than the model's context. Defaults to false. */
  readonly streams?: boolean;
  /** Tokens that a step may compute: a sequence with a window holds blocks for them beside its window. Defaults to 512. */
  readonly maxNumBatchedTokens?: number;
  /** Undefined: the model's context, or what the pool holds. */
  readonly maxModelLen: number | undefined;
  /** Undefined: what maxNumSeqs full sequences need, at most a quarter of `availableBytes`. */
  readonly kvCacheMemoryBytes: number | undefined;
  readonly availableBytes: number;
}

/** The pool of a cache group. */
export interface PoolPlan {
  readonly group: CacheGroup;
  readonly kv: KvLayout;
  readonly blockBytes: number;
  readonly blockCount: number;
  /** Blocks that a sequence of the plan's `maxModelLen` must be able to hold. */
  readonly sequenceBlocks: number;
}

export interface MemoryPlan {
  /** Of each cache group. */
  readonly pools: readonly PoolPlan[];
  /** Of the first of them, which is the only one unless layers reach unequally far. */
  readonly kv: KvLayout;
  readonly blockBytes: number;
  readonly blockCount: number;
  readonly maxModelLen: number;
}

/** Share of the memory that is available at start which the pool takes unless told otherwise. */
const defaultPoolShare = 0.25;
/** Tokens of a sequence that streams. */
const defaultStream = 1 << 20;
const longestStream = 1 << 22;

/** Throws InvalidRequestError for values out of range and MemoryPlanError when a single sequence would not fit. */
export function planMemory(options: MemoryPlanOptions): MemoryPlan {
  const { config, blockSize, maxNumSeqs, availableBytes } = options;
  requireInteger('blockSize', blockSize, 1, 256);
  requireInteger('maxNumSeqs', maxNumSeqs, 1, 4096);
  const longest = options.streams ? longestStream : config.contextLength;
  if (options.maxModelLen !== undefined) requireInteger('maxModelLen', options.maxModelLen, 2, longest);
  if (options.kvCacheMemoryBytes !== undefined)
    requireInteger('kvCacheMemoryBytes', options.kvCacheMemoryBytes, 1, Number.MAX_SAFE_INTEGER);

  const wantedLength = options.maxModelLen ?? (options.streams ? defaultStream : config.contextLength);
  const chunkBlocks = Math.ceil((options.maxNumBatchedTokens ?? 512) / blockSize);
  const demands = (options.groups ?? [soleGroup(config)]).map((group, i): PoolDemand => {
    const { kvHeadCount, headSize } = config;
    const kv = {
      layerCount: group.layers.length,
      kvHeadCount,
      headSize,
      blockSize,
      ...((i === 0 && options.firstKvDTypes) || options.kvDTypes),
    };
    const reach = createAttentionReach(blockSize, group.windowTokens, group.sinkTokens);
    const neededBlocks = reach.blocksFor(wantedLength);
    const wantedBlocks = Math.min(Math.ceil(wantedLength / blockSize), neededBlocks + chunkBlocks);
    return { group, kv, reach, blockBytes: kvBlockBytes(kv), neededBlocks, wantedBlocks: wantedBlocks * maxNumSeqs };
  });
  const poolBytes =
    options.kvCacheMemoryBytes ??
    Math.min(
      sumOf(demands, (it) => it.wantedBlocks * it.blockBytes),
      Math.floor(availableBytes * defaultPoolShare),
    );
  if (poolBytes > availableBytes) {
    throw new MemoryPlanError(
      `The KV pool of ${poolBytes} bytes exceeds the ${availableBytes} bytes of memory that are available. Lower kvCacheMemoryBytes.`,
      poolBytes,
      availableBytes,
    );
  }
  const blockCounts = divideBlocks(poolBytes, demands);
  /** Longest sequence that every pool can hold. */
  const holds = Math.min(
    ...demands.map(({ neededBlocks }, i) =>
      blockCounts[i] < neededBlocks ? blockCounts[i] * blockSize : wantedLength,
    ),
  );
  if (options.maxModelLen !== undefined && holds < wantedLength) {
    const neededBytes = sumOf(demands, (it) => it.neededBlocks * it.blockBytes);
    throw new MemoryPlanError(
      `One sequence of ${wantedLength} tokens needs ${neededBytes} bytes of KV cache, but the pool has ${poolBytes}. ` +
        `Raise kvCacheMemoryBytes, or lower maxModelLen to at most ${holds}.`,
      neededBytes,
      poolBytes,
    );
  }
  const maxModelLen = Math.min(wantedLength, holds);
  if (maxModelLen < 2) {
    const blockBytes = sumOf(demands, (it) => it.blockBytes);
    throw new MemoryPlanError(
      `A KV pool of ${poolBytes} bytes holds no block of ${blockBytes} bytes. Raise kvCacheMemoryBytes.`,
      blockBytes,
      poolBytes,
    );
  }
  const pools = demands.map(({ group, kv, blockBytes, reach }, i) => {
    return { group, kv, blockBytes, blockCount: blockCounts[i], sequenceBlocks: reach.blocksFor(maxModelLen) };
  });
  const { kv, blockBytes, blockCount } = pools[0];
  return { pools, kv, blockBytes, blockCount, maxModelLen };
}

interface PoolDemand {
  readonly group: CacheGroup;
  readonly kv: KvLayout;
  readonly reach: AttentionReach;
  readonly blockBytes: number;
  /** Without which a sequence of the wanted length cannot run. */
  readonly neededBlocks: number;
  /** What as many sequences as may run like to have. */
  readonly wantedBlocks: number;
}

function soleGroup({ layerCount, slidingWindow, fullAttentionLayers }: ModelConfig): CacheGroup {
  const windowTokens = fullAttentionLayers.length === 0 ? slidingWindow : null;
  return { layers: Array.from({ length: layerCount }, (_, layer) => layer), windowTokens, sinkTokens: 0 };
}

/**
 * Blocks of each pool. A pool beside the first gets as many as the first would have if all had the same number, and no more than all sequences that
 * may run can use; the first gets the rest. Where that does not leave it enough for one sequence, the others give up what they do not need for
 * one, in proportion.
 */
function divideBlocks(poolBytes: number, demands: readonly PoolDemand[]): readonly number[] {
  const [first, ...others] = demands;
  const equalBlocks = Math.floor(poolBytes / sumOf(demands, (it) => it.blockBytes));
  const bytesOf = (counts: readonly number[]) =>
    counts.reduce((sum, count, i) => sum + count * others[i].blockBytes, 0);
  let counts = others.map(({ wantedBlocks }) => Math.min(equalBlocks, wantedBlocks));
  const least = others.map(({ neededBlocks }, i) => Math.min(counts[i], neededBlocks));
  const neededBytes = first.neededBlocks * first.blockBytes;
  const spareBytes = poolBytes - neededBytes - bytesOf(least);
  if (poolBytes - bytesOf(counts) < neededBytes && spareBytes >= 0) {
    const share = spareBytes / (bytesOf(counts) - bytesOf(least));
    counts = counts.map((count, i) => least[i] + Math.floor((count - least[i]) * share));
  }
  return [Math.floor((poolBytes - bytesOf(counts)) / first.blockBytes), ...counts];
}

function sumOf<T>(items: readonly T[], figure: (item: T) => number): number {
  return items.reduce((sum, item) => sum + figure(item), 0);
}

export function requireInteger(name: string, value: number, low: number, high: number): void {
  if (!Number.isInteger(value) || value < low || value > high) {
    throw new InvalidRequestError(`${name} must be an integer from ${low} to ${high}, got ${value}`, name, value);
  }
}
