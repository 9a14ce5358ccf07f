// One life of a server: the real scheduler, memory and tiers, and a step loop like the engine's, over simulated time and disk.

import { createPrefixPins, type PrefixPins } from '../../engine/prefix-pins.ts';
import { createSessions, type Sessions } from '../../engine/session.ts';
import { EngineClosedError } from '../../errors/index.ts';
import {
  type AllocatorName,
  createHybridMemory,
  createKvMemory,
  type EvictionPolicyName,
  type KvMemory,
  type KvMemoryOptions,
  type NumaTopology,
} from '../../memory/index.ts';
import { createScheduler, type SampledToken, type Scheduler, type StepPlan } from '../../scheduler/index.ts';
import {
  type BuffersInUse,
  createHostTier,
  createTierStack,
  type EvictionHandler,
  guardTier,
  openFileTiers,
  type Page,
  type PageKey,
  type Tier,
  type TierFiles,
  type TierStack,
} from '../../tiers/index.ts';
import { createStubExecutor, type StubExecutor, type StubGroup } from './stub-model.ts';
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
  readonly growthQuantile: number;
  readonly promptTokensBesideDecoding: number | undefined;
  readonly evictionPolicy: EvictionPolicyName;
  readonly allocator: AllocatorName;
  readonly compactionBlocksPerStep: number;
  readonly placesBatchTogether: boolean;
  /** Nodes that the pool is spread over. */
  readonly numaNodes: number;
  readonly windowTokens: number | null;
  readonly sinkTokens: number;
  /** Cache groups beside the one that the three above are of. */
  readonly otherGroups: readonly StubGroup[];
  /** The host tier brings its colder pages into a smaller form. */
  readonly isHostCompressed: boolean;
  /** Pages of each cache group that fit into each tier; 0: it is not there. */
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
  /** Of each cache group; null without tiers. */
  readonly stacks: readonly TierStack[] | null;
  /** Saves and loads of conversations, as the engine does them. */
  readonly sessions: Sessions;
  readonly pins: Pick<PrefixPins, 'pin'>;
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
/** Words of a slot whose page has a smaller form. */
const WIDE_SLOT_WORDS = 32;
const CODEC_MS = 0.1;
const MIGRATED_BLOCKS = 2;
/** Of the file tier's budget, for its index. */
const INDEX_BYTES = 65_536;

/** Of the file tiers of all cache groups. */
export const fileBudgetBytes = (settings: ServerSettings): number =>
  groupsOf(settings).length * groupFileBytes(settings);

const groupFileBytes = ({ filePages }: ServerSettings): number => filePages * SECTOR_BYTES + INDEX_BYTES;

/** All cache groups. */
export const groupsOf = ({
  blockCount,
  windowTokens,
  sinkTokens,
  otherGroups,
}: ServerSettings): readonly StubGroup[] => [{ blockCount, windowTokens, sinkTokens }, ...otherGroups];

/** Nodes that are all as far from one another. */
const topologyOf = (count: number): NumaTopology => ({
  nodes: Array.from({ length: count }, (_, id) => ({ id, cpus: [id], memoryBytes: null })),
  distances: Array.from({ length: count }, (_, a) => Array.from({ length: count }, (_, b) => (a === b ? 10 : 20))),
});

/** Null without tiers. */
async function openStacks(
  settings: ServerSettings,
  { time, files, log }: ServerContext,
  { pools }: StubExecutor,
): Promise<readonly TierStack[] | null> {
  const { hostPages, filePages, isHostCompressed } = settings;
  if (hostPages + filePages === 0) return null;
  const clock = { now: () => time.nowMs };
  const onEvent = ({ tier, kind, message }: { tier: string; kind: string; message: string }) =>
    log(`${tier} ${kind}: ${message}`);
  const fileTiers =
    filePages === 0
      ? []
      : await openFileTiers(
          { folder: FOLDER, files, onEvent },
          pools.map(({ pageBytes }, group) => ({
            clock,
            pageBytes,
            budgetBytes: groupFileBytes(settings),
            identity: `simulation of group ${group}`,
            isLossy: isHostCompressed && hostPages > 0,
            segmentBytes: 16 * SECTOR_BYTES,
            growthBytes: 4 * SECTOR_BYTES,
            transferBytes: 3 * SECTOR_BYTES,
            inFlightLimit: 3,
          })),
        );
  return pools.map((pool, group) => {
    const { pageBytes } = pool;
    const codec = isHostCompressed ? pool.codec(() => time.sleep(CODEC_MS)) : null;
    const budgetBytes = hostPages * (isHostCompressed ? Math.ceil(pageBytes / 64) * 64 : SECTOR_BYTES);
    const makers: ((onEvict: EvictionHandler | undefined) => Tier)[] = [];
    if (hostPages > 0) {
      makers.push((onEvict) => createHostTier({ pageBytes, budgetBytes, clock, codec, hotShare: 0.2, onEvict }));
    }
    if (filePages > 0) {
      const guard = { clock, after: time.after, slowMs: 2000, writeLimitMs: 1000, onEvent };
      makers.push(() => guardTier(fileTiers[group], guard));
    }
    return createTierStack({ clock, tiers: makers });
  });
}

/** The same, with the keys of all pages that are offered to it noted. */
function withKeys(stack: TierStack, keys: Set<PageKey>): Tier {
  const put = (pages: readonly Page[], inUse?: BuffersInUse) => {
    for (const { key } of pages) keys.add(key);
    return stack.put(pages, inUse);
  };
  const place = (key: PageKey, write: (into: Uint8Array) => void) => {
    const isPlaced = stack.place!(key, write);
    if (isPlaced) keys.add(key);
    return isPlaced;
  };
  return Object.create(stack, { put: { value: put }, place: { value: place } }) as Tier;
}

/** Throws TierFolderError if the disk does not let it start. */
export async function startServer(settings: ServerSettings, context: ServerContext): Promise<ServerProcess> {
  const { blockSize, maxModelLen, recomputeTokenMs, promptTokensBesideDecoding } = settings;
  const { time, random, log } = context;
  const groups = groupsOf(settings);
  const slotWords = settings.isHostCompressed ? WIDE_SLOT_WORDS : 2;
  const executor = createStubExecutor({ groups, blockSize, slotWords });
  const stacks = await openStacks(settings, context, executor);
  const memoryOptions = groups.map(
    (group, g): KvMemoryOptions => ({
      ...settings,
      ...group,
      group: g,
      maxBlocksPerSequence: Math.ceil(maxModelLen / blockSize),
      numa:
        // A group of a short window may have fewer blocks than there are nodes.
        settings.numaNodes > 1 && group.blockCount >= settings.numaNodes
          ? { topology: topologyOf(settings.numaNodes), migrationBlocksPerStep: MIGRATED_BLOCKS }
          : null,
      tiers: stacks && {
        tier: withKeys(stacks[g], context.keys),
        bytes: executor.pools[g],
        now: () => time.nowMs,
        after: time.after,
        stagingPages: settings.stagingPages,
        recomputeMs: (tokenCount) => (recomputeTokenMs === null ? null : tokenCount * recomputeTokenMs),
      },
    }),
  );
  const memory = memoryOptions.length > 1 ? createHybridMemory(memoryOptions) : createKvMemory(memoryOptions[0]);
  const blockCount = groups.reduce((sum, group) => sum + group.blockCount, 0);
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

  /** What sessions do between two steps, one action before each. */
  const between: (() => void)[] = [];

  function betweenSteps(action: () => void): Promise<void> {
    if (isClosing) return Promise.reject(new EngineClosedError());
    return new Promise((resolve, reject) => {
      between.push(() => {
        if (isClosing) return reject(new EngineClosedError());
        try {
          action();
          resolve();
        } catch (error) {
          reject(error);
        }
      });
      void Promise.resolve().then(() => trusted(wake));
    });
  }

  let sessionCount = 0;
  async function counted<T>(work: Promise<T>): Promise<T> {
    sessionCount++;
    try {
      return await work;
    } finally {
      sessionCount--;
    }
  }

  const ownSessions = createSessions({
    model: { config: { name: 'stub' } },
    backend: { name: 'stub', description: 'hashes' },
    executable: {
      readBlock: (block, into, pool = 0) => executor.pools[pool].read(block, into),
      writeBlock: (block, from, pool = 0) => executor.pools[pool].write(block, from),
    },
    memory,
    plan: {
      pools: executor.pools.map(({ slotWords: headSize, pageBytes }) => ({
        kv: { layerCount: 1, kvHeadCount: 1, headSize, blockSize, keyDType: 'f32', valueDType: 'f32' },
        blockBytes: pageBytes,
      })),
      blockCount,
    },
    fingerprint: async () => 'stub',
    kvType: 'stub',
    files: context.files,
    runningCount: () => scheduler.runningCount,
    after: time.after,
    betweenSteps,
    wake: () => trusted(wake),
  });

  const pins = createPrefixPins({
    memory,
    schedule(ms, action) {
      let isDue = true;
      time.after(ms, () => {
        if (isDue && isAlive) trusted(action);
      });
      return () => {
        isDue = false;
      };
    },
    onRelease: () => trusted(wake),
  });

  function wake(): void {
    if (!isAlive || isClosing || inFlight !== null) return;
    between.shift()?.();
    const plan = scheduler.schedule();
    if (plan === null) {
      if (between.length > 0) wake();
      return;
    }
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
    stacks,
    sessions: {
      save: (...args) => counted(ownSessions.save(...args)),
      load: (...args) => counted(ownSessions.load(...args)),
      settled: ownSessions.settled,
    },
    pins,
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
      for (const action of between.splice(0)) action();
      pins.releaseAll();
      // Sessions notice, and give back what they hold.
      while (memory.openFillCount + sessionCount > 0) {
        await memory.settled();
        await time.sleep(1);
      }
      await memory.settled();
      await ownSessions.settled();
      if (savesAll) await memory.pageOutAll();
      memory.checkIntegrity();
      const { freeBlocks, referencedBlocks } = memory.usage();
      if (freeBlocks !== blockCount || referencedBlocks !== 0) {
        throw new Error(`${referencedBlocks} blocks are held by nobody, ${freeBlocks} of ${blockCount} are free`);
      }
      if (scheduler.runningCount + scheduler.waitingCount > 0) throw new Error('sequences are left');
      for (const stack of stacks ?? []) await stack.close();
      isAlive = false;
    },
  };
}
