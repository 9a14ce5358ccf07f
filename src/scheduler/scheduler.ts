// The scheduler: which tokens run in each step.

import { ContextLengthError, IntegrityError, InvalidRequestError, QueueFullError } from '../errors/index.ts';
import { createSilentSink } from '../events/index.ts';
import { createAdmission } from './admission.ts';
import { checkPlan } from './check-plan.ts';
import { createGrowthReserve } from './growth-reserve.ts';
import { createHeadroom } from './headroom.ts';
import { planNextStep } from './next-step.ts';
import { createRunningShares } from './running-shares.ts';
import { checkSchedulerOptions, type SchedulerOptions } from './scheduler-options.ts';
import {
  createSequenceState,
  createWaitingQueue,
  owesPromptRows,
  type SequenceState,
  tokensToCatchUp,
} from './sequence.ts';
import { createStepEvents } from './step-events.ts';
import { createStepShares, type Share } from './step-shares.ts';
import { createTenantQuota } from './tenant-quota.ts';
import type { Scheduler, SequenceRequest, StepPlan } from './types.ts';

interface PlannedStep {
  readonly plan: StepPlan;
  readonly shares: readonly Share[];
}

/** Throws InvalidRequestError for limits that are not positive integers or exceed the memory's rows or width. */
export function createScheduler(options: SchedulerOptions): Scheduler {
  const { memory, maxNumSeqs, maxNumBatchedTokens, maxOutputs, maxModelLen, maxQueuedRequests } = options;
  checkSchedulerOptions(options);
  const { blockSize } = memory;
  const blockCount = memory.usage().blockCount;
  const longestTokens = Math.min(maxModelLen, memory.longestSequenceTokens);
  const quotaBlocks = options.tenantQuotaBlocks ?? Number.POSITIVE_INFINITY;
  const limitTokens =
    memory.blocksFor(longestTokens) <= quotaBlocks ? longestTokens : Math.min(longestTokens, quotaBlocks * blockSize);
  // Each running sequence gets a token and an output row in every step, so that none starves.
  const maxRunning = Math.min(maxNumSeqs, maxNumBatchedTokens, maxOutputs);
  const planLimits = { maxNumSeqs, maxNumBatchedTokens, maxOutputs, blockSize };
  const step = createStepShares(memory, options);

  const known = new Map<number, SequenceState>();
  const waiting = createWaitingQueue();
  /** In the order of admission: the last one is the first victim. */
  const running: SequenceState[] = [];
  let inFlight: PlannedStep | null = null;
  /** The step after it. */
  let next: PlannedStep | null = null;

  let steps = 0;
  let overlappedSteps = 0;
  let computedTokens = 0;
  let lookedUpPromptTokens = 0;
  let cachedPromptTokens = 0;
  let generatedTokens = 0;
  let seenRefaults = 0;

  const sink = options.events ?? createSilentSink();
  const events = createStepEvents(sink, memory, maxNumBatchedTokens);
  const headroom = createHeadroom({
    blockCount,
    adapts: options.adaptsHeadroom,
    onChange(change) {
      events.headroom(change);
      options.onHeadroomChange?.(change);
    },
  });
  const watermark = (): number => options.watermarkBlocks ?? headroom.blocks(running.length);
  const growth = createGrowthReserve({ memory, quantile: options.growthQuantile ?? 0 });
  const quota = createTenantQuota(quotaBlocks, running, memory);
  const shared = { memory, running, waiting, step, growth, quota, events };
  const runningShares = createRunningShares(shared);
  const admission = createAdmission({ ...shared, maxRunning, watermark, onPagesReady: options.onPagesReady });

  function check(plan: StepPlan | null = null): void {
    if (!options.checkIntegrity) return;
    if (plan !== null) checkPlan(plan, planLimits);
    for (const { id, running: runs, memory: held } of known.values()) {
      if (runs !== (held.row !== -1)) throw new IntegrityError(`sequence ${id}: running ${runs}, but row ${held.row}`);
    }
    if (running.length + waiting.count !== known.size) {
      throw new IntegrityError(`${running.length} running + ${waiting.count} waiting != ${known.size} known sequences`);
    }
    memory.checkIntegrity();
  }

  function newSequence(
    id: number,
    tokenIds: number[],
    salt: string,
    maxNewTokens: number,
    wantsPromptLogits: boolean,
    forked: boolean,
    requestId: string,
  ): SequenceState {
    if (known.has(id)) throw new InvalidRequestError(`sequence ${id} exists already`, 'id', id);
    if (tokenIds.length === 0)
      throw new InvalidRequestError('a sequence needs at least one token', 'promptTokenIds', tokenIds);
    if (!Number.isSafeInteger(maxNewTokens) || maxNewTokens < 0) {
      throw new InvalidRequestError(
        `maxNewTokens must be a non-negative integer, not ${maxNewTokens}`,
        'maxNewTokens',
        maxNewTokens,
      );
    }
    if (tokenIds.length + maxNewTokens > limitTokens) {
      throw new ContextLengthError(tokenIds.length, maxNewTokens, limitTokens);
    }
    return createSequenceState({
      id,
      requestId,
      tokenIds,
      memory: memory.open(tokenIds, salt, tokenIds.length + maxNewTokens, id),
      maxNewTokens,
      wantsPromptLogits,
      forked,
    });
  }

  function checkCapacity(count: number): void {
    if (waiting.count + count > maxQueuedRequests) throw new QueueFullError(waiting.count, maxQueuedRequests);
  }

  /** Forgets a sequence that ended. */
  function end(sequence: SequenceState): void {
    sequence.ended = true;
    known.delete(sequence.id);
    if (sequence.running) running.splice(running.indexOf(sequence), 1);
    else waiting.remove(sequence);
    growth.forfeit(sequence);
    memory.release(sequence.memory);
  }

  function takeInFlight(plan: StepPlan): readonly Share[] {
    if (inFlight === null || inFlight.plan !== plan) {
      throw new IntegrityError(`step ${plan.stepIndex} is not the step in flight`);
    }
    return inFlight.shares;
  }

  /** The step before it is completed. */
  function beginNext(): void {
    inFlight = next;
    next = null;
    if (inFlight === null) return;
    overlappedSteps++;
    for (const { sequence } of inFlight.shares) {
      if (sequence.ended) continue;
      sequence.planned = true;
      if (!memory.reserve(sequence.memory, 1)) {
        throw new IntegrityError(`sequence ${sequence.id} could not reserve the token that it was prepared for`);
      }
    }
    headroom.observe(steps, 0, memory.refaults - seenRefaults);
    seenRefaults = memory.refaults;
    events.scheduled(inFlight.plan, running.length, waiting, inFlight.shares);
  }

  return {
    get runningCount() {
      return running.length;
    },
    get waitingCount() {
      return waiting.count;
    },
    get counters() {
      const { preemptions } = runningShares;
      return {
        ...growth.counters,
        steps,
        overlappedSteps,
        computedTokens,
        lookedUpPromptTokens,
        cachedPromptTokens,
        preemptions,
        generatedTokens,
      };
    },

    checkCapacity,

    add(request: SequenceRequest) {
      const { id, promptTokenIds, salt, maxNewTokens, wantsPromptLogits } = request;
      const tokenIds = request.handsOverTokenIds ? (promptTokenIds as number[]) : [...promptTokenIds];
      const requestId = request.requestId ?? String(id);
      const sequence = newSequence(id, tokenIds, salt, maxNewTokens, wantsPromptLogits, false, requestId);
      checkCapacity(1);
      known.set(id, sequence);
      waiting.pushBack(sequence);
      events.added(sequence);
    },

    fork(parentId, childId, { maxNewTokens, replaceLastTokenId, exempt, requestId }) {
      const parent = known.get(parentId);
      if (parent === undefined) throw new InvalidRequestError(`no sequence ${parentId} to fork`, 'parentId', parentId);
      const tokenIds = [...parent.tokenIds];
      if (replaceLastTokenId !== undefined) tokenIds[tokenIds.length - 1] = replaceLastTokenId;
      const { salt } = parent.memory;
      const name = requestId ?? parent.requestId;
      const child = newSequence(childId, tokenIds, salt, maxNewTokens, false, true, name);
      // Far behind in its prompt, the parent computes it once and the child hits the cache.
      const isCaughtUp = tokenIds.length - parent.memory.computedTokens <= blockSize;
      const canRun =
        running.length < maxRunning &&
        // The next step writes on in the block that would be shared.
        parent.memory.preparedTokens === 0 &&
        (isCaughtUp || !memory.enablePrefixCaching) &&
        memory.usage().freeBlocks > watermark();
      if (canRun && memory.fork(parent.memory, child.memory, tokenIds.length - 1)) {
        child.running = true;
        child.hasRun = true;
        running.push(child);
        growth.reserve(child);
      } else {
        if (!exempt) checkCapacity(1);
        waiting.pushAfterHead(child);
      }
      known.set(childId, child);
      events.forked(parent, child);
      check();
    },

    cancel(id) {
      const sequence = known.get(id);
      if (sequence === undefined) return;
      sequence.cancelled = true;
      events.cancelled(sequence);
      end(sequence);
      check();
    },

    schedule() {
      if (inFlight !== null) throw new IntegrityError(`step ${inFlight.plan.stepIndex} is still in flight`);
      if (running.length + waiting.count === 0) return null;
      sink.step = steps;
      step.begin();
      admission.begin();
      runningShares.begin();
      // Those that need one token go first: a chunk of prompt never stalls decoding.
      const byAdmission = [...running];
      for (const sequence of byAdmission) if (tokensToCatchUp(sequence) === 1) runningShares.schedule(sequence);
      const { promptTokensBesideDecoding } = options;
      if (step.shares.length > 0 && promptTokensBesideDecoding) {
        step.limitPromptTokens(Math.max(1, promptTokensBesideDecoding(step.shares.length)));
      }
      for (const sequence of byAdmission) {
        if (sequence.running && !sequence.planned && tokensToCatchUp(sequence) > 1) runningShares.schedule(sequence);
      }
      const { preempted } = runningShares;
      // Memory taken from a victim is for those that run: admitting in the same step would start a storm.
      if (preempted.length === 0) admission.admitWaiting();
      const { shares } = step;
      if (shares.length === 0) {
        // Whoever waits for pages says when they are there, and memory that fills and holds have will be given back. What was
        // preempted in vain waits with them.
        if (admission.pagingCount > 0 || memory.openFillCount > 0) return null;
        throw new IntegrityError(`nothing can run of ${running.length} running and ${waiting.count} waiting sequences`);
      }
      const { refaults } = memory;
      headroom.observe(steps, preempted.length, refaults - seenRefaults);
      seenRefaults = refaults;
      memory.relocate();
      const plan: StepPlan = { stepIndex: steps, ...step.finish(), admitted: admission.admitted, preempted };
      inFlight = { plan, shares };
      events.scheduled(plan, running.length, waiting, shares);
      check(plan);
      return plan;
    },

    scheduleNext() {
      if (inFlight === null || next !== null) return null;
      next = planNextStep(inFlight.plan, inFlight.shares, { memory, running, waiting, step, quota, maxRunning });
      check(next?.plan);
      return next?.plan ?? null;
    },

    complete(plan, sampled) {
      const done = takeInFlight(plan);
      const tokens = new Map(sampled.map((entry) => [entry.id, entry]));
      plan.sequences.forEach(({ id, samples }, i) => {
        if (samples && !done[i].sequence.ended && !tokens.has(id)) {
          throw new IntegrityError(`step ${plan.stepIndex}: sequence ${id} samples, but no token was given`);
        }
      });
      for (const { id, cachedTokens } of plan.admitted) {
        const sequence = known.get(id);
        if (sequence === undefined || sequence.hasRun || sequence.forked) continue;
        lookedUpPromptTokens += sequence.tokenIds.length;
        cachedPromptTokens += cachedTokens;
      }
      memory.commit();
      inFlight = null;
      steps++;
      computedTokens += plan.bindings.tokenCount;
      let picks = 0;
      for (const entry of sampled) picks += entry.picks ?? 1;
      generatedTokens += picks;
      events.completed(plan, done, picks);
      sink.step = steps;
      plan.sequences.forEach(({ id, firstPosition, tokenCount, samples }, i) => {
        const { sequence } = done[i];
        sequence.planned = false;
        sequence.hasRun = true;
        if (sequence.ended) return;
        if (owesPromptRows(sequence)) {
          sequence.deliveredRows = Math.max(sequence.deliveredRows, firstPosition + tokenCount);
        }
        let isFinished = false;
        let reason: 'stop' | 'length' | 'computed' = 'computed';
        if (samples) {
          const { tokenId, finished, reason: given } = tokens.get(id)!;
          sequence.tokenIds.push(tokenId);
          sequence.generatedTokens++;
          isFinished = finished || sequence.generatedTokens === sequence.maxNewTokens;
          reason = given ?? (finished ? 'stop' : 'length');
        } else {
          isFinished = sequence.memory.computedTokens === sequence.tokenIds.length;
        }
        if (!isFinished) return;
        events.finished(sequence, reason);
        end(sequence);
      });
      beginNext();
      check();
    },

    abort(plan) {
      const undone = takeInFlight(plan);
      memory.rollback();
      inFlight = null;
      next = null;
      events.aborted(undone);
      for (let i = undone.length - 1; i >= 0; i--) {
        const { sequence, admitted: wasAdmitted } = undone[i];
        sequence.planned = false;
        if (!wasAdmitted || sequence.ended) continue;
        running.splice(running.indexOf(sequence), 1);
        growth.release(sequence);
        sequence.running = false;
        sequence.waitCause = 'queue';
        waiting.pushFront(sequence);
      }
      check();
    },

    describe() {
      return [...known.values()].map((sequence) => ({
        id: sequence.id,
        requestId: sequence.requestId,
        waitCause: sequence.running ? null : sequence.waitCause,
        state: sequence.running ? ('running' as const) : ('waiting' as const),
        computedTokens: sequence.memory.computedTokens,
        totalTokens: sequence.tokenIds.length,
        blocks: memory.blocksOf(sequence.memory),
      }));
    },

    ending() {
      const ended = inFlight?.shares.filter(({ sequence }) => sequence.ended && sequence.memory.row !== -1) ?? [];
      return ended.map(({ sequence: { id, requestId, tokenIds } }) => ({
        id,
        requestId,
        totalTokens: tokenIds.length,
      }));
    },
  };
}
