// Plans memory once, at start: how many blocks the pool has, and how long a sequence may be.

import { type KvLayout, kvBlockBytes } from '../backends/backend.ts';
import { InvalidRequestError, MemoryPlanError } from '../errors/errors.ts';
import { createAttentionReach } from '../memory/index.ts';
import type { ModelConfig } from '../models/model.ts';
import type { KvDTypes } from './kv-cache-dtype.ts';

export interface MemoryPlanOptions {
  readonly config: ModelConfig;
  readonly kvDTypes: KvDTypes;
  readonly blockSize: number;
  readonly maxNumSeqs: number;
  /** What attention reaches. Default to the model's own window and no sinks. */
  readonly windowTokens?: number | null;
  readonly sinkTokens?: number;
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

export interface MemoryPlan {
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

  const kv: KvLayout = {
    layerCount: config.layerCount,
    kvHeadCount: config.kvHeadCount,
    headSize: config.headSize,
    blockSize,
    ...options.kvDTypes,
  };
  const blockBytes = kvBlockBytes(kv);
  const wantedLength = options.maxModelLen ?? (options.streams ? defaultStream : config.contextLength);
  const windowTokens = options.windowTokens === undefined ? config.slidingWindow : options.windowTokens;
  const reach = createAttentionReach(blockSize, windowTokens, options.sinkTokens);
  /** Without which a sequence of the wanted length cannot run, and which it likes to have. */
  const neededBlocks = reach.blocksFor(wantedLength);
  const chunkBlocks = Math.ceil((options.maxNumBatchedTokens ?? 512) / blockSize);
  const blocksPerSequence = Math.min(Math.ceil(wantedLength / blockSize), neededBlocks + chunkBlocks);
  const poolBytes =
    options.kvCacheMemoryBytes ??
    Math.min(maxNumSeqs * blocksPerSequence * blockBytes, Math.floor(availableBytes * defaultPoolShare));
  if (poolBytes > availableBytes) {
    throw new MemoryPlanError(
      `The KV pool of ${poolBytes} bytes exceeds the ${availableBytes} bytes of memory that are available. Lower kvCacheMemoryBytes.`,
      poolBytes,
      availableBytes,
    );
  }
  const blockCount = Math.floor(poolBytes / blockBytes);
  if (options.maxModelLen !== undefined && blockCount < neededBlocks) {
    throw new MemoryPlanError(
      `One sequence of ${wantedLength} tokens needs ${neededBlocks * blockBytes} bytes of KV cache, but the pool has ${poolBytes}. ` +
        `Raise kvCacheMemoryBytes, or lower maxModelLen to at most ${blockCount * blockSize}.`,
      neededBlocks * blockBytes,
      poolBytes,
    );
  }
  const maxModelLen = blockCount < neededBlocks ? Math.min(wantedLength, blockCount * blockSize) : wantedLength;
  if (maxModelLen < 2) {
    throw new MemoryPlanError(
      `A KV pool of ${poolBytes} bytes holds no block of ${blockBytes} bytes. Raise kvCacheMemoryBytes.`,
      blockBytes,
      poolBytes,
    );
  }
  return { kv, blockBytes, blockCount, maxModelLen };
}

export function requireInteger(name: string, value: number, low: number, high: number): void {
  if (!Number.isInteger(value) || value < low || value > high) {
    throw new InvalidRequestError(`${name} must be an integer from ${low} to ${high}, got ${value}`, name, value);
  }
}
