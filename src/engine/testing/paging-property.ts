// The property that paging is invisible: random requests on a random, tight engine against each request run alone.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect } from 'vitest';
import { kvBlockBytes } from '../../backends/backend.ts';
import {
  type AllocatorName,
  allocatorNames,
  createAttentionReach,
  type EvictionPolicyName,
  evictionPolicyNames,
  type MemoryMode,
  memoryModes,
  type NumaTopology,
} from '../../memory/index.ts';
import { agingStep } from '../../program/aging.ts';
import { type KvDType, kvDTypeNames } from '../../tensor/kv-dtype.ts';
import {
  createMemoryFiles,
  type FileFault,
  type FileOperation,
  type MemoryFiles,
} from '../../tiers/testing/memory-files.ts';
import type { Engine, EngineOptions, GenerateEvent, Generation, SamplingParams } from '../api.ts';
import { createEngine } from '../create-engine.ts';
import type { KvCacheDtype } from '../kv-cache-dtype.ts';
import type { TierSettings } from '../tiers.ts';

/** A machine of two NUMA nodes, which need not be there. */
const twoNodes: NumaTopology = {
  nodes: [0, 1].map((id) => ({ id, cpus: [id], memoryBytes: null })),
  distances: [
    [10, 20],
    [20, 10],
  ],
};

/** One request of a scenario. Prompts are made of a shared part and an own part, so that prefixes are hit. */
interface RequestSpec {
  readonly family: number;
  readonly sharedTokens: number;
  readonly ownTokens: number;
  readonly ownSeed: number;
  readonly maxTokens: number;
  readonly temperature: number;
  readonly seed: number;
  /** Which of `truncations`. */
  readonly truncation: number;
  readonly n: number;
  readonly salt: string;
  readonly promptLogprobs: boolean;
  /** Turns of the event loop to wait before it is sent. */
  readonly delayTurns: number;
  /** Cancel after this many tokens, if it gets so far. */
  readonly cancelAfter: number | null;
  /** Fork after this many tokens, if it gets so far. */
  readonly forkAfter: number | null;
  /** Pin what the cache has of the prompt when it has ended, for so many turns of the event loop. */
  readonly pinTurns: number | null;
  /** Save the conversation to a file when it has ended, load it under another salt and go on. */
  readonly resumes: boolean;
}

export interface Scenario {
  readonly blockSize: number;
  /** Blocks beyond what the longest sequence needs. */
  readonly spareBlocks: number;
  readonly maxNumSeqs: number;
  readonly maxNumBatchedTokens: number;
  readonly maxStepStretch: number;
  readonly threads: number;
  readonly asyncScheduling: boolean;
  readonly memory: MemoryMode;
  readonly enablePrefixCaching: boolean;
  readonly kvCacheDtype: 'auto' | KvCacheDtype;
  readonly evictionPolicy: EvictionPolicyName;
  readonly adaptiveMemory: boolean;
  readonly growthQuantile: number;
  readonly numa: EngineOptions['numa'];
  readonly allocator: AllocatorName;
  readonly compactionBlocksPerStep: number;
  readonly placeBatchTogether: boolean;
  readonly tiers: TierSpec | null;
  readonly requests: readonly RequestSpec[];
}

/** Tiers below the pool, in pages; 0 for none of the kind. */
interface TierSpec {
  readonly hostPages: number;
  readonly filePages: number;
  /** Every so many reads of files fail or return a flipped bit, and a third as many writes fail; 0 for none. */
  readonly faultEvery: number;
  /** Run everything a second time, in an engine that finds the folder of the first. */
  readonly restarts: boolean;
}

/** Every type, some of them in pairs. */
const kvTypes: readonly KvCacheDtype[] = [...kvDTypeNames, 'int8/int4', 'fp8_e4m3/int8', 'int4/f16', 'bf16/fp8_e5m2'];

/** Ways to narrow or bend the distribution, so that picks of every kind are compared. */
const truncations: readonly SamplingParams[] = [
  {},
  {},
  { topK: 12, topP: 0.9 },
  { topP: 0.8, minP: 0.01 },
  { topK: 200 },
  { repetitionPenalty: 1.3, logitBias: { 3: 4, 7: -100 }, stopTokenIds: [3] },
];

const requestSpec: fc.Arbitrary<RequestSpec> = fc.record({
  family: fc.integer({ min: 0, max: 2 }),
  sharedTokens: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 50 })),
  ownTokens: fc.integer({ min: 1, max: 20 }),
  ownSeed: fc.integer({ min: 0, max: 3 }),
  maxTokens: fc.integer({ min: 1, max: 24 }),
  temperature: fc.constantFrom(0, 0.7, 1),
  seed: fc.integer({ min: 0, max: 2 }),
  truncation: fc.nat({ max: truncations.length - 1 }),
  n: fc.oneof({ weight: 4, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.integer({ min: 2, max: 3 }) }),
  salt: fc.constantFrom('', '', 'tenant'),
  promptLogprobs: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  delayTurns: fc.integer({ min: 0, max: 12 }),
  cancelAfter: fc.oneof(
    { weight: 4, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 8 }) },
  ),
  forkAfter: fc.oneof(
    { weight: 4, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 8 }) },
  ),
  pinTurns: fc.oneof(
    { weight: 3, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 30 }) },
  ),
  resumes: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
});

export const scenario: fc.Arbitrary<Scenario> = fc.record({
  blockSize: fc.constantFrom(1, 2, 3, 5, 8, 16, 32),
  spareBlocks: fc.integer({ min: 0, max: 8 }),
  maxNumSeqs: fc.integer({ min: 1, max: 8 }),
  maxNumBatchedTokens: fc.integer({ min: 8, max: 128 }),
  maxStepStretch: fc.constantFrom(1.5, 4, Number.POSITIVE_INFINITY),
  threads: fc.integer({ min: 1, max: 3 }),
  asyncScheduling: fc.boolean(),
  memory: fc.oneof(
    { weight: 4, arbitrary: fc.constant<MemoryMode>('paged') },
    { weight: 1, arbitrary: fc.constantFrom(...memoryModes) },
  ),
  enablePrefixCaching: fc.oneof(
    { weight: 4, arbitrary: fc.constant(true) },
    { weight: 1, arbitrary: fc.constant(false) },
  ),
  kvCacheDtype: fc.oneof(
    { weight: 2, arbitrary: fc.constant('auto' as const) },
    { weight: 3, arbitrary: fc.constantFrom(...kvTypes) },
  ),
  evictionPolicy: fc.constantFrom(...evictionPolicyNames),
  adaptiveMemory: fc.boolean(),
  growthQuantile: fc.constantFrom(0, 0, 0.5, 1),
  numa: fc.constantFrom('off' as const, 'off' as const, twoNodes),
  allocator: fc.constantFrom(...allocatorNames),
  compactionBlocksPerStep: fc.constantFrom(0, 1, 4, 16),
  placeBatchTogether: fc.boolean(),
  tiers: fc.option(
    fc.record({
      hostPages: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 30 })),
      filePages: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 60 })),
      faultEvery: fc.oneof(
        { weight: 2, arbitrary: fc.constant(0) },
        { weight: 1, arbitrary: fc.integer({ min: 1, max: 2 }) },
      ),
      restarts: fc.boolean(),
    }),
    { freq: 3 },
  ),
  requests: fc.array(requestSpec, { minLength: 1, maxLength: 8 }),
});

/** `pageSizes`: of each cache group; all get as many pages. */
function tierSettings(
  { hostPages, filePages }: TierSpec,
  pageSizes: readonly number[],
  files: MemoryFiles,
): TierSettings {
  const sectors = pageSizes.reduce((sum, pageBytes) => sum + 4096 * Math.ceil(pageBytes / 4096), 0);
  return {
    hostBytes: hostPages === 0 ? undefined : hostPages * sectors,
    path: filePages === 0 ? undefined : '/pages',
    // The index takes its share.
    fileBytes: filePages * sectors + 65536 * pageSizes.length,
    files,
  };
}

async function waitTurns(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** Counts reads and writes apart: there are far fewer reads. */
function faultsOf(every: number): (operation: FileOperation) => FileFault | null {
  const counts = { read: 0, write: 0 };
  return ({ name }) => {
    if (name !== 'read' && name !== 'write') return null;
    const count = ++counts[name];
    if (name === 'write') return count % (3 * every) === 0 ? 'EIO' : null;
    return count % every === 0 ? (count % (2 * every) === 0 ? 'EIO' : 'flip') : null;
  };
}

function withoutWhatAgingRefuses(scenario: Scenario): Scenario {
  const isFull = ['auto', 'f32', 'f16', 'bf16'].includes(scenario.kvCacheDtype);
  const kvCacheDtype = isFull ? scenario.kvCacheDtype : 'f16';
  return { ...scenario, memory: 'paged', kvCacheDtype };
}

/** What a choice of a request came to: tokens, and log-probabilities with their alternatives. */
type Trace = { tokenIds: number[]; logprobs: unknown[] }[];

interface Outcome {
  readonly promptTokenIds: readonly number[];
  readonly promptLogprobs: unknown;
  readonly traces: Trace;
  readonly cancelled: boolean;
}

export interface PagingProperty {
  check(scenario: Scenario): Promise<void>;
  /** Over all scenarios checked, to see that they exercise what they should. */
  readonly totals: {
    overlappedSteps: number;
    preemptions: number;
    cachedTokens: number;
    copyOnWrites: number;
    forks: number;
    cancelled: number;
    evictions: number;
    relocatedBlocks: number;
    pagesOut: number;
    pagesIn: number;
    failedPages: number;
    pinnedTokens: number;
    resumedTokens: number;
  };
  close(): Promise<void>;
}

/** An ample engine that runs each request alone, with its answers kept. */
interface Alone {
  readonly engine: Engine;
  readonly known: Map<string, Outcome>;
}

/** An engine that is checked. */
interface Subject {
  readonly engine: Engine;
  readonly alone: Alone;
}

/** What a subject fixes of its engines. */
export interface PagingSetup extends Pick<EngineOptions, 'model' | 'backend' | 'kvCacheAging'> {
  /** Tokens before every prompt, the same in all prompts of a family. Defaults to none. */
  readonly leadTokens?: number;
}

/** Prepares the property for one model and backend. */
export async function createPagingProperty({ leadTokens = 0, ...options }: PagingSetup): Promise<PagingProperty> {
  const maxModelLen = 96 + leadTokens;
  const { kvCacheAging } = options;
  const byType = new Map<string, Alone>();
  async function aloneWith(kvCacheDtype: Scenario['kvCacheDtype']): Promise<Alone> {
    const found = byType.get(kvCacheDtype);
    if (found) return found;
    const engine = await createEngine({
      ...options,
      kvCacheDtype,
      maxModelLen,
      maxNumSeqs: 4,
      threads: 1,
      blockSize: 16,
      enablePrefixCaching: false,
      kvCacheMemoryBytes: 1 << 22,
    });
    const made = { engine, known: new Map<string, Outcome>() };
    byType.set(kvCacheDtype, made);
    return made;
  }
  const totals = {
    overlappedSteps: 0,
    preemptions: 0,
    cachedTokens: 0,
    copyOnWrites: 0,
    forks: 0,
    cancelled: 0,
    evictions: 0,
    relocatedBlocks: 0,
    pagesOut: 0,
    pagesIn: 0,
    failedPages: 0,
    pinnedTokens: 0,
    resumedTokens: 0,
  };
  const folder = await mkdtemp(join(tmpdir(), 'octavo-property-'));
  const { config } = (await aloneWith('auto')).engine;
  function kvBytesOf({ engine: { kvDType } }: Alone, blockSize: number, layerCount = config.layerCount): number {
    const [keyDType, valueDType = keyDType] = kvDType.split('/') as KvDType[];
    const { kvHeadCount, headSize } = config;
    return kvBlockBytes({ layerCount, kvHeadCount, headSize, blockSize, keyDType, valueDType });
  }

  function tokensOf(seed: number, count: number): number[] {
    return Array.from(
      { length: count },
      (_, i) => (Math.imul(seed * 7919 + i + 1, 2654435761) >>> 8) % Math.min(250, config.vocabSize),
    );
  }
  function promptOf(spec: RequestSpec): number[] {
    return [
      ...tokensOf(50 + spec.family, leadTokens),
      ...tokensOf(spec.family, spec.sharedTokens),
      ...tokensOf(100 + spec.family * 10 + spec.ownSeed, spec.ownTokens),
    ];
  }
  function samplingOf(spec: RequestSpec): SamplingParams {
    const { maxTokens, temperature, seed } = spec;
    return {
      ...truncations[spec.truncation],
      minTokens: Math.min(2, maxTokens),
      maxTokens,
      temperature,
      seed,
      logprobs: 2,
      ignoreEos: true,
      ...(spec.promptLogprobs ? { promptLogprobs: 1 } : {}),
    };
  }

  async function outcomeOf(
    generation: Generation,
    n: number,
    onToken: (event: GenerateEvent & { type: 'token' }, count: number) => void = () => {},
  ): Promise<Outcome> {
    const traces: Trace = Array.from({ length: n }, () => ({ tokenIds: [], logprobs: [] }));
    let promptTokenIds: readonly number[] = [];
    let promptLogprobs: unknown = null;
    let cancelled = false;
    for await (const event of generation) {
      if (event.type === 'start') ({ promptTokenIds, promptLogprobs } = event);
      else if (event.type === 'finish') cancelled ||= event.reason === 'cancelled';
      else if (event.type === 'token') {
        traces[event.index].tokenIds.push(event.tokenId);
        traces[event.index].logprobs.push(event.logprob, event.topLogprobs);
        if (event.index === 0) onToken(event, traces[0].tokenIds.length);
      }
    }
    return { promptTokenIds, promptLogprobs, traces, cancelled };
  }

  async function expected(
    { engine, known }: Alone,
    tokenIds: readonly number[],
    n: number,
    sampling: SamplingParams,
  ): Promise<Outcome> {
    const key = JSON.stringify([tokenIds, n, sampling]);
    const found = known.get(key);
    if (found) return found;
    const outcome = await outcomeOf(engine.generate({ tokenIds, n, sampling }), n);
    known.set(key, outcome);
    return outcome;
  }

  /** `actual` must begin like `wanted`, and be all of it unless it was cancelled. */
  function expectSame(actual: Outcome, wanted: Outcome, label: string): void {
    actual.traces.forEach((trace, i) => {
      const full = wanted.traces[i];
      const length = actual.cancelled ? trace.tokenIds.length : full.tokenIds.length;
      expect(trace.tokenIds, `${label}, choice ${i}: tokens`).toEqual(full.tokenIds.slice(0, length));
      expect(trace.logprobs, `${label}, choice ${i}: log-probabilities`).toEqual(full.logprobs.slice(0, 2 * length));
    });
    if (actual.promptTokenIds.length > 0)
      expect(actual.promptLogprobs, `${label}: prompt log-probabilities`).toEqual(wanted.promptLogprobs);
  }

  async function runOne({ engine, alone }: Subject, spec: RequestSpec, label: string): Promise<void> {
    await waitTurns(spec.delayTurns);
    const tokenIds = promptOf(spec);
    const sampling = samplingOf(spec);
    const generation = engine.generate({ tokenIds, sampling, n: spec.n, cacheSalt: spec.salt });
    if (spec.cancelAfter === 0) generation.cancel();
    const forks: Promise<void>[] = [];
    const actual = await outcomeOf(generation, spec.n, (_event, count) => {
      if (count === spec.forkAfter && count < spec.maxTokens) {
        try {
          forks.push(
            checkFork(
              generation.fork({ sampling: { seed: spec.seed + 1, maxTokens: 6 } }),
              alone,
              spec,
              `${label} fork`,
            ),
          );
          totals.forks++;
        } catch (error) {
          // The events are read after the step that emitted them; the generation may have ended meanwhile.
          if ((error as { code?: string }).code !== 'invalid_request') throw error;
        }
      }
      if (count === spec.cancelAfter) generation.cancel();
    });
    if (actual.cancelled) totals.cancelled++;
    expectSame(actual, await expected(alone, tokenIds, spec.n, sampling), label);
    if (spec.pinTurns !== null) await pin(engine, tokenIds, spec.salt, spec.pinTurns);
    if (spec.resumes) await checkResumed(engine, alone, [...tokenIds, ...actual.traces[0].tokenIds], spec, label);
    await Promise.all(forks);
  }

  async function pin(engine: Engine, tokenIds: readonly number[], cacheSalt: string, turns: number): Promise<void> {
    try {
      const pinned = engine.pinPrefix({ tokenIds, cacheSalt, leaseMs: 60_000 });
      totals.pinnedTokens += pinned.pinnedTokens;
      await waitTurns(turns);
      pinned.release();
    } catch (error) {
      // Over the budget.
      if ((error as { code?: string }).code !== 'invalid_request') throw error;
    }
  }

  async function checkResumed(
    engine: Engine,
    alone: Alone,
    tokenIds: readonly number[],
    spec: RequestSpec,
    label: string,
  ): Promise<void> {
    const maxTokens = Math.min(4, maxModelLen - tokenIds.length);
    if (maxTokens < 1) return;
    const path = join(folder, label.replaceAll(' ', '-'));
    await engine.saveSession({ path, tokenIds, cacheSalt: spec.salt });
    const cacheSalt = `resumed ${label}`;
    const session = await engine.loadSession(path, { cacheSalt });
    expect(session.tokenIds, `${label} resumed`).toEqual(tokenIds);
    totals.resumedTokens += session.cachedTokens;
    const sampling = { maxTokens, temperature: spec.temperature, seed: spec.seed, logprobs: 2, ignoreEos: true };
    const actual = await outcomeOf(engine.generate({ tokenIds, sampling, cacheSalt }), 1);
    expectSame(actual, await expected(alone, tokenIds, 1, sampling), `${label} resumed`);
  }

  async function checkFork(fork: Generation, alone: Alone, spec: RequestSpec, label: string): Promise<void> {
    const actual = await outcomeOf(fork, 1);
    const { temperature, seed, truncation } = spec;
    const sampling = {
      ...truncations[truncation],
      maxTokens: 6,
      temperature,
      seed: seed + 1,
      logprobs: 2,
      ignoreEos: true,
    };
    expectSame(actual, await expected(alone, actual.promptTokenIds, 1, sampling), label);
  }

  async function runAll(subject: Subject, requests: readonly RequestSpec[]): Promise<void> {
    const { engine } = subject;
    try {
      await Promise.all(requests.map((spec, i) => runOne(subject, spec, `request ${i}`)));
      // A request that is cancelled while a step runs holds its blocks until the step has ended; so does a load of pages.
      const held = () => engine.stats().usedBlocks;
      await expect.poll(held, { interval: 1, message: 'blocks still held when all requests have ended' }).toBe(0);
      const stats = engine.stats();
      expect(stats.runningRequests + stats.waitingRequests, 'requests still known').toBe(0);
      totals.overlappedSteps += stats.overlappedSteps;
      totals.preemptions += stats.preemptions;
      totals.cachedTokens += stats.cachedPromptTokens;
      totals.copyOnWrites += stats.copyOnWrites;
      totals.evictions += stats.evictions;
      totals.relocatedBlocks += stats.placement.relocatedBlocks;
      totals.pagesOut += stats.tiers?.pagesOut ?? 0;
      totals.pagesIn += stats.tiers?.pagesIn ?? 0;
      totals.failedPages += stats.tiers?.failedPages ?? 0;
    } finally {
      await engine.close();
    }
  }

  return {
    totals,
    async check(drawn) {
      const scenario = kvCacheAging === undefined ? drawn : withoutWhatAgingRefuses(drawn);
      const { blockSize, spareBlocks, requests, tiers, ...rest } = scenario;
      const alone = await aloneWith(scenario.kvCacheDtype);
      const pageBytes = kvBytesOf(alone, blockSize);
      const hasTiers = tiers !== null && scenario.memory === 'paged' && scenario.enablePrefixCaching;
      // Only models that have several cache groups notice.
      const hybridCacheGroups = spareBlocks % 4 === 3 ? false : undefined;
      // With kvCacheAging all layers have a second pool, of recent tokens beside sinks.
      const { kvHeadCount, headSize, layerCount } = config;
      const shape = { layerCount, kvHeadCount, headSize, blockSize };
      const oldBytes = kvBlockBytes({ ...shape, keyDType: 'int8', valueDType: 'int8' });
      const agedBytes = (): number => {
        const { recentTokens, sinkTokens = 4 } = kvCacheAging!;
        const recent = createAttentionReach(blockSize, recentTokens + agingStep - 1, sinkTokens).blocksFor(maxModelLen);
        const all = Math.ceil(maxModelLen / blockSize);
        return (all + spareBlocks) * oldBytes + (recent + spareBlocks) * pageBytes;
      };
      const isGrouped = config.fullAttentionLayers.length > 0 && hybridCacheGroups !== false;
      // With a window, the pool may be smaller than a sequence is long.
      const bytesFor = (layerCount: number, windowTokens: number | null): number => {
        const reach = createAttentionReach(blockSize, rest.memory === 'paged' ? windowTokens : null);
        const blocks = reach.blocksFor(maxModelLen) + spareBlocks;
        // A buddy system has no run longer than the largest power of two in the pool.
        const isBuddy = rest.memory !== 'paged' && rest.allocator === 'buddy';
        return (isBuddy ? 2 ** Math.ceil(Math.log2(blocks)) : blocks) * kvBytesOf(alone, blockSize, layerCount);
      };
      const fullLayers = isGrouped && rest.memory === 'paged' ? config.fullAttentionLayers.length : 0;
      const window = config.fullAttentionLayers.length === 0 || fullLayers > 0 ? config.slidingWindow : null;
      const kvCacheMemoryBytes = kvCacheAging
        ? agedBytes()
        : bytesFor(config.layerCount - fullLayers, window) + bytesFor(fullLayers, null);
      const pageSizes = kvCacheAging
        ? [oldBytes, pageBytes]
        : fullLayers > 0
          ? [fullLayers, config.layerCount - fullLayers].map((count) => kvBytesOf(alone, blockSize, count))
          : [pageBytes];
      const files = createMemoryFiles();
      for (let run = 0; run < (hasTiers && tiers.restarts ? 2 : 1); run++) {
        files.decide = null;
        const engine = await createEngine({
          ...options,
          ...rest,
          blockSize,
          maxModelLen,
          kvCacheMemoryBytes,
          hybridCacheGroups,
          tiers: hasTiers ? tierSettings(tiers, pageSizes, files) : undefined,
          checkIntegrity: true,
        });
        if (hasTiers && tiers.faultEvery > 0) files.decide = faultsOf(tiers.faultEvery);
        await runAll({ engine, alone }, requests);
      }
      expect(files.openFileCount, 'files left open').toBe(0);
    },
    async close() {
      for (const { engine } of byType.values()) await engine.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
