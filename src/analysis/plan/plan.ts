// Plans memory for a model on a device, with the engine's own planning and the real memory manager.

import { formatKvDTypes, type KvCacheDtype } from '../../engine/kv-cache-dtype.ts';
import { type MemoryPlan, planMemory } from '../../engine/memory-plan.ts';
import { InvalidRequestError, MemoryPlanError } from '../../errors/index.ts';
import { type MemoryMode, memoryModes } from '../../memory/index.ts';
import { fillMemory } from '../workload/fill.ts';
import type { PlanSubject } from './subject.ts';

export interface PlanOptions {
  readonly subject: PlanSubject;
  /** For weights and KV pool together. */
  readonly budgetBytes: number;
  /** Longest sequence. Defaults to the model's context. */
  readonly maxModelLen?: number;
  /** As the engine takes it. Defaults to `auto`. */
  readonly kvCacheDtype?: string;
  /** Defaults to 16. */
  readonly blockSize?: number;
  /** Sequences that are to run at once. Defaults to 64. */
  readonly concurrency?: number;
  /** Bytes of the KV pool. Defaults to all that the weights leave, or to the engine's own rule. */
  readonly kvCacheMemoryBytes?: number | 'engine-default';
  /** Lengths of the sequences that are to fit, over and over. Defaults to 17 lengths spread evenly over the context. */
  readonly sequenceTokens?: readonly number[];
  /** Price of a GiB of memory. Defaults to 4. */
  readonly pricePerGib?: number;
}

export interface AllocationFit {
  readonly mode: MemoryMode;
  /** Sequences of the given lengths that fit at once. */
  readonly sequences: number;
  /** Whether more might fit than were tried. */
  readonly isLimited: boolean;
  readonly heldBytes: number;
  readonly usedBytes: number;
  /** Held, but without a token. */
  readonly wastedBytes: number;
  /** wastedBytes / heldBytes; 0 where nothing is held. */
  readonly wasteShare: number;
  readonly wasteCost: number;
}

/** `fits`: the wanted number of sequences at full length. `fewer`: it starts, but fewer run at once at full length. */
export type Verdict = 'fits' | 'fewer' | 'does-not-fit';

export interface ModelPlan {
  readonly model: string;
  readonly source: PlanSubject['source'];
  readonly parameters: number;
  readonly weightType: string;
  readonly weightBytes: number;
  readonly budgetBytes: number;
  readonly maxModelLen: number;
  readonly kvDType: KvCacheDtype;
  readonly blockSize: number;
  readonly concurrency: number;
  readonly kvBytesPerToken: number;
  readonly kvBytesPerTokenAndLayer: number;
  readonly layerCount: number;
  /** A block of every cache group. */
  readonly blockBytes: number;
  /** One sequence of full length, in whole blocks; with a window, what the window holds. */
  readonly sequenceBytes: number;
  /** f32 scores of one head of one layer for a prompt of full length: what materialised attention would hold. */
  readonly attentionMatrixBytes: number;
  /** Of all heads of one layer, which are computed together. */
  readonly attentionLayerBytes: number;
  /** The pool that the engine starts with, blocks of all cache groups together; null where it would not start. */
  readonly pool: Pick<MemoryPlan, 'blockCount' | 'blockBytes' | 'maxModelLen'> | null;
  readonly poolBytes: number;
  /** The engine's options for just this pool; null where it would not start. */
  readonly engineOptions: {
    readonly maxModelLen: number;
    readonly blockSize: number;
    readonly maxNumSeqs: number;
    readonly kvCacheDtype: KvCacheDtype;
    readonly kvCacheMemoryBytes: number;
  } | null;
  /** Sequences of full length that the pool holds. */
  readonly fullSequences: number;
  readonly sequenceTokens: readonly number[];
  readonly allocations: readonly AllocationFit[];
  readonly verdict: Verdict;
  /** Bytes that lack for `concurrency` sequences of full length; 0 if they fit. */
  readonly shortageBytes: number;
  /** Bytes that lack for the engine to start; 0 if it does. */
  readonly startShortageBytes: number;
  readonly pricePerGib: number;
  /** Of the weights and `concurrency` sequences of full length. */
  readonly neededBytes: number;
  readonly neededCost: number;
}

const gibibyte = 2 ** 30;
/** More sequences than the engine runs at once are not tried. */
const engineRows = 4096;
/** The engine's default for maxNumBatchedTokens. */
const engineStepTokens = 512;

export function spreadLengths(maxTokens: number, count = 17): number[] {
  return Array.from({ length: count }, (_, i) => Math.max(1, Math.round(((i + 0.5) / count) * maxTokens)));
}

/** Throws InvalidRequestError for values out of range; what does not fit is a verdict. */
export function planModel(options: PlanOptions): ModelPlan {
  const { subject, budgetBytes, blockSize = 16, concurrency = 64, pricePerGib = 4 } = options;
  const { config, weightBytes } = subject;
  const maxModelLen = options.maxModelLen ?? config.contextLength;
  const kvDTypes = subject.kvDTypes(options.kvCacheDtype ?? 'auto');
  const availableBytes = Math.max(0, budgetBytes - weightBytes);
  const lengths = options.sequenceTokens ?? spreadLengths(maxModelLen);
  for (const length of lengths) {
    if (!Number.isInteger(length) || length < 1 || length > maxModelLen) {
      throw new InvalidRequestError(
        `sequenceTokens must be integers from 1 to the longest sequence, ${maxModelLen}, got ${length}`,
        'sequenceTokens',
        length,
      );
    }
  }
  const request = {
    config,
    groups: subject.groups,
    kvDTypes,
    blockSize,
    // The engine runs no more sequences than a step has tokens.
    maxNumSeqs: Math.min(concurrency, engineStepTokens),
    maxModelLen,
    kvCacheMemoryBytes: wantedPool(options.kvCacheMemoryBytes, availableBytes),
    availableBytes,
  };
  // What a block takes does not depend on the budget: planned for one sequence without a limit.
  const single = planMemory({ ...request, maxNumSeqs: 1, kvCacheMemoryBytes: undefined, availableBytes: 2 ** 52 });
  const { plan, lackingBytes } = tryPlan(request);
  const blockBytes = sumOf(single.pools, (pool) => pool.blockBytes);
  const sequenceBytes = sumOf(single.pools, (pool) => pool.sequenceBlocks * pool.blockBytes);
  const fullSequences =
    plan === null
      ? 0
      : Math.min(...plan.pools.map((pool, i) => Math.floor(pool.blockCount / single.pools[i].sequenceBlocks)));
  const neededBytes = weightBytes + concurrency * sequenceBytes;
  const allocations = memoryModes.map((mode) =>
    fitOf(mode, { plan, lengths, maxModelLen, blockSize, blockBytes, pricePerGib }),
  );
  const kvDType = formatKvDTypes(kvDTypes);
  const poolBytes = plan === null ? 0 : poolBytesOf(plan);
  return {
    model: subject.name,
    source: subject.source,
    parameters: subject.parameters,
    weightType: subject.weightType,
    weightBytes,
    budgetBytes,
    maxModelLen,
    kvDType,
    blockSize,
    concurrency,
    kvBytesPerToken: blockBytes / blockSize,
    kvBytesPerTokenAndLayer: blockBytes / blockSize / config.layerCount,
    layerCount: config.layerCount,
    blockBytes,
    sequenceBytes,
    attentionMatrixBytes: maxModelLen ** 2 * 4,
    attentionLayerBytes: maxModelLen ** 2 * 4 * config.headCount,
    pool:
      plan === null
        ? null
        : { blockCount: sumOf(plan.pools, (pool) => pool.blockCount), blockBytes, maxModelLen: plan.maxModelLen },
    poolBytes,
    engineOptions:
      plan === null
        ? null
        : {
            maxModelLen: plan.maxModelLen,
            blockSize,
            maxNumSeqs: concurrency,
            kvCacheDtype: kvDType,
            kvCacheMemoryBytes: request.kvCacheMemoryBytes ?? poolBytes,
          },
    fullSequences,
    sequenceTokens: lengths,
    allocations,
    verdict: plan === null ? 'does-not-fit' : fullSequences >= concurrency ? 'fits' : 'fewer',
    shortageBytes: fullSequences >= concurrency ? 0 : Math.max(0, neededBytes - weightBytes - poolBytes),
    startShortageBytes: plan === null ? Math.max(lackingBytes, weightBytes + sequenceBytes - budgetBytes) : 0,
    pricePerGib,
    neededBytes,
    neededCost: (neededBytes / gibibyte) * pricePerGib,
  };
}

function sumOf<T>(items: readonly T[], figure: (item: T, index: number) => number): number {
  return items.reduce((sum, item, i) => sum + figure(item, i), 0);
}

function poolBytesOf({ pools }: MemoryPlan): number {
  return sumOf(pools, ({ blockCount, blockBytes }) => blockCount * blockBytes);
}

/** Undefined leaves it to the engine's rule. */
function wantedPool(wanted: PlanOptions['kvCacheMemoryBytes'], availableBytes: number): number | undefined {
  if (wanted === 'engine-default') return undefined;
  return wanted ?? Math.max(1, availableBytes);
}

type PlanRequest = Parameters<typeof planMemory>[0];

/** The engine's plan, or how much it lacks. */
function tryPlan(request: PlanRequest): { readonly plan: MemoryPlan | null; readonly lackingBytes: number } {
  try {
    return { plan: planMemory(request), lackingBytes: 0 };
  } catch (error) {
    if (!(error instanceof MemoryPlanError)) throw error;
    return { plan: null, lackingBytes: Math.max(0, error.neededBytes - error.availableBytes) };
  }
}

interface FitContext {
  readonly plan: MemoryPlan | null;
  readonly lengths: readonly number[];
  readonly maxModelLen: number;
  readonly blockSize: number;
  readonly blockBytes: number;
  readonly pricePerGib: number;
}

function fitOf(mode: MemoryMode, context: FitContext): AllocationFit {
  const { plan, lengths, maxModelLen, blockSize, blockBytes, pricePerGib } = context;
  if (plan === null) {
    const nothing = { heldBytes: 0, usedBytes: 0, wastedBytes: 0, wasteShare: 0, wasteCost: 0 };
    return { mode, sequences: 0, isLimited: false, ...nothing };
  }
  // Contiguous memory knows neither groups nor windows: all layers share its blocks.
  const pools =
    mode === 'paged'
      ? plan.pools.map(({ blockCount, group }) => ({ ...group, blockCount }))
      : [{ windowTokens: null, sinkTokens: 0, blockCount: Math.floor(poolBytesOf(plan) / blockBytes) }];
  const { sequences, isLimited, groupSlots } = fillMemory({
    mode,
    pools,
    blockSize,
    maxSequenceTokens: maxModelLen,
    lengths,
    limit: engineRows,
  });
  const slotBytes = (mode === 'paged' ? plan.pools.map((pool) => pool.blockBytes) : [blockBytes]).map(
    (bytes) => bytes / blockSize,
  );
  const heldBytes = sumOf(groupSlots, ({ heldSlots }, i) => heldSlots * slotBytes[i]);
  const usedBytes = sumOf(groupSlots, ({ usedSlots }, i) => usedSlots * slotBytes[i]);
  const wastedBytes = heldBytes - usedBytes;
  return {
    mode,
    sequences: sequences.length,
    isLimited,
    heldBytes,
    usedBytes,
    wastedBytes,
    wasteShare: heldBytes === 0 ? 0 : 1 - usedBytes / heldBytes,
    wasteCost: (wastedBytes / gibibyte) * pricePerGib,
  };
}
