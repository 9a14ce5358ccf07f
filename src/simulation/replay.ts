// Replays a trace through the real scheduler and the real memory manager, with a stub in place of kernels and a clock that only steps move.

import { IntegrityError } from '../errors/index.ts';
import {
  createMemory,
  type EvictionPolicyName,
  type KvMemory,
  type KvSequence,
  type MemoryMode,
} from '../memory/index.ts';
import { createScheduler, type SampledToken, type StepPlan } from '../scheduler/index.ts';
import { type CostModel, stepSeconds } from './cost-model.ts';
import { createOccupancyMeter, type Occupancy } from './occupancy.ts';
import { promptTokenIds, sampledTokenId } from './prompts.ts';
import type { TraceRequest } from './trace.ts';

export interface ReplayOptions {
  readonly blockCount: number;
  readonly blockSize: number;
  readonly memory: MemoryMode;
  readonly enablePrefixCaching: boolean;
  /** Defaults to the memory's. */
  readonly evictionPolicy?: EvictionPolicyName;
  readonly maxNumSeqs: number;
  readonly maxNumBatchedTokens: number;
  /** `trace`: requests arrive when the trace says; `saturated`: all are there at the start. */
  readonly arrivals: 'trace' | 'saturated';
  readonly watermarkBlocks?: number;
  readonly cost: CostModel;
  readonly seed: number;
  /** Check every invariant in every step (slow). Defaults to false. */
  readonly checkIntegrity?: boolean;
  /** Called now and then with the number of requests that have been handed over. */
  readonly onProgress?: (requests: number) => void;
}

export interface ReplayResult {
  readonly finishedRequests: number;
  /** Requests longer than the pool. */
  readonly refusedRequests: number;
  /** Prompt blocks of admitted requests, the partly filled last ones included, and how many of those that lead were found in the cache. */
  readonly promptBlocks: number;
  readonly hitBlocks: number;
  readonly promptTokens: number;
  readonly hitTokens: number;
  readonly computedTokens: number;
  readonly evictions: number;
  readonly preemptions: number;
  readonly steps: number;
  readonly simulatedSeconds: number;
  readonly peakRequestsInFlight: number;
  /** While requests waited for memory or a row; null if none ever did. */
  readonly saturated: Occupancy | null;
  readonly overall: Occupancy | null;
}

/** Requests that wait at once: the rest waits in the trace, where it takes no memory. */
const QUEUE_LIMIT = 32;

interface Live {
  readonly index: number;
  readonly promptTokens: number;
  readonly sequence: KvSequence;
  remainingTokens: number;
  position: number;
  hasRun: boolean;
}

/** Replays `requests` to their end. The same options give the same result. Throws InvalidRequestError for sizes out of range. */
export function replay(requests: readonly TraceRequest[], options: ReplayOptions): ReplayResult {
  const { blockCount, blockSize, maxNumSeqs, maxNumBatchedTokens, seed } = options;
  const poolTokens = blockCount * blockSize;
  const lengths = requests.map(({ promptTokens, outputTokens }) => promptTokens + outputTokens);
  const maxModelLen = lengths.reduce(
    (longest, length) => (length <= poolTokens ? Math.max(longest, length) : longest),
    1,
  );
  const memory = createMemory(options.memory, {
    blockCount,
    blockSize,
    maxNumSeqs,
    maxBlocksPerSequence: Math.ceil(maxModelLen / blockSize),
    enablePrefixCaching: options.enablePrefixCaching,
    evictionPolicy: options.evictionPolicy,
  });
  let opened: KvSequence | null = null;
  const scheduler = createScheduler({
    memory: withOpenListener(memory, (sequence) => {
      opened = sequence;
    }),
    maxNumSeqs,
    maxNumBatchedTokens,
    maxOutputs: maxNumSeqs,
    maxModelLen,
    maxQueuedRequests: QUEUE_LIMIT,
    watermarkBlocks: options.watermarkBlocks,
    checkIntegrity: options.checkIntegrity,
  });
  const arrivals = requests.map(({ arrivalMs }) => (options.arrivals === 'saturated' ? 0 : arrivalMs / 1000));
  const order = requests.map((_, index) => index).sort((a, b) => arrivals[a] - arrivals[b] || a - b);
  const live = new Map<number, Live>();
  const running = new Map<number, KvSequence>();
  const saturated = createOccupancyMeter(memory);
  const overall = createOccupancyMeter(memory);
  let clockSeconds = 0;
  let handedOver = 0;
  let finishedRequests = 0;
  let refusedRequests = 0;
  let promptBlocks = 0;
  let hitBlocks = 0;
  let promptTokens = 0;
  let hitTokens = 0;
  let peakRequestsInFlight = 0;

  const hasArrived = (): boolean => handedOver < order.length && arrivals[order[handedOver]] <= clockSeconds;

  function handOver(): void {
    while (scheduler.waitingCount < QUEUE_LIMIT && hasArrived()) {
      const index = order[handedOver++];
      const request = requests[index];
      if (lengths[index] > maxModelLen) {
        refusedRequests++;
        continue;
      }
      const tokenIds = promptTokenIds(request, index, request.promptTokens, seed);
      scheduler.add({
        id: index,
        promptTokenIds: tokenIds,
        handsOverTokenIds: true,
        maxNewTokens: request.outputTokens,
        salt: '',
        wantsPromptLogits: false,
      });
      live.set(index, {
        index,
        promptTokens: request.promptTokens,
        sequence: opened!,
        remainingTokens: request.outputTokens,
        position: request.promptTokens,
        hasRun: false,
      });
      if (handedOver % 16 === 0) options.onProgress?.(handedOver);
    }
  }

  function countAdmitted(plan: StepPlan): void {
    for (const { id, cachedTokens } of plan.admitted) {
      const request = live.get(id)!;
      running.set(id, request.sequence);
      // What a preempted request finds again is no hit of the trace.
      if (request.hasRun) continue;
      request.hasRun = true;
      promptBlocks += Math.ceil(request.promptTokens / blockSize);
      hitBlocks += Math.floor(cachedTokens / blockSize);
      promptTokens += request.promptTokens;
      hitTokens += cachedTokens;
    }
    for (const id of plan.preempted) running.delete(id);
    if (running.size > peakRequestsInFlight) peakRequestsInFlight = running.size;
  }

  function finish(id: number): void {
    live.delete(id);
    running.delete(id);
    finishedRequests++;
  }

  function complete(plan: StepPlan): void {
    const sampled: SampledToken[] = [];
    const ended: number[] = [];
    for (const { id, samples, firstPosition, tokenCount } of plan.sequences) {
      const request = live.get(id)!;
      if (samples) {
        sampled.push({ id, tokenId: sampledTokenId(id, request.position++, seed), finished: false });
        if (--request.remainingTokens === 0) ended.push(id);
      } else if (request.remainingTokens === 0 && firstPosition + tokenCount === request.promptTokens) {
        ended.push(id);
      }
    }
    scheduler.complete(plan, sampled);
    for (const id of ended) finish(id);
  }

  for (;;) {
    handOver();
    const plan = scheduler.schedule();
    if (plan === null) {
      if (handedOver === order.length) break;
      clockSeconds = Math.max(clockSeconds, arrivals[order[handedOver]]);
      continue;
    }
    countAdmitted(plan);
    const isSaturated = scheduler.waitingCount > 0;
    complete(plan);
    const seconds = stepSeconds(plan, options.cost);
    clockSeconds += seconds;
    overall.add(running.values(), seconds);
    if (isSaturated) saturated.add(running.values(), seconds);
  }
  if (live.size > 0 || running.size > 0) throw new IntegrityError(`${live.size} requests have not ended`);
  options.onProgress?.(handedOver);
  memory.checkIntegrity();
  const { evictions } = memory.counters;
  const { steps, computedTokens, preemptions } = scheduler.counters;
  return {
    finishedRequests,
    refusedRequests,
    promptBlocks,
    hitBlocks,
    promptTokens,
    hitTokens,
    computedTokens,
    evictions,
    preemptions,
    steps,
    simulatedSeconds: clockSeconds,
    peakRequestsInFlight,
    saturated: saturated.result(),
    overall: overall.result(),
  };
}

/** The same memory; `opened` is told of each sequence that is opened. */
function withOpenListener(memory: KvMemory, opened: (sequence: KvSequence) => void): KvMemory {
  const open: KvMemory['open'] = (tokenIds, salt, finalTokens) => {
    const sequence = memory.open(tokenIds, salt, finalTokens);
    opened(sequence);
    return sequence;
  };
  return Object.create(memory, { open: { value: open } });
}
