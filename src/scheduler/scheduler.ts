// The scheduler: which tokens run in each step.

import { ContextLengthError, IntegrityError, InvalidRequestError, QueueFullError } from '../errors/index.ts';
import { createSilentSink, type EventSink, type WaitCause } from '../events/index.ts';
import type { CacheReport, KvMemory, PrefixMatch } from '../memory/index.ts';
import { checkPlan } from './check-plan.ts';
import { createGrowthReserve } from './growth-reserve.ts';
import { createHeadroom, type HeadroomChange } from './headroom.ts';
import {
  createWaitingQueue,
  isSampled,
  outputRowCount,
  owesPromptRows,
  type SequenceState,
  tokensToCatchUp,
} from './sequence.ts';
import { createStepBatch } from './step-batch.ts';
import { createStepEvents } from './step-events.ts';
import { createTenantQuota } from './tenant-quota.ts';
import type { ScheduledSequence, Scheduler, SequenceRequest, StepPlan } from './types.ts';

export interface SchedulerOptions {
  readonly memory: KvMemory;
  /** Sequences that run at once; at most the memory's rows. */
  readonly maxNumSeqs: number;
  /** Token budget of a step. */
  readonly maxNumBatchedTokens: number;
  /** Output rows of a step. */
  readonly maxOutputs: number;
  /** Longest sequence in tokens, prompt and new ones together. */
  readonly maxModelLen: number;
  /** Requests that may wait. */
  readonly maxQueuedRequests: number;
  /**
   * Blocks that admission leaves free for running sequences to grow into, beside those for their tokens known now.
   * Defaults to a hundredth of the pool plus one for each running sequence, and more of the pool after preemptions (see
   * `adaptsHeadroom`); fewer run more sequences and preempt more.
   */
  readonly watermarkBlocks?: number;
  /** Whether the share of the pool that admission leaves free grows with preemptions and falls in calm. Defaults to true. */
  readonly adaptsHeadroom?: boolean;
  readonly onHeadroomChange?: (change: HeadroomChange) => void;
  /**
   * Admission leaves room for what running requests and the new one are expected to generate: the quantile, from 0 to 1, of lengths that were seen
   * lately, given what each has generated; 1 is all that they may. Defaults to 0: none.
   */
  readonly growthQuantile?: number;
  /** Blocks that the sequences of one salt (a tenant) may hold together; a block that several of them share counts once for each. Defaults to no limit. */
  readonly tenantQuotaBlocks?: number;
  /**
   * Prompt tokens that a step may compute while it also decodes, asked once for each step; at least 1. Defaults to what
   * is left of the token budget.
   */
  readonly promptTokensBesideDecoding?: () => number;
  /** Called when a sequence that waited for pages may run: `schedule` may have returned null for want of it. */
  readonly onPagesReady?: () => void;
  /** Who is told what is scheduled: the memory's. Defaults to nobody. */
  readonly events?: EventSink;
  /** Check the plan and every invariant of the memory after each change (slow). Defaults to false. */
  readonly checkIntegrity?: boolean;
}

/** Throws InvalidRequestError for limits that are not positive integers or exceed the memory's rows or width. */
export function createScheduler(options: SchedulerOptions): Scheduler {
  const { memory, maxNumSeqs, maxNumBatchedTokens, maxOutputs, maxModelLen, maxQueuedRequests } = options;
  checkOptions(options);
  const { blockSize } = memory;
  const blockCount = memory.usage().blockCount;
  const longestTokens = Math.min(maxModelLen, memory.longestSequenceTokens);
  const quotaBlocks = options.tenantQuotaBlocks ?? Number.POSITIVE_INFINITY;
  const limitTokens =
    memory.blocksFor(longestTokens) <= quotaBlocks ? longestTokens : Math.min(longestTokens, quotaBlocks * blockSize);
  // Each running sequence gets a token and an output row in every step, so that none starves.
  const maxRunning = Math.min(maxNumSeqs, maxNumBatchedTokens, maxOutputs);
  const planLimits = { maxNumSeqs, maxNumBatchedTokens, maxOutputs, blockSize };
  const batch = createStepBatch(memory, { maxTokens: maxNumBatchedTokens, maxSequences: maxNumSeqs, maxOutputs });

  const known = new Map<number, SequenceState>();
  const waiting = createWaitingQueue();
  /** In the order of admission: the last one is the first victim. */
  const running: SequenceState[] = [];
  let inFlight: { readonly plan: StepPlan; readonly shares: readonly Share[] } | null = null;

  interface Share {
    readonly sequence: SequenceState;
    readonly admitted: boolean;
  }
  /** Of the step being planned. */
  let shares: Share[] = [];
  let scheduled: ScheduledSequence[] = [];
  let admitted: { id: number; cachedTokens: number; resumed: boolean; cache: CacheReport }[] = [];
  let preempted: number[] = [];
  /** Tokens of prompts that it may still take. */
  let promptTokensLeft = Number.POSITIVE_INFINITY;

  let steps = 0;
  let computedTokens = 0;
  let lookedUpPromptTokens = 0;
  let cachedPromptTokens = 0;
  let preemptions = 0;
  let generatedTokens = 0;
  let pagingCount = 0;
  let seenRefaults = 0;

  /** Blocks that a running sequence will need for the tokens known now. */
  const missingBlocks = ({ tokenIds, memory: held }: SequenceState): number =>
    Math.max(0, memory.blocksFor(tokenIds.length) - memory.heldBlocks(held));
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
    return {
      id,
      requestId,
      tokenIds,
      memory: memory.open(tokenIds, salt, tokenIds.length + maxNewTokens, id),
      promptTokens: tokenIds.length,
      maxNewTokens,
      wantsPromptLogits,
      forked,
      generatedTokens: 0,
      deliveredRows: 0,
      running: false,
      cancelled: false,
      hasRun: false,
      planned: false,
      waitCause: 'queue',
      paging: false,
      paged: false,
      atHead: false,
      next: null,
      previous: null,
    };
  }

  function checkCapacity(count: number): void {
    if (waiting.count + count > maxQueuedRequests) throw new QueueFullError(waiting.count, maxQueuedRequests);
  }

  /** How many tokens from `firstPosition` on fit what is left of the token budget and of the output rows. */
  function shareFor(sequence: SequenceState, firstPosition: number): number {
    const budget = maxNumBatchedTokens - batch.tokenCount;
    const outputs = maxOutputs - batch.outputCount;
    const missing = sequence.tokenIds.length - firstPosition;
    const count = Math.min(missing, budget, missing > 1 ? promptTokensLeft : 1);
    const excess = outputRowCount(sequence, firstPosition, count) - outputs;
    return excess > 0 ? count - excess : count;
  }

  function addShare(sequence: SequenceState, isAdmitted: boolean): void {
    const { computedTokens: first, scheduledTokens: count } = sequence.memory;
    if (sequence.tokenIds.length - first > 1) promptTokensLeft -= count;
    sequence.planned = true;
    shares.push({ sequence, admitted: isAdmitted });
    scheduled.push(batch.add(sequence, outputRowCount(sequence, first, count), isSampled(sequence, first + count)));
  }

  /**
   * Takes the memory of a sequence admitted after `sequence` that has no share yet: the one that loses the fewest computed tokens
   * (blocks that others hold too stay), among equals the one admitted last. With `salt`, only one of that tenant. False if there is none.
   */
  function preemptBehind(sequence: SequenceState, salt: string | null = null): boolean {
    let victim: SequenceState | null = null;
    let leastLost = Number.POSITIVE_INFINITY;
    for (let i = running.length - 1; running[i] !== sequence; i--) {
      const other = running[i];
      if (other.planned || (salt !== null && other.memory.salt !== salt)) continue;
      const lost = memory.exclusiveBlocks(other.memory);
      // Nothing to gain from one whose blocks others all hold, unless it is the only one.
      const cost = lost === 0 ? Number.MAX_SAFE_INTEGER : lost;
      if (cost < leastLost) {
        victim = other;
        leastLost = cost;
      }
    }
    if (victim === null) return false;
    victim.waitCause = salt === null ? 'blocks' : 'quota';
    events.preempted(victim, sequence, leastLost === Number.MAX_SAFE_INTEGER ? 0 : leastLost);
    memory.release(victim.memory);
    running.splice(running.indexOf(victim), 1);
    growth.release(victim);
    victim.running = false;
    waiting.pushFront(victim);
    preemptions++;
    preempted.push(victim.id);
    return true;
  }

  /**
   * Gives a running sequence its share. Where memory is short it takes fewer tokens, then the memory of later ones; and where
   * those have their share already it keeps what it has and sits this step out, since they will end or need memory themselves.
   */
  function scheduleRunning(sequence: SequenceState): void {
    const wanted = shareFor(sequence, sequence.memory.computedTokens);
    if (wanted < 1) return;
    const { salt } = sequence.memory;
    let quotaRoom = quota.room(sequence, blockSize);
    let room = Math.min(memory.room(sequence.memory), quotaRoom);
    while (room < 1) {
      if (!preemptBehind(sequence, quotaRoom < 1 ? salt : null)) return;
      quotaRoom = quota.room(sequence, blockSize);
      room = Math.min(memory.room(sequence.memory), quotaRoom);
    }
    const count = Math.min(wanted, room);
    if (!memory.reserve(sequence.memory, count)) {
      throw new IntegrityError(`sequence ${sequence.id} could not reserve ${count} tokens, with room for them`);
    }
    addShare(sequence, false);
  }

  /**
   * Whether a running sequence computes, in later steps, the block that `sequence` lacks next. Then waiting costs less than
   * computing it twice. Happens only where a prompt is held back by something other than the token budget, or was forked.
   */
  function isBeingComputed(sequence: SequenceState, match: PrefixMatch): boolean {
    if (!memory.enablePrefixCaching) return false;
    const end = (match.wholeBlocks.length + 1) * blockSize;
    if (end >= sequence.tokenIds.length) return false;
    return running.some(
      (other) =>
        other.memory.salt === sequence.memory.salt &&
        other.tokenIds.length >= end &&
        other.memory.computedTokens + other.memory.scheduledTokens < end &&
        startsAlike(other.tokenIds, sequence.tokenIds, end),
    );
  }

  /** Starts to bring in pages of a waiting sequence that the tiers have. True if it now waits for them. */
  function pageIn(
    sequence: SequenceState,
    match: PrefixMatch,
    limit: number,
    spareBlocks: number,
    ahead: boolean,
  ): boolean {
    if (sequence.paged) return false;
    const load = memory.pageIn(sequence.memory, match, limit, spareBlocks, ahead);
    if (load === null) return false;
    sequence.paging = true;
    sequence.paged = true;
    if (!ahead) events.waits(sequence, 'pages');
    pagingCount++;
    void load.then(() => {
      sequence.paging = false;
      pagingCount--;
      options.onPagesReady?.();
    });
    return true;
  }

  /** Reads ahead for those who will be admitted next. */
  function readAhead(spareBlocks: number): void {
    let left = memory.readaheadLimit;
    for (let sequence = waiting.head; sequence !== null && left > 0; sequence = sequence.next) {
      left--;
      if (sequence.paging || sequence.paged || owesPromptRows(sequence)) continue;
      const limit = sequence.tokenIds.length - 1;
      pageIn(sequence, memory.match(sequence.memory, limit, false), limit, spareBlocks, true);
    }
  }

  function admitWaiting(): void {
    let promisedBlocks = 0;
    let claimedBlocks = 0;
    for (const sequence of running) {
      promisedBlocks += missingBlocks(sequence);
      claimedBlocks += growth.claimOf(sequence);
    }
    let sequence = waiting.head;
    while (sequence !== null && running.length < maxRunning && batch.tokenCount < maxNumBatchedTokens) {
      const next: SequenceState | null = sequence.next;
      if (sequence.paging) {
        events.waits(sequence, 'pages');
        sequence = next;
        continue;
      }
      const limit = owesPromptRows(sequence) ? sequence.deliveredRows : sequence.tokenIds.length - 1;
      const match = memory.match(sequence.memory, limit);
      if (!owesPromptRows(sequence) && isBeingComputed(sequence, match)) {
        events.waits(sequence, 'prefix');
        sequence = next;
        continue;
      }
      // Others are not held up by a tenant that has used up its quota.
      if (!quota.admits(sequence.memory.salt, memory.blocksFor(sequence.tokenIds.length))) {
        events.waits(sequence, 'quota');
        sequence = next;
        continue;
      }
      const isFirst = running.length === 0;
      const ownClaim = growth.claimOf(sequence);
      const spareBlocks = isFirst ? 0 : promisedBlocks + Math.max(watermark(), claimedBlocks + ownClaim);
      if (!owesPromptRows(sequence) && pageIn(sequence, match, limit, spareBlocks, false)) {
        sequence = next;
        continue;
      }
      let isAdmitted = admit(sequence, match, limit, spareBlocks);
      if (!isAdmitted && isFirst && match.copySource !== -1) {
        isAdmitted = admit(sequence, memory.match(sequence.memory, limit, false), limit, spareBlocks);
      }
      if (!isAdmitted) {
        events.waits(sequence, missingFor(sequence, match));
        sequence = next;
        break;
      }
      promisedBlocks += missingBlocks(sequence);
      claimedBlocks += ownClaim;
      sequence = next;
    }
    events.queued(sequence);
    if (memory.readaheadLimit > 0 && waiting.count > pagingCount) readAhead(promisedBlocks + watermark());
  }

  /** Why a sequence was not admitted whose turn it was. */
  function missingFor(sequence: SequenceState, match: PrefixMatch): WaitCause {
    if (shareFor(sequence, match.cachedTokens) < 1) return 'queue';
    const missing = sequence.tokenIds.length - match.cachedTokens;
    return memory.room(sequence.memory, match) < missing ? 'blocks' : 'headroom';
  }

  function admit(sequence: SequenceState, match: PrefixMatch, limit: number, spareBlocks: number): boolean {
    const room = memory.room(sequence.memory, match, spareBlocks);
    const count = Math.min(shareFor(sequence, match.cachedTokens), room);
    if (count < 1) return false;
    const laterBlocks = memory.blocksFor(sequence.tokenIds.length) - memory.blocksFor(match.cachedTokens + count);
    const cache = memory.explainMatch(sequence.memory, match, limit);
    if (!memory.reserve(sequence.memory, count, match, spareBlocks + laterBlocks)) return false;
    waiting.remove(sequence);
    sequence.running = true;
    sequence.paged = false;
    running.push(sequence);
    growth.reserve(sequence);
    admitted.push({ id: sequence.id, cachedTokens: match.cachedTokens, resumed: sequence.hasRun, cache });
    events.admitted(sequence, match, cache, running);
    addShare(sequence, true);
    return true;
  }

  /** Forgets a sequence that ended. */
  function end(sequence: SequenceState): void {
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

  return {
    get runningCount() {
      return running.length;
    },
    get waitingCount() {
      return waiting.count;
    },
    get counters() {
      return {
        ...growth.counters,
        steps,
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
      batch.reset();
      shares = [];
      scheduled = [];
      admitted = [];
      preempted = [];
      // Those that need one token go first: a chunk of prompt never stalls decoding.
      const byAdmission = [...running];
      promptTokensLeft = Number.POSITIVE_INFINITY;
      for (const sequence of byAdmission) if (tokensToCatchUp(sequence) === 1) scheduleRunning(sequence);
      const { promptTokensBesideDecoding } = options;
      if (shares.length > 0 && promptTokensBesideDecoding) promptTokensLeft = Math.max(1, promptTokensBesideDecoding());
      for (const sequence of byAdmission) {
        if (sequence.running && !sequence.planned && tokensToCatchUp(sequence) > 1) scheduleRunning(sequence);
      }
      // Memory taken from a victim is for those that run: admitting in the same step would start a storm.
      if (preempted.length === 0) admitWaiting();
      if (shares.length === 0) {
        // Whoever waits for pages says when they are there, and memory that fills and holds have will be given back. What was
        // preempted in vain waits with them.
        if (pagingCount > 0 || memory.openFillCount > 0) return null;
        throw new IntegrityError(`nothing can run of ${running.length} running and ${waiting.count} waiting sequences`);
      }
      const { refaults } = memory;
      headroom.observe(steps, preempted.length, refaults - seenRefaults);
      seenRefaults = refaults;
      memory.relocate();
      const plan: StepPlan = { stepIndex: steps, sequences: scheduled, bindings: batch.finish(), admitted, preempted };
      inFlight = { plan, shares };
      events.scheduled(plan, running.length, waiting);
      check(plan);
      return plan;
    },

    complete(plan, sampled) {
      const done = takeInFlight(plan);
      const tokens = new Map(sampled.map((entry) => [entry.id, entry]));
      plan.sequences.forEach(({ id, samples }, i) => {
        if (samples && !done[i].sequence.cancelled && !tokens.has(id)) {
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
        if (sequence.cancelled) return;
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
      check();
    },

    abort(plan) {
      const undone = takeInFlight(plan);
      memory.rollback();
      inFlight = null;
      events.aborted(undone);
      for (let i = undone.length - 1; i >= 0; i--) {
        const { sequence, admitted: wasAdmitted } = undone[i];
        sequence.planned = false;
        if (!wasAdmitted || sequence.cancelled) continue;
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
  };
}

function startsAlike(a: readonly number[], b: readonly number[], count: number): boolean {
  for (let i = 0; i < count; i++) if (a[i] !== b[i]) return false;
  return true;
}

function checkOptions(options: SchedulerOptions): void {
  for (const name of ['maxNumSeqs', 'maxNumBatchedTokens', 'maxOutputs', 'maxModelLen', 'maxQueuedRequests'] as const) {
    const value = options[name];
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new InvalidRequestError(`${name} must be a positive integer, not ${value}`, name, value);
    }
  }
  if (options.maxNumSeqs > options.memory.maxNumSeqs) {
    throw new InvalidRequestError(
      `maxNumSeqs is ${options.maxNumSeqs}, but the memory has rows for ${options.memory.maxNumSeqs}`,
      'maxNumSeqs',
      options.maxNumSeqs,
    );
  }
}
