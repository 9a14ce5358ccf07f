// One life of a server: the real scheduler, memory and tiers, and a step loop like the engine's, over simulated time and disk.

import { createKvMemory, type EvictionPolicyName, type KvMemory } from '../../memory/index.ts';
import { createScheduler, type SampledToken, type Scheduler, type StepPlan } from '../../scheduler/index.ts';
import {
  type BuffersInUse,
  createHostTier,
  createTierStack,
  type EvictionHandler,
  guardTier,
  openFileTier,
  type Page,
  type PageKey,
  type Tier,
  type TierFiles,
  type TierStack,
} from '../../tiers/index.ts';
import { createStubExecutor } from './stub-model.ts';
import type { VirtualTime } from './virtual-time.ts';

export interface ServerSettings {
  readonly blockSize: number;
  readonly blockCount: number;
  readonly maxModelLen: number;
  readonly maxNumSeqs: number;
  readonly maxNumBatchedTokens: number;
  readonly maxOutputs: number;
  readonly maxQueuedRequests: number;
  readonly watermarkBlocks: number | undefined;
  readonly promptTokensBesideDecoding: number | undefined;
  readonly evictionPolicy: EvictionPolicyName;
  /** Pages that fit into each tier; 0: it is not there. */
  readonly hostPages: number;
  readonly filePages: number;
  readonly stagingPages: number;
  /** Null: unknown, always load. */
  readonly recomputeTokenMs: number | null;
  readonly stepMs: number;
  readonly tokenMs: number;
  /** Steps from one check of every invariant to the next. */
  readonly checkEverySteps: number;
  /** Whether the scheduler checks its plans and all invariants after each of its verbs, too. */
  readonly checksVerbs: boolean;
}

export interface ServerContext {
  readonly time: VirtualTime;
  readonly files: TierFiles;
  readonly random: () => number;
  readonly log: (line: string) => void;
  readonly stepFails: () => boolean;
  /** Gets the keys of all pages that are offered to the tiers. */
  readonly keys: Set<PageKey>;
  readonly onToken: (id: number, tokenId: number, isLast: boolean) => void;
  /** A failed step takes its requests with it, as the engine does. */
  readonly onFailed: (id: number) => void;
  /** Something that cannot happen did: the run is over. */
  readonly onBreak: (error: unknown) => void;
}

export interface ServerProcess {
  readonly memory: KvMemory;
  readonly scheduler: Scheduler;
  readonly stack: TierStack | null;
  /** `maxNewTokens` may be 0: then the request ends, with no token, when its prompt is computed. Throws like the scheduler. */
  add(id: number, promptTokenIds: readonly number[], maxNewTokens: number, salt: string, logits: boolean): void;
  fork(parentId: number, childId: number, maxNewTokens: number, salt: string, replaceLastTokenId?: number): void;
  cancel(id: number): void;
  /** It is dead: whatever it still does concerns nobody. */
  die(): void;
  /** Lets go of everything in order, as the engine does at its end. */
  close(savesAll: boolean): Promise<void>;
}

const FOLDER = '/pages';
const SECTOR_BYTES = 4096;
/** Of the file tier's budget, for its index. */
const INDEX_BYTES = 65_536;

export const fileBudgetBytes = ({ filePages }: ServerSettings): number => filePages * SECTOR_BYTES + INDEX_BYTES;

async function openStack(
  settings: ServerSettings,
  { time, files, log }: ServerContext,
  pageBytes: number,
): Promise<TierStack | null> {
  const { hostPages, filePages } = settings;
  const clock = { now: () => time.nowMs };
  const onEvent = ({ tier, kind, message }: { tier: string; kind: string; message: string }) =>
    log(`${tier} ${kind}: ${message}`);
  const makers: ((onEvict: EvictionHandler | undefined) => Tier)[] = [];
  if (hostPages > 0) {
    makers.push((onEvict) => createHostTier({ pageBytes, budgetBytes: hostPages * SECTOR_BYTES, clock, onEvict }));
  }
  if (filePages > 0) {
    const file = await openFileTier({
      folder: FOLDER,
      files,
      clock,
      pageBytes,
      budgetBytes: fileBudgetBytes(settings),
      identity: 'simulation',
      segmentBytes: 16 * SECTOR_BYTES,
      growthBytes: 4 * SECTOR_BYTES,
      transferBytes: 3 * SECTOR_BYTES,
      inFlightLimit: 3,
      onEvent,
    });
    makers.push(() => guardTier(file, { clock, after: time.after, slowMs: 2000, writeLimitMs: 1000, onEvent }));
  }
  return makers.length === 0 ? null : createTierStack({ clock, tiers: makers });
}

/** Throws TierFolderError if the disk does not let it start. */
export async function startServer(settings: ServerSettings, context: ServerContext): Promise<ServerProcess> {
  const { blockCount, blockSize, maxModelLen, recomputeTokenMs, promptTokensBesideDecoding } = settings;
  const { time, random, log } = context;
  const executor = createStubExecutor(blockCount, blockSize);
  const stack = await openStack(settings, context, executor.pageBytes);
  const put = (pages: readonly Page[], inUse?: BuffersInUse) => {
    for (const { key } of pages) context.keys.add(key);
    return stack!.put(pages, inUse);
  };
  const place = (key: PageKey, write: (into: Uint8Array) => void) => {
    const isPlaced = stack!.place!(key, write);
    if (isPlaced) context.keys.add(key);
    return isPlaced;
  };
  const memory = createKvMemory({
    ...settings,
    maxBlocksPerSequence: Math.ceil(maxModelLen / blockSize),
    tiers: stack && {
      tier: Object.create(stack, { put: { value: put }, place: { value: place } }) as Tier,
      bytes: executor,
      now: () => time.nowMs,
      after: time.after,
      stagingPages: settings.stagingPages,
      recomputeMs: (tokenCount) => (recomputeTokenMs === null ? null : tokenCount * recomputeTokenMs),
    },
  });
  const salts = new Map<number, string>();
  /** New tokens that each sequence still gets. */
  const remaining = new Map<number, number>();
  let inFlight: StepPlan | null = null;
  let isAlive = true;
  let isClosing = false;
  let wakesOnEnd: (() => void) | null = null;
  let steps = 0;

  /** Runs what may only fail because of a bug. */
  function trusted(action: () => void): void {
    try {
      action();
    } catch (error) {
      context.onBreak(error);
    }
  }

  const scheduler = createScheduler({
    ...settings,
    memory,
    promptTokensBesideDecoding: () => promptTokensBesideDecoding ?? Number.POSITIVE_INFINITY,
    onPagesReady: () => trusted(wake),
    checkIntegrity: settings.checksVerbs,
  });

  /** Content of blocks that nobody holds and the cache does not know may change at any time. */
  function poisonFree(): void {
    const { references, cached } = memory.blockMap();
    references.forEach((count, block) => {
      if (count === 0 && !cached[block]) executor.poison(block);
    });
  }

  function wake(): void {
    if (!isAlive || isClosing || inFlight !== null) return;
    const plan = scheduler.schedule();
    if (plan === null) return;
    inFlight = plan;
    poisonFree();
    const shares = plan.sequences.map(({ id, firstPosition, tokenCount }) => `${id}:${firstPosition}+${tokenCount}`);
    log(
      `step ${plan.stepIndex}: ${shares.join(' ')}${plan.preempted.length > 0 ? ` preempts ${plan.preempted.join(' ')}` : ''}`,
    );
    const fails = context.stepFails();
    // A backend reads and writes at any time between the two: here at once, or at the end.
    const runsAtOnce = random() < 0.5;
    const run = () => (fails ? executor.fail(plan) : executor.execute(plan, (id) => salts.get(id)!));
    let sampled = runsAtOnce ? run() : null;
    memory.reclaim();
    const takesMs = settings.stepMs + plan.bindings.tokenCount * settings.tokenMs;
    time.after(takesMs * (0.5 + random()), () => {
      if (!isAlive) return;
      trusted(() => {
        sampled ??= runsAtOnce ? null : (run() ?? null);
        inFlight = null;
        if (fails) failStep(plan);
        else commitStep(plan, sampled!);
        if (++steps % settings.checkEverySteps === 0) memory.checkIntegrity();
        poisonFree();
        wakesOnEnd?.();
        wake();
      });
    });
  }

  function failStep(plan: StepPlan): void {
    log(`step ${plan.stepIndex} fails`);
    scheduler.abort(plan);
    // Half of the time they simply go on.
    if (random() < 0.5) return;
    for (const { id } of plan.sequences) {
      if (!remaining.has(id)) continue;
      cancel(id);
      context.onFailed(id);
    }
  }

  function commitStep(plan: StepPlan, sampledBySequence: readonly { tokenId: number; finished: boolean }[]): void {
    const sampled: SampledToken[] = [];
    const events: (() => void)[] = [];
    plan.sequences.forEach(({ id, samples, firstPosition, tokenCount }, s) => {
      const left = remaining.get(id);
      if (left === undefined) return;
      if (!samples) {
        const isPromptDone = left === 0 && firstPosition + tokenCount === promptTokens.get(id);
        if (!isPromptDone) return;
        forget(id);
        events.push(() => context.onToken(id, -1, true));
        return;
      }
      const { tokenId, finished } = sampledBySequence[s];
      sampled.push({ id, tokenId, finished });
      const isLast = finished || left === 1;
      remaining.set(id, left - 1);
      if (isLast) forget(id);
      events.push(() => context.onToken(id, tokenId, isLast));
    });
    scheduler.complete(plan, sampled);
    for (const event of events) event();
  }

  const promptTokens = new Map<number, number>();

  function forget(id: number): void {
    remaining.delete(id);
    promptTokens.delete(id);
  }

  function track(id: number, salt: string, maxNewTokens: number, tokens: number): void {
    salts.set(id, salt);
    remaining.set(id, maxNewTokens);
    promptTokens.set(id, tokens);
    trusted(wake);
  }

  function cancel(id: number): void {
    forget(id);
    scheduler.cancel(id);
  }

  return {
    memory,
    scheduler,
    stack,
    add(id, promptTokenIds, maxNewTokens, salt, wantsPromptLogits) {
      scheduler.add({ id, promptTokenIds, maxNewTokens, salt, wantsPromptLogits });
      track(id, salt, maxNewTokens, promptTokenIds.length);
    },
    fork(parentId, childId, maxNewTokens, salt, replaceLastTokenId) {
      scheduler.fork(parentId, childId, { maxNewTokens, replaceLastTokenId });
      track(childId, salt, maxNewTokens, -1);
    },
    cancel(id) {
      cancel(id);
      trusted(wake);
    },
    die() {
      isAlive = false;
    },
    async close(savesAll) {
      isClosing = true;
      if (inFlight !== null) await new Promise<void>((resolve) => (wakesOnEnd = resolve));
      for (const id of [...remaining.keys()]) cancel(id);
      await memory.settled();
      if (savesAll) await memory.pageOutAll();
      memory.checkIntegrity();
      const { freeBlocks, referencedBlocks } = memory.usage();
      if (freeBlocks !== blockCount || referencedBlocks !== 0) {
        throw new Error(`${referencedBlocks} blocks are held by nobody, ${freeBlocks} of ${blockCount} are free`);
      }
      if (scheduler.runningCount + scheduler.waitingCount > 0) throw new Error('sequences are left');
      await stack?.close();
      isAlive = false;
    },
  };
}
