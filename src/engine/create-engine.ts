// Makes an engine: loads the model, plans memory, compiles the program, and connects scheduler, memory and step loop.

import { availableParallelism } from 'node:os';
import { basename } from 'node:path';
import { InvalidRequestError } from '../errors/errors.ts';
import {
  createHybridMemory,
  createMemory,
  defaultEvictionPolicy,
  type KvMemoryOptions,
  requireAllocatorName,
  requireEvictionPolicyName,
} from '../memory/index.ts';
import { loadModel } from '../models/load.ts';
import { agingOf } from '../program/cache-groups.ts';
import { createScheduler } from '../scheduler/index.ts';
import { takeSnapshot } from '../scheduler/snapshot.ts';
import type { TierStack } from '../tiers/index.ts';
import type { Engine, EngineOptions } from './api.ts';
import { applyAttentionWindow, chooseCacheGroups } from './attention-window.ts';
import { type ChosenBackend, chooseBackend } from './backend-choice.ts';
import { applyKvAging } from './kv-aging.ts';
import { resolveKvDTypes } from './kv-cache-dtype.ts';
import { modelFingerprint } from './kv-fingerprint.ts';
import { planMemory, requireInteger } from './memory-plan.ts';
import { planNuma } from './numa.ts';
import { createEngineHub, createRecordingFile, type RecordingFile, randomHashKey } from './observe/index.ts';
import { createPrefillPace } from './prefill-pace.ts';
import { runEngine } from './run-engine.ts';
import { openTiers } from './tiers.ts';

/**
 * Loads a model and makes it ready to generate. See EngineOptions for defaults.
 *
 * Throws ModelFileError or UnsupportedModelError for a model that cannot be used, InvalidRequestError for option values
 * out of range, MemoryPlanError when the pool does not hold one sequence, BackendError when the backend asked for
 * cannot be had.
 *
 * @example
 * await using engine = await createEngine({ model: 'models/octavo-stories.gguf' });
 * const { choices } = await engine.generate({ prompt: 'Once upon a time' }).result();
 */
export async function createEngine(options: EngineOptions): Promise<Engine> {
  const now = options.now ?? (() => performance.now());
  const after = (ms: number, action: () => void): void => {
    setTimeout(action, ms).unref();
  };
  const maxNumSeqs = options.maxNumSeqs ?? 64;
  const maxNumBatchedTokens = options.maxNumBatchedTokens ?? 512;
  const maxQueuedRequests = options.maxQueuedRequests ?? 1024;
  const maxStepStretch = options.maxStepStretch ?? 3.5;
  if (!(maxStepStretch > 1)) {
    throw new InvalidRequestError(
      `maxStepStretch must be over 1, got ${maxStepStretch}`,
      'maxStepStretch',
      maxStepStretch,
    );
  }
  const { tenantQuota } = options;
  if (tenantQuota !== undefined && !(tenantQuota > 0 && tenantQuota <= 1)) {
    throw new InvalidRequestError(
      `tenantQuota must be over 0 and at most 1, got ${tenantQuota}`,
      'tenantQuota',
      tenantQuota,
    );
  }
  if (options.evictionPolicy !== undefined) requireEvictionPolicyName(options.evictionPolicy);
  const allocator = options.allocator ?? 'free-list';
  requireAllocatorName(allocator);
  const compactionBlocksPerStep = options.compactionBlocksPerStep ?? 0;
  requireInteger('compactionBlocksPerStep', compactionBlocksPerStep, 0, 4096);
  requireInteger('maxNumBatchedTokens', maxNumBatchedTokens, 1, 65536);
  requireInteger('maxQueuedRequests', maxQueuedRequests, 1, 1_000_000);
  if (
    maxNumBatchedTokens < maxNumSeqs &&
    options.maxNumBatchedTokens !== undefined &&
    options.maxNumSeqs !== undefined
  ) {
    throw new InvalidRequestError(
      `maxNumBatchedTokens (${maxNumBatchedTokens}) must be at least maxNumSeqs (${maxNumSeqs}): every running sequence takes one token of a step`,
      'maxNumBatchedTokens',
      maxNumBatchedTokens,
    );
  }
  if (
    options.tiers !== undefined &&
    (options.enablePrefixCaching === false || (options.memory ?? 'paged') !== 'paged')
  ) {
    throw new InvalidRequestError('tiers need paged memory with prefix caching', 'tiers', options.memory ?? 'paged');
  }
  const { explainedRequests = 0, recording } = options;
  requireInteger('explainedRequests', explainedRequests, 0, 1_000_000);
  if (recording?.limitBytes !== undefined) {
    requireInteger('recording.limitBytes', recording.limitBytes, 65536, Number.MAX_SAFE_INTEGER);
  }
  requireInteger('recording.keptParts', recording?.keptParts ?? 0, 0, 10_000);
  const runningLimit = Math.min(maxNumSeqs, maxNumBatchedTokens);

  const model = await loadModel(options.model);
  let chosen: ChosenBackend | null = null;
  let tiers: readonly TierStack[] | null = null;
  let recordingFile: RecordingFile | null = null;
  try {
    if (recording !== undefined)
      recordingFile = recording.file ?? (await createRecordingFile(recording.path, recording.keptParts));
    const kvDTypes = resolveKvDTypes(options.kvCacheDtype ?? 'auto', model.weights);
    const threads = options.threads ?? availableParallelism();
    chosen = chooseBackend(options.backend ?? 'auto', threads);
    const { backend } = chosen;
    // Where kernels have every processor, or this thread, the time of planning is theirs whenever it is spent.
    const asyncScheduling = options.asyncScheduling ?? (backend.name === 'cpu' && threads < availableParallelism());
    const windowed = applyKvAging(applyAttentionWindow(model, options.attentionWindow), kvDTypes, options);
    const isPaged = (options.memory ?? 'paged') === 'paged';
    const groups = chooseCacheGroups(windowed, options);
    const plan = planMemory({
      config: model.config,
      // Contiguous memory keeps what a window leaves behind.
      groups: isPaged ? groups : groups.map((group) => ({ ...group, windowTokens: null, sinkTokens: 0 })),
      streams: options.attentionWindow !== undefined,
      kvDTypes,
      firstKvDTypes: windowed.firstKvDTypes,
      blockSize: options.blockSize ?? 16,
      maxNumSeqs: runningLimit,
      maxNumBatchedTokens,
      maxModelLen: options.maxModelLen,
      kvCacheMemoryBytes: options.kvCacheMemoryBytes,
      availableBytes: Math.max(0, process.availableMemory() - model.weightBytes),
    });
    const limits = {
      maxTokens: maxNumBatchedTokens,
      maxSequences: runningLimit,
      maxOutputs: Math.max(runningLimit, Math.min(32, maxNumBatchedTokens)),
      maxContextTokens: plan.maxModelLen,
    };
    const executable = await backend.compile(windowed.program, {
      weights: model.weights,
      kv: plan.kv,
      blockCount: plan.blockCount,
      otherPools: plan.pools.slice(1),
      limits,
      onProgress: (loadedBytes, totalBytes) => options.onProgress?.({ phase: 'weights', loadedBytes, totalBytes }),
    });
    options.onProgress?.({ phase: 'ready', loadedBytes: model.weightBytes, totalBytes: model.weightBytes });
    const fingerprint = () => modelFingerprint(model, options.attentionWindow, agingOf(windowed.program));
    tiers = await openTiers(options.tiers ?? {}, {
      backend,
      pools: plan.pools,
      fingerprint,
      now,
      after,
    });
    const hashKey = randomHashKey();
    const hub = createEngineHub(now, hashKey);
    const pace = createPrefillPace(maxStepStretch);
    // With several cache groups a sequence's blocks lie in several pools: their places are the system's choice.
    const isSpread = isPaged && plan.pools.length === 1;
    const numa = isSpread ? planNuma(options.numa ?? 'auto', plan.blockCount, executable) : null;
    const pagesReady = { notify: () => {} };
    const bytesOfBlocks = plan.pools.reduce((sum, { blockBytes }) => sum + blockBytes, 0);
    const memoryOptions = plan.pools.map(
      ({ group: { windowTokens, sinkTokens }, blockCount, blockBytes }, group): KvMemoryOptions => ({
        blockCount,
        blockSize: plan.kv.blockSize,
        maxNumSeqs: runningLimit,
        maxBlocksPerSequence: Math.ceil(plan.maxModelLen / plan.kv.blockSize),
        enablePrefixCaching: options.enablePrefixCaching ?? true,
        // With a window, what was used last is what the next hit needs.
        evictionPolicy: options.evictionPolicy ?? (windowTokens === null ? defaultEvictionPolicy : 'lru'),
        allocator,
        compactionBlocksPerStep,
        placesBatchTogether: options.placeBatchTogether,
        windowTokens,
        sinkTokens,
        numa: numa?.options,
        tiers:
          tiers === null
            ? null
            : {
                tier: tiers[group],
                bytes: {
                  pageBytes: blockBytes,
                  read: (block, into) => executable.readBlock(block, into, group),
                  write: (block, from) => executable.writeBlock(block, from, group),
                },
                now,
                recomputeMs: pace.promptMs,
                recomputeShare: blockBytes / bytesOfBlocks,
                after,
              },
        now,
        events: hub,
        group,
        remembersSalts: options.reportOtherSalts ?? false,
      }),
    );
    const memory =
      memoryOptions.length > 1
        ? createHybridMemory(memoryOptions)
        : createMemory(options.memory ?? 'paged', memoryOptions[0]);
    const scheduler = createScheduler({
      memory,
      events: hub,
      promptTokensBesideDecoding: pace.allowance,
      onPagesReady: () => pagesReady.notify(),
      adaptsHeadroom: options.adaptiveMemory ?? true,
      growthQuantile: options.growthQuantile,
      tenantQuotaBlocks:
        options.tenantQuota === undefined ? undefined : Math.max(1, Math.floor(plan.blockCount * options.tenantQuota)),
      maxNumSeqs: runningLimit,
      maxNumBatchedTokens,
      maxOutputs: limits.maxOutputs,
      maxModelLen: plan.maxModelLen,
      maxQueuedRequests,
      checkIntegrity: options.checkIntegrity ?? false,
    });
    hub.snapshotFrom(() => takeSnapshot(scheduler, memory));
    const pool = { blockSize: plan.kv.blockSize, blockCount: plan.blockCount };
    return runEngine({
      observed: {
        hub,
        hashKey,
        explainedRequests,
        explainText: options.explainText ?? false,
        recording: recordingFile === null ? null : { file: recordingFile, settings: recording! },
        header: {
          model: model.config.name ?? basename(options.model),
          fingerprint: recordingFile === null ? null : await fingerprint(),
          ...pool,
          groups: [pool],
          scheduler: {
            maxNumSeqs: runningLimit,
            maxNumBatchedTokens,
            maxModelLen: plan.maxModelLen,
            maxQueuedRequests,
            maxStepStretch,
            memory: options.memory ?? 'paged',
            enablePrefixCaching: memory.enablePrefixCaching,
            evictionPolicy: memory.evictionPolicy,
            allocator,
            adaptiveMemory: options.adaptiveMemory ?? true,
            tenantQuota: tenantQuota ?? null,
          },
        },
      },
      model,
      backend,
      fallbackReason: chosen.fallbackReason,
      executable,
      memory,
      scheduler,
      pace,
      asyncScheduling,
      fingerprint,
      plan,
      tiers,
      numa,
      pagesReady,
      now,
      after,
    });
  } catch (error) {
    await recordingFile?.close().catch(() => undefined);
    for (const stack of tiers ?? []) await stack.close();
    await chosen?.backend.close();
    await model.close();
    throw error;
  }
}
