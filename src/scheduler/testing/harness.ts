// Drives the real scheduler and memory beside a trivial model that predicts every token, output and ending.

import { ContextLengthError, QueueFullError } from '../../errors/index.ts';
import {
  type AllocatorName,
  createHybridMemory,
  createMemory,
  type KvMemory,
  type MemoryMode,
} from '../../memory/index.ts';
import { appendToken, type ModelSequence } from '../../memory/testing/content.ts';
import { createEventWatch, type EventWatch } from '../../memory/testing/watch-events.ts';
import { createScheduler } from '../scheduler.ts';
import { takeSnapshot } from '../snapshot.ts';
import type { SampledToken, Scheduler, StepPlan } from '../types.ts';
import { createFakePool, type FakePoolOptions } from './fake-pool.ts';

export interface HarnessConfig {
  readonly blockSize: number;
  readonly blockCount: number;
  readonly maxNumSeqs: number;
  readonly maxNumBatchedTokens: number;
  readonly maxOutputs: number;
  readonly maxModelLen: number;
  readonly maxQueuedRequests: number;
  readonly enablePrefixCaching: boolean;
  readonly allocator?: AllocatorName;
  readonly compactionBlocksPerStep?: number;
  readonly placesBatchTogether?: boolean;
  /** Defaults to paged. */
  readonly memoryMode?: MemoryMode;
  readonly watermarkBlocks?: number;
  readonly tenantQuotaBlocks?: number;
  readonly adaptsHeadroom?: boolean;
  /** Attention's window; defaults to none. */
  readonly windowTokens?: number | null;
  readonly sinkTokens?: number;
  /** Cache groups beside the one that the options above are of. Defaults to none. */
  readonly otherGroups?: readonly FakePoolOptions[];
  /** Prompt tokens of a step that also decodes. Defaults to no limit. */
  readonly promptTokensBesideDecoding?: number;
  /** Compare what the events add up to with the state after every operation. Defaults to true. */
  readonly watchesEvents?: boolean;
  /** Check every invariant after every operation. Defaults to true. */
  readonly checkIntegrity?: boolean;
}

interface Tracked extends ModelSequence {
  readonly id: number;
  readonly promptTokens: number;
  readonly maxNewTokens: number;
  readonly wantsPromptLogits: boolean;
  generatedTokens: number;
  deliveredRows: number;
}

export interface Harness {
  readonly memory: KvMemory;
  readonly scheduler: Scheduler;
  /** What is emitted; compared with the state after every step. */
  readonly events: EventWatch;
  /** Ids that have not ended. */
  readonly liveIds: readonly number[];
  add(promptTokenIds: readonly number[], maxNewTokens: number, salt: string, wantsPromptLogits: boolean): void;
  fork(parentId: number, maxNewTokens: number, replaceLastTokenId?: number): void;
  cancel(id: number): void;
  /** One step, with `whileInFlight` between planning and completion, or failure. False if nothing could run. */
  step(options?: { readonly whileInFlight?: () => void; readonly fails?: boolean }): boolean;
  /**
   * Steps of which each is planned while the one before it is in flight, as long as the scheduler does, at most `count`. `whileInFlight` is called in each before the next one is
   * planned, and after. The last one fails, if `fails`, with the one that is planned after it. How many were planned so; -1 if nothing could run.
   */
  overlap(options: {
    readonly count: number;
    readonly whileInFlight?: (step: number, isPlanned: boolean) => void;
    readonly fails?: boolean;
  }): number;
  /** Steps until all sequences have ended; then nothing may hold memory. */
  drain(): void;
}

function expectEqual(actual: unknown, expected: unknown, what: string): void {
  if (actual !== expected) throw new Error(`${what}: ${String(actual)}, expected ${String(expected)}`);
}

export function createHarness(config: HarnessConfig): Harness {
  const { blockSize, otherGroups = [] } = config;
  const events = createEventWatch();
  const memoryOptions = {
    ...config,
    events: events.hub,
    maxBlocksPerSequence: Math.ceil(config.maxModelLen / blockSize),
  };
  const memory =
    otherGroups.length > 0
      ? createHybridMemory([
          memoryOptions,
          ...otherGroups.map((group, i) => ({ ...memoryOptions, ...group, group: i + 1 })),
        ])
      : createMemory(config.memoryMode ?? 'paged', memoryOptions);
  const scheduler = createScheduler({
    ...config,
    memory,
    events: events.hub,
    promptTokensBesideDecoding: () => config.promptTokensBesideDecoding ?? Number.POSITIVE_INFINITY,
    checkIntegrity: config.checkIntegrity ?? true,
  });
  if (config.watchesEvents ?? true) events.watch(memory, () => takeSnapshot(scheduler, memory));
  const blocksOf = (tokens: number): number => Math.ceil(tokens / blockSize);
  const groups = [config, ...otherGroups];
  const pool = createFakePool(blockSize, groups);
  const live = new Map<number, Tracked>();
  /** Sequences of the step in flight, cancelled ones included. */
  let flying = new Map<number, Tracked>();
  let nextId = 1;
  let computedTokens = 0;

  /** Content of blocks that nobody holds and the cache does not know may change at any time. */
  function poisonFree(): void {
    if (config.checkIntegrity === false) return;
    const { references, cached } = memory.blockMap();
    references.forEach((count, block) => {
      if (count === 0 && !cached[block]) pool.poison(block);
    });
  }

  /** Runs an operation that may be refused, in which case nothing may have changed. */
  function tryTo(operation: () => void): boolean {
    const before = JSON.stringify([scheduler.describe(), memory.usage(), scheduler.waitingCount]);
    try {
      operation();
      return true;
    } catch (error) {
      if (!(error instanceof QueueFullError || error instanceof ContextLengthError)) throw error;
      expectEqual(
        JSON.stringify([scheduler.describe(), memory.usage(), scheduler.waitingCount]),
        before,
        'after refusal',
      );
      return false;
    }
  }

  /** What the sequence samples is decided by all tokens so far, so that recomputed or shared content cannot change it. */
  function sampleOf(model: Tracked): SampledToken {
    const last = model.chain.at(-1)!;
    return { id: model.id, tokenId: (last >>> 3) % 3, finished: (last >>> 8) % 47 === 0 };
  }

  function checkShares(plan: StepPlan): void {
    for (const share of plan.sequences) {
      const model = flying.get(share.id)!;
      const end = share.firstPosition + share.tokenCount;
      const owes = model.wantsPromptLogits && model.deliveredRows < model.promptTokens;
      const samples = end === model.tokenIds.length && model.generatedTokens < model.maxNewTokens;
      expectEqual(share.samples, samples, `sequence ${share.id} samples`);
      const outputs = owes ? Math.max(0, end - model.deliveredRows) : samples ? 1 : 0;
      expectEqual(share.outputCount, outputs, `outputs of sequence ${share.id}`);
      if (owes && share.firstPosition > model.deliveredRows) throw new Error(`sequence ${share.id} skips owed rows`);
    }
  }

  function finishStep(plan: StepPlan): void {
    const sampled: SampledToken[] = [];
    for (const share of plan.sequences) {
      if (share.samples && live.has(share.id)) sampled.push(sampleOf(live.get(share.id)!));
    }
    scheduler.complete(plan, sampled);
    computedTokens += plan.bindings.tokenCount;
    expectEqual(scheduler.counters.computedTokens, computedTokens, 'computed tokens');
    for (const share of plan.sequences) {
      const model = live.get(share.id);
      if (model === undefined) continue;
      const end = share.firstPosition + share.tokenCount;
      if (model.wantsPromptLogits) {
        model.deliveredRows = Math.max(model.deliveredRows, Math.min(model.promptTokens, end));
      }
      if (share.samples) {
        const { tokenId, finished } = sampleOf(model);
        appendToken(model, tokenId);
        model.generatedTokens++;
        if (finished || model.generatedTokens === model.maxNewTokens) live.delete(share.id);
      } else if (end === model.tokenIds.length) {
        live.delete(share.id);
      }
      if (!live.has(share.id) && model.wantsPromptLogits) {
        expectEqual(model.deliveredRows, model.promptTokens, `prompt rows of sequence ${share.id}`);
      }
    }
  }

  function checkKnown(): void {
    if (config.watchesEvents ?? true) events.check();
    expectEqual(scheduler.runningCount + scheduler.waitingCount, live.size, 'known sequences');
    for (const { id, totalTokens, computedTokens: computed, blocks } of scheduler.describe()) {
      const model = live.get(id);
      expectEqual(totalTokens, model?.tokenIds.length, `tokens of sequence ${id}`);
      if (computed > totalTokens || computed > blocks.length * blockSize)
        throw new Error(`sequence ${id}: ${computed} computed`);
    }
  }

  /** Between steps a sequence holds its sinks and its window, whatever it computed. */
  function checkWindows(): void {
    for (const [g, { windowTokens, sinkTokens = 0 }] of groups.entries()) {
      if (windowTokens == null) continue;
      const limit = blocksOf(sinkTokens) + blocksOf(windowTokens) + 1;
      for (const { id, blocks } of scheduler.describe()) {
        // The tables of the groups, one after the other.
        const entries = blocks.length / groups.length;
        const held = blocks.slice(g * entries, (g + 1) * entries).filter((block) => block !== -1).length;
        if (held > limit) throw new Error(`sequence ${id} holds ${held} blocks, its window needs ${limit}`);
      }
    }
  }

  /** Only sequences of the step in flight go on, with one token each. */
  function checkOverlap(plan: StepPlan, next: StepPlan): void {
    const sources: number[] = [];
    for (const { id, firstPosition, tokenCount, samples } of next.sequences) {
      const before = plan.sequences.find((share) => share.id === id);
      if (before === undefined || !samples || tokenCount !== 1 || !live.has(id)) {
        throw new Error(`step ${next.stepIndex}: sequence ${id} does not go on`);
      }
      expectEqual(firstPosition, before.firstPosition + before.tokenCount, `position of sequence ${id}`);
      sources.push(before.outputStart);
    }
    const planned = next.bindings.tokenSources?.subarray(0, next.bindings.tokenCount) ?? [];
    expectEqual(String([...planned]), String(sources), 'sources');
  }

  /** Nobody else can be given a block that a running step writes. */
  function checkHeld({ stepIndex, bindings }: StepPlan): void {
    const { references } = memory.blockMap();
    let firstBlock = 0;
    for (const [p, { slotMapping }] of [bindings, ...(bindings.otherPools ?? [])].entries()) {
      for (const slot of slotMapping.subarray(0, bindings.tokenCount)) {
        const block = firstBlock + Math.floor(slot / blockSize);
        if (references[block] === 0) throw new Error(`step ${stepIndex} writes block ${block}, which nobody holds`);
      }
      firstBlock += groups[p].blockCount;
    }
  }

  /** Executes a step that was planned while `before` was in flight, whose tokens are known now. */
  function runNext(before: StepPlan, next: StepPlan): void {
    if (config.memoryMode === undefined || config.memoryMode === 'paged') checkHeld(next);
    flying = new Map();
    for (const [row, { id, firstPosition }] of next.sequences.entries()) {
      const model = live.get(id);
      if (model === undefined) continue;
      flying.set(id, model);
      const source = before.sequences.find(({ outputStart }) => outputStart === next.bindings.tokenSources?.[row]);
      expectEqual(source?.id, id, `source of row ${row}`);
      next.bindings.tokenIds[row] = model.tokenIds[firstPosition];
    }
    pool.execute(next, flying);
  }

  /** What every sequence but the admitted ones has computed: a failed step may not change it. */
  function describeOthers({ admitted }: StepPlan): string {
    const others = scheduler.describe().filter(({ id }) => admitted.every((entry) => entry.id !== id));
    return JSON.stringify(others.map(({ id, state, computedTokens: computed }) => [id, state, computed]));
  }

  function track(id: number, tokenIds: readonly number[], salt: string, maxNewTokens: number, logits: boolean): void {
    const model: Tracked = {
      id,
      salt,
      tokenIds: [],
      chain: [],
      promptTokens: tokenIds.length,
      maxNewTokens,
      wantsPromptLogits: logits,
      generatedTokens: 0,
      deliveredRows: 0,
    };
    for (const tokenId of tokenIds) appendToken(model, tokenId);
    live.set(id, model);
  }

  const harness: Harness = {
    memory,
    scheduler,
    events,
    get liveIds() {
      return [...live.keys()];
    },
    add(promptTokenIds, maxNewTokens, salt, wantsPromptLogits) {
      const id = nextId++;
      if (tryTo(() => scheduler.add({ id, promptTokenIds, maxNewTokens, salt, wantsPromptLogits }))) {
        track(id, promptTokenIds, salt, maxNewTokens, wantsPromptLogits);
      }
    },
    fork(parentId, maxNewTokens, replaceLastTokenId) {
      const id = nextId++;
      const parent = live.get(parentId)!;
      if (!tryTo(() => scheduler.fork(parentId, id, { maxNewTokens, replaceLastTokenId }))) return;
      const tokenIds = [...parent.tokenIds];
      if (replaceLastTokenId !== undefined) tokenIds[tokenIds.length - 1] = replaceLastTokenId;
      track(id, tokenIds, parent.salt, maxNewTokens, false);
      checkKnown();
    },
    cancel(id) {
      scheduler.cancel(id);
      live.delete(id);
      checkKnown();
    },
    step({ whileInFlight, fails = false } = {}) {
      const plan = scheduler.schedule();
      if (plan === null) {
        expectEqual(live.size, 0, 'sequences that cannot run');
        return false;
      }
      flying = new Map(plan.sequences.map(({ id }) => [id, live.get(id)!]));
      checkShares(plan);
      poisonFree();
      if (fails) pool.fail(plan);
      else pool.execute(plan, flying);
      const before = describeOthers(plan);
      whileInFlight?.();
      if (fails) {
        scheduler.abort(plan);
        if (whileInFlight === undefined) expectEqual(describeOthers(plan), before, 'after abort');
      } else {
        finishStep(plan);
      }
      poisonFree();
      checkKnown();
      checkWindows();
      return true;
    },
    overlap({ count, whileInFlight, fails = false }) {
      let plan = scheduler.schedule();
      if (plan === null) return -1;
      flying = new Map(plan.sequences.map(({ id }) => [id, live.get(id)!]));
      checkShares(plan);
      poisonFree();
      pool.execute(plan, flying);
      for (let step = 0; ; step++) {
        whileInFlight?.(step, false);
        const planned: StepPlan | null = step < count || fails ? scheduler.scheduleNext() : null;
        if (planned !== null) checkOverlap(plan, planned);
        // The backend has read the bindings by the time that anything else happens.
        const next: StepPlan | null = planned && { ...planned, bindings: structuredClone(planned.bindings) };
        whileInFlight?.(step, true);
        const failsNow = fails && (next === null || step === count);
        if (failsNow) {
          for (const failed of next === null ? [plan] : [plan, next]) pool.fail(failed);
          scheduler.abort(plan);
        } else {
          finishStep(plan);
        }
        poisonFree();
        checkKnown();
        if (next === null || planned === null || failsNow) {
          checkWindows();
          return step;
        }
        runNext(plan, next);
        plan = planned;
      }
    },
    drain() {
      for (let steps = 0; harness.step(); steps++) {
        if (steps > 100_000) throw new Error('does not end');
      }
      memory.checkIntegrity();
      const { freeBlocks, referencedBlocks } = memory.usage();
      const allBlocks = groups.reduce((sum, group) => sum + group.blockCount, 0);
      expectEqual(freeBlocks, allBlocks, 'free blocks');
      expectEqual(referencedBlocks, 0, 'referenced blocks');
    },
  };
  return harness;
}
