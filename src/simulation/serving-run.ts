// The step loop of a replay: the real scheduler and the real memory manager, a stub in place of kernels, a clock that only steps move.

import { createPrefillPace, loadOf } from '../engine/prefill-pace.ts';
import { IntegrityError } from '../errors/index.ts';
import { createMemory, type KvMemory, type KvSequence, type TierOptions } from '../memory/index.ts';
import { createScheduler, type SampledToken, type StepPlan } from '../scheduler/index.ts';
import type { Arrivals } from './arrivals.ts';
import { createStepTimer, type Published, serverCosts } from './cost-model.ts';
import { createOccupancyMeter } from './occupancy.ts';
import { promptTokenIds, sampledTokenId } from './prompts.ts';
import type { ReplayOptions, ReplayResult } from './replay.ts';
import { createRequestMeter, type MeteredRequest } from './request-meter.ts';
import { createTimeline } from './timeline.ts';

/** Requests that wait at once: the rest waits in the trace, where it takes no memory. */
const QUEUE_LIMIT = 32;
const nothing: Published = { tokens: 0, ended: 0 };

/** Time of a run, in milliseconds; tiers may ask for events in it. */
export interface RunClock {
  nowMs: number;
}

export interface ServingRun {
  /**
   * Runs a step, or lets time pass until the next request. `waits`: nothing can run until pages arrive; the next request comes at
   * `nextArrivalMs`, if any.
   */
  advance(): 'ran' | 'waits' | 'over';
  readonly nextArrivalMs: number | null;
  readonly memory: KvMemory;
  /** After the end. */
  result(): ReplayResult;
}

interface Live {
  readonly index: number;
  readonly promptTokens: number;
  readonly sequence: KvSequence;
  readonly times: MeteredRequest;
  remainingTokens: number;
  position: number;
  hasRun: boolean;
}

export function startServingRun(
  arrivals: Arrivals,
  options: ReplayOptions,
  clock: RunClock,
  tiers: Omit<TierOptions, 'recomputeMs'> | null = null,
): ServingRun {
  const { blockCount, blockSize, maxNumSeqs, maxNumBatchedTokens, seed, cost } = options;
  const poolTokens = blockCount * blockSize;
  const maxModelLen = Math.max(1, arrivals.longestTokens(Math.min(poolTokens, options.maxModelLen ?? poolTokens)));
  const pace = options.pace ?? createPrefillPace(options.maxStepStretch ?? Number.POSITIVE_INFINITY);
  const memory = createMemory(options.memory, {
    blockCount,
    blockSize,
    maxNumSeqs,
    maxBlocksPerSequence: Math.ceil(maxModelLen / blockSize),
    enablePrefixCaching: options.enablePrefixCaching,
    allocator: options.allocator,
    evictionPolicy: options.evictionPolicy,
    tiers: tiers === null ? null : { ...tiers, recomputeMs: pace.promptMs },
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
    adaptsHeadroom: options.adaptsHeadroom,
    growthQuantile: options.growthQuantile,
    promptTokensBesideDecoding:
      options.maxStepStretch === undefined && options.pace === undefined ? undefined : pace.allowance,
    checkIntegrity: options.checkIntegrity,
  });
  const stream = arrivals.open();
  const stepSeconds = createStepTimer(cost, memory);
  const server = serverCosts(cost);
  const latencyMs = server.latencySeconds * 1000;
  const requestMs = server.requestSeconds * 1000;
  const readMs = server.readSeconds * 1000;
  const betweenMs = server.stepSeconds * 1000;
  const deliveryMs = server.deliverySeconds * 1000;
  const meter = createRequestMeter(latencyMs);
  const timeline = createTimeline();
  const live = new Map<number, Live>();
  const running = new Map<number, KvSequence>();
  const saturated = createOccupancyMeter(memory);
  const overall = createOccupancyMeter(memory);
  /** Requests are read one after the other. */
  let readerFreeMs = 0;
  /** By the step that ran just before. */
  let published: Published = nothing;
  let handedOver = 0;
  let finishedRequests = 0;
  let refusedRequests = 0;
  let promptBlocks = 0;
  let hitBlocks = 0;
  let promptTokens = 0;
  let hitTokens = 0;
  let peakRequestsInFlight = 0;

  /** When the next request will have been read; null if none is known. */
  function nextReadMs(): number | null {
    const { nextMs } = stream;
    return nextMs === null ? null : Math.max(nextMs, readerFreeMs) + requestMs;
  }

  /** Hands over what is read by `untilMs`. `perRequestMs`: by how much each of them moves that. Returns where it moved to. */
  function handOver(untilMs: number, perRequestMs: number): number {
    let endMs = untilMs;
    while (scheduler.waitingCount < QUEUE_LIMIT) {
      const { nextMs } = stream;
      const dueMs = nextReadMs();
      if (nextMs === null || dueMs === null || dueMs > endMs) break;
      readerFreeMs = dueMs;
      endMs += perRequestMs;
      const { index, request } = stream.take();
      handedOver++;
      if (request.promptTokens + request.outputTokens > maxModelLen) {
        refusedRequests++;
        stream.ended(index, dueMs);
        continue;
      }
      scheduler.add({
        id: index,
        promptTokenIds: promptTokenIds(request, index, request.promptTokens, seed),
        handsOverTokenIds: true,
        maxNewTokens: request.outputTokens,
        salt: request.salt ?? '',
        wantsPromptLogits: false,
      });
      live.set(index, {
        index,
        promptTokens: request.promptTokens,
        sequence: opened!,
        times: meter.arrived(nextMs),
        remainingTokens: request.outputTokens,
        position: request.promptTokens,
        hasRun: false,
      });
      if (handedOver % 16 === 0) options.onProgress?.(handedOver);
    }
    return endMs;
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

  function finish(id: number, deliveredMs: number): void {
    const { promptTokens: inputTokens, times } = live.get(id)!;
    live.delete(id);
    running.delete(id);
    finishedRequests++;
    meter.ended(times, inputTokens);
    stream.ended(id, deliveredMs + latencyMs);
  }

  /** Returns what is published while the next step runs. */
  function complete(plan: StepPlan): Published {
    const sampled: SampledToken[] = [];
    const ended: number[] = [];
    const deliveredMs = clock.nowMs + plan.sequences.filter(({ samples }) => samples).length * deliveryMs;
    for (const { id, samples, firstPosition, tokenCount } of plan.sequences) {
      const request = live.get(id)!;
      if (samples) {
        sampled.push({ id, tokenId: sampledTokenId(id, request.position++, seed), finished: false });
        meter.token(request.times, deliveredMs);
        if (--request.remainingTokens === 0) ended.push(id);
      } else if (request.remainingTokens === 0 && firstPosition + tokenCount === request.promptTokens) {
        ended.push(id);
      }
    }
    scheduler.complete(plan, sampled);
    for (const id of ended) finish(id, deliveredMs);
    return { tokens: sampled.length, ended: ended.length };
  }

  function rest(seconds: number): void {
    timeline.add({
      seconds,
      running: 0,
      waiting: live.size,
      poolUse: 0,
      preemptions: 0,
      computedTokens: 0,
      sampledTokens: 0,
    });
  }

  function advance(): 'ran' | 'waits' | 'over' {
    handOver(clock.nowMs, 0);
    const plan = scheduler.schedule();
    if (plan === null) {
      published = nothing;
      if (live.size > 0) return 'waits';
      const dueMs = nextReadMs();
      if (dueMs === null) return 'over';
      rest(Math.max(0, dueMs - clock.nowMs) / 1000);
      clock.nowMs = Math.max(clock.nowMs, dueMs);
      return 'ran';
    }
    countAdmitted(plan);
    const waiting = scheduler.waitingCount;
    const startMs = clock.nowMs;
    const plannedMs = stepSeconds(plan, running.values(), published) * 1000;
    const poolUse = memory.usage().referencedBlocks / blockCount;
    const inFlight = running.size;
    memory.reclaim();
    // As in the engine, who comes while a step runs is queued then.
    clock.nowMs = handOver(startMs + plannedMs, readMs);
    pace.observe(loadOf(plan), clock.nowMs - startMs);
    published = complete(plan);
    clock.nowMs += betweenMs;
    const seconds = (clock.nowMs - startMs) / 1000;
    overall.add(running.values(), seconds);
    if (waiting > 0) saturated.add(running.values(), seconds);
    timeline.add({
      seconds,
      running: inFlight,
      waiting,
      poolUse,
      preemptions: plan.preempted.length,
      computedTokens: plan.bindings.tokenCount,
      sampledTokens: published.tokens,
    });
    return 'ran';
  }

  return {
    advance,
    memory,
    get nextArrivalMs() {
      return nextReadMs();
    },
    result() {
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
        pagesOut: memory.paging?.pagesOut ?? 0,
        pagesIn: memory.paging?.pagesIn ?? 0,
        steps,
        simulatedSeconds: clock.nowMs / 1000,
        peakRequestsInFlight,
        saturated: saturated.result(),
        overall: overall.result(),
        figures: meter.figures(options.objectives ?? null),
        timeline: timeline.result(),
      };
    },
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
