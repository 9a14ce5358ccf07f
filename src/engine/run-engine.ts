// A running engine: takes requests, keeps who owns which sequence, and answers questions about its state.

import type { Backend, Executable } from '../backends/backend.ts';
import { EngineClosedError, InvalidRequestError } from '../errors/errors.ts';
import type { CacheReason, KvMemory } from '../memory/index.ts';
import type { LoadedModel } from '../models/model.ts';
import type { Scheduler } from '../scheduler/types.ts';
import { createNodeFiles, type TierFiles, type TierStack } from '../tiers/index.ts';
import type {
  BlockMap,
  Engine,
  EngineStats,
  FinishReason,
  GenerateRequest,
  Generation,
  RequestTimes,
  SamplingParams,
} from './api.ts';
import { createChoice } from './choice.ts';
import {
  createGeneration,
  type GenerationHooks,
  type GenerationState,
  sequenceRequestOf,
  timesOf,
} from './generation.ts';
import { formatKvDTypes } from './kv-cache-dtype.ts';
import type { MemoryPlan } from './memory-plan.ts';
import type { NumaPlan } from './numa.ts';
import { createObserver, type ObservedParts, unobserved } from './observe/index.ts';
import { createPlacementStats } from './placement-stats.ts';
import type { PrefillPace } from './prefill-pace.ts';
import { createPrefixPins } from './prefix-pins.ts';
import { readPrompt, readPromptAsync, renderChat } from './prompt.ts';
import { resolveSampling } from './sampling/params.ts';
import { createSessions } from './session.ts';
import { createStepClock } from './step-clock.ts';
import { startStepLoop } from './step-loop.ts';
import type { SequenceOwner } from './step-work.ts';
import { tierStats } from './tiers.ts';

export interface EngineParts {
  readonly model: LoadedModel;
  readonly backend: Backend;
  readonly fallbackReason: string | null;
  readonly executable: Executable;
  readonly memory: KvMemory;
  readonly scheduler: Scheduler;
  readonly pace: PrefillPace;
  /** Whether steps are given to the backend while the one before them runs, where it queues steps. */
  readonly asyncScheduling: boolean;
  /** Of the model: see modelFingerprint. */
  readonly fingerprint: () => Promise<string>;
  readonly plan: MemoryPlan;
  /** Below the pool of each cache group, or null; closed with the engine. */
  readonly tiers: readonly TierStack[] | null;
  /** Null where the pool lies on one node. */
  readonly numa?: NumaPlan | null;
  /** Set by the engine: what the scheduler calls when pages have arrived. */
  readonly pagesReady: { notify: () => void };
  /** Calls `action` after that many milliseconds. */
  readonly after: (ms: number, action: () => void) => void;
  /** Events, explanations and recordings. Defaults to events that nobody makes. */
  readonly observed?: ObservedParts;
  /** Where sessions are kept. Defaults to the file system. */
  readonly files?: TierFiles;
  readonly now: () => number;
}

const maxChoices = 128;

export function runEngine(parts: EngineParts): Engine {
  const { model, executable, memory, scheduler, plan, now } = parts;
  const { tokenizer, config } = model;
  const clock = createStepClock(now);
  const placement = createPlacementStats(memory);
  const owners = new Map<number, SequenceOwner>();
  /** Generations that have not ended, with what takes each one's listener off its caller's signal. */
  const active = new Map<GenerationState, () => void>();
  const observers = new Set<(times: RequestTimes) => void>();
  const finishedRequests: Record<FinishReason | 'error', number> = { stop: 0, length: 0, cancelled: 0, error: 0 };
  const cacheReports: Record<CacheReason, number> = {
    hit: 0,
    evicted: 0,
    different_salt: 0,
    differs: 0,
    never_seen: 0,
    not_looked_up: 0,
  };
  const totals = { promptTokens: 0, generatedTokens: 0 };
  let sequenceCount = 0;
  let requestCount = 0;
  let draining = false;
  let failure: Error | null = null;
  let closing: Promise<void> | null = null;
  let idleWaiters: (() => void)[] = [];

  const loop = startStepLoop({
    scheduler,
    executable,
    vocabSize: config.vocabSize,
    owners,
    clock,
    pace: parts.pace,
    overlaps: parts.asyncScheduling && executable.queuesSteps === true,
    nextSequenceId: () => sequenceCount++,
    now,
    onStepRunning: () => memory.reclaim(),
    onAdmitted({ reason }) {
      cacheReports[reason]++;
    },
    onSampled(tokenCount) {
      totals.generatedTokens += tokenCount;
    },
    onBreak(error) {
      failure = error instanceof Error ? error : new Error(String(error));
    },
    onEnd: (state, error) => endGeneration(state, error === null ? lastReason(state) : 'error'),
  });

  parts.pagesReady.notify = () => loop.wake();
  const prefixPins = createPrefixPins({
    memory,
    schedule(ms, action) {
      const timer = setTimeout(action, ms).unref();
      return () => clearTimeout(timer);
    },
    onRelease: () => loop.wake(),
  });
  // With kvCacheAging the last pool is that of recent tokens, in the types that were asked for.
  const kvDType = formatKvDTypes(plan.pools[plan.pools.length - 1].kv);
  const sessions = createSessions({
    ...parts,
    kvType: kvDType,
    files: parts.files ?? createNodeFiles(),
    runningCount: () => scheduler.runningCount,
    betweenSteps: (action) => loop.between(action),
    after: parts.after,
    wake: () => loop.wake(),
  });

  const { hub, explainText, header, ...observed } = parts.observed ?? unobserved(now);
  const observer = createObserver({
    ...observed,
    hub,
    now,
    after: parts.after,
    blockSize: plan.kv.blockSize,
    blockMap,
    tokenizer: explainText ? tokenizer : null,
    header: header && { ...header, kvDType },
  });

  function endGeneration(state: GenerationState, reason: FinishReason | 'error'): void {
    const stopListening = active.get(state);
    if (stopListening === undefined) return;
    active.delete(state);
    stopListening();
    finishedRequests[reason]++;
    const times = timesOf(state, now(), reason);
    observer.ended(state, times);
    for (const each of observers) each(times);
    if (active.size === 0) {
      for (const resolve of idleWaiters) resolve();
      idleWaiters = [];
    }
  }

  const hooks: GenerationHooks = {
    cancel(state) {
      if (state.ended) return;
      for (const [id, owner] of owners) {
        if (owner.state !== state) continue;
        owners.delete(id);
        scheduler.cancel(id);
      }
      for (const choice of state.choices) {
        const event = choice.finish('cancelled');
        if (event) state.emit(event);
      }
      state.end();
      endGeneration(state, 'cancelled');
      loop.wake();
    },
    fork(parent, options) {
      const entry = [...owners].find(
        ([, owner]) =>
          owner.state === parent && (owner.choice === parent.choices[0] || owner.siblings.includes(parent.choices[0])),
      );
      if (!entry)
        throw new InvalidRequestError(
          `request ${parent.requestId} has ended and cannot be forked`,
          'requestId',
          parent.requestId,
        );
      refuseIfClosed();
      const [parentId] = entry;
      const parentChoice = parent.choices[0];
      const promptTokenIds = [...parent.promptTokenIds, ...parentChoice.tokenIds];
      const sampling = resolveSampling(
        { ...inheritedParams(parentChoice.sampling), ...options.sampling },
        config.vocabSize,
        freshSeed,
      );
      const maxTokens = resolveMaxTokens(sampling.maxTokens, promptTokenIds.length);
      const choice = createChoice({
        index: 0,
        sampling,
        tokenizer,
        promptTokenIds: parent.promptTokenIds,
        inheritedTokenIds: [...parentChoice.tokenIds],
        maxTokens,
      });
      const id = sequenceCount;
      const requestId = options.requestId ?? nextName();
      scheduler.fork(parentId, id, { maxNewTokens: maxTokens, requestId });
      sequenceCount++;
      return begin(
        {
          promptTokenIds,
          salt: parent.salt,
          choices: [choice],
          requestId,
          signal: options.signal,
          wantsPromptLogprobs: false,
        },
        id,
      );
    },
  };

  const nextName = (): string => `request-${requestCount}`;

  function begin(
    request: Pick<GenerationState, 'promptTokenIds' | 'salt' | 'choices'> & {
      readonly requestId: string;
      readonly signal: AbortSignal | undefined;
      readonly wantsPromptLogprobs: boolean;
    },
    sequenceId: number,
  ): Generation {
    const { requestId, signal, promptTokenIds, salt, choices, wantsPromptLogprobs } = request;
    requestCount++;
    const { state, generation } = createGeneration(
      { requestId, promptTokenIds, salt, choices, arrivedMs: now(), wantsPromptLogprobs },
      hooks,
    );
    owners.set(sequenceId, { state, choice: choices[0], siblings: choices.slice(1) });
    const onAbort = () => hooks.cancel(state);
    active.set(state, () => signal?.removeEventListener('abort', onAbort));
    totals.promptTokens += promptTokenIds.length;
    if (signal) {
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
    }
    loop.wake();
    return generation;
  }

  function refuseIfClosed(): void {
    if (failure) throw new EngineClosedError(`The engine has stopped after an internal error: ${failure.message}`);
    if (draining) throw new EngineClosedError();
  }

  /** Tokens that a sequence may generate: what was asked for, or what the context holds. */
  function resolveMaxTokens(maxTokens: number | null, promptTokens: number): number {
    return maxTokens ?? Math.max(1, plan.maxModelLen - promptTokens);
  }

  function generate(request: GenerateRequest): Generation {
    refuseIfClosed();
    const n = request.n ?? 1;
    if (!Number.isInteger(n) || n < 1 || n > maxChoices) {
      throw new InvalidRequestError(`n must be an integer from 1 to ${maxChoices}, got ${String(n)}`, 'n', n);
    }
    const sampling = resolveSampling(request.sampling ?? {}, config.vocabSize, freshSeed);
    const promptTokenIds = readPrompt(request, model);
    const maxTokens = resolveMaxTokens(sampling.maxTokens, promptTokenIds.length);
    scheduler.checkCapacity(n);
    const choices = Array.from({ length: n }, (_, index) =>
      createChoice({ index, sampling, tokenizer, promptTokenIds, maxTokens }),
    );
    const wantsPromptLogprobs = sampling.promptLogprobs !== null;
    const id = sequenceCount;
    const requestId = request.requestId ?? nextName();
    const salt = request.cacheSalt ?? '';
    scheduler.add(sequenceRequestOf({ requestId, promptTokenIds, salt, wantsPromptLogprobs }, id, maxTokens));
    sequenceCount++;
    return begin(
      {
        promptTokenIds,
        salt,
        choices,
        requestId,
        signal: request.signal,
        wantsPromptLogprobs,
      },
      id,
    );
  }

  function stats(): EngineStats {
    const usage = memory.usage();
    const counters = scheduler.counters;
    const { evictions, copyOnWrites, partialHitCopies, merges } = memory.counters;
    return {
      runningRequests: scheduler.runningCount,
      waitingRequests: scheduler.waitingCount,
      totalBlocks: usage.blockCount,
      freeBlocks: usage.blockCount - usage.referencedBlocks,
      cachedBlocks: usage.evictableBlocks,
      usedBlocks: usage.referencedBlocks,
      steps: counters.steps,
      overlappedSteps: counters.overlappedSteps,
      promptTokens: totals.promptTokens,
      lookedUpPromptTokens: counters.lookedUpPromptTokens,
      cachedPromptTokens: counters.cachedPromptTokens,
      computedTokens: counters.computedTokens,
      generatedTokens: totals.generatedTokens,
      preemptions: counters.preemptions,
      evictions,
      copyOnWrites,
      partialHitCopies,
      merges,
      ...memory.slotUse(),
      blockHistory: memory.blockHistory,
      cacheReports: { ...cacheReports },
      placement: placement(),
      finishedRequests: { ...finishedRequests },
      ...clock.times,
      pinnedBlocks: prefixPins.pinnedBlocks,
      tiers: parts.tiers === null ? null : tierStats(parts.tiers, memory),
      numa: parts.numa?.stats(memory) ?? null,
    };
  }

  function blockMap(): BlockMap {
    const blocks = memory.blockMap();
    return {
      blockSize: plan.kv.blockSize,
      blockCount: blocks.references.length,
      references: blocks.references,
      cached: blocks.cached,
      sequences: scheduler.describe().map(({ id, blocks: held, state, computedTokens, totalTokens }) => ({
        requestId: owners.get(id)?.state.requestId ?? `sequence-${id}`,
        state,
        computedTokens,
        totalTokens,
        blocks: held.filter((block) => block !== -1),
      })),
    };
  }

  async function whenIdle(): Promise<void> {
    if (active.size > 0) await new Promise<void>((resolve) => idleWaiters.push(resolve));
  }

  /** Pages that nobody holds go to where the next process finds them. */
  async function closeTiers(): Promise<void> {
    const { tiers } = parts;
    if (tiers === null) return;
    await memory.settled();
    if (tiers.some(({ outlivesProcess }) => outlivesProcess)) {
      await memory.pageOutAll();
      for (const stack of tiers) await stack.sink();
    }
    for (const stack of tiers) await stack.close();
  }

  async function closeAll(): Promise<void> {
    draining = true;
    for (const state of [...active.keys()]) hooks.cancel(state);
    await loop.stop();
    prefixPins.releaseAll();
    await sessions.settled();
    await observer.close();
    await closeTiers();
    await executable.close();
    await parts.backend.close();
    await model.close();
  }

  return {
    config,
    tokenizer,
    hasChatTemplate: model.chatTemplate !== null,
    backendDescription: parts.backend.description,
    fallbackReason: parts.fallbackReason,
    maxModelLen: plan.maxModelLen,
    kvDType,
    memory: executable.memory,
    generate,
    encodePrompt: (request, signal) => readPromptAsync(request, model, signal),
    pinPrefix({ leaseMs, cacheSalt = '', ...prompt }) {
      refuseIfClosed();
      return prefixPins.pin(readPrompt(prompt, model), cacheSalt, leaseMs);
    },
    async saveSession({ path, cacheSalt = '', data = null, ...prompt }) {
      return sessions.save(path, await readPromptAsync(prompt, model), cacheSalt, data);
    },
    async loadSession(path, { cacheSalt = '' } = {}) {
      return sessions.load(path, cacheSalt);
    },
    renderChat: (messages, options = {}) => renderChat(model, messages, options),
    get failure() {
      return failure;
    },
    stats,
    blockMap,
    events: hub,
    explain: (requestId) =>
      observer.explain(
        requestId,
        [...active.keys()].find((state) => state.requestId === requestId),
      ),
    onRequestEnd(each) {
      observers.add(each);
      return () => observers.delete(each);
    },
    async drain() {
      draining = true;
      await whenIdle();
    },
    close() {
      closing ??= closeAll();
      return closing;
    },
    [Symbol.asyncDispose]() {
      return this.close();
    },
  };
}

/** The reason that counts for a request of several choices: `length` if any choice ran out, else how the first ended. */
function lastReason(state: GenerationState): FinishReason {
  const reasons = state.choices.map((choice) => choice.finishReason ?? 'cancelled');
  return reasons.includes('length') ? 'length' : reasons[0];
}

/** A fork samples like its parent, with a seed of its own and as many tokens as there is room for. */
function inheritedParams(sampling: ReturnType<typeof resolveSampling>): SamplingParams {
  const {
    logitBias,
    logprobs,
    seed: _seed,
    maxTokens: _maxTokens,
    promptLogprobs: _promptLogprobs,
    minTokens: _minTokens,
    ...rest
  } = sampling;
  return { ...rest, logitBias: Object.fromEntries(logitBias), ...(logprobs === null ? {} : { logprobs }) };
}

function freshSeed(): number {
  return Math.floor(Math.random() * Number.MAX_SAFE_INTEGER);
}
