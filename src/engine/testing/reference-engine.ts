// An engine on the reference backend and the bundled model whose executable or scheduler may be watched, replaced or made to go wrong.

import type { Executable } from '../../backends/backend.ts';
import { createReferenceBackend } from '../../backends/reference/index.ts';
import { createKvMemory } from '../../memory/index.ts';
import { loadModel } from '../../models/load.ts';
import { bundledModelPath } from '../../models/testing/bundled-model.ts';
import { createScheduler } from '../../scheduler/index.ts';
import type { Scheduler } from '../../scheduler/types.ts';
import type { Engine } from '../api.ts';
import { planMemory } from '../memory-plan.ts';
import { createPrefillPace } from '../prefill-pace.ts';
import { runEngine } from '../run-engine.ts';

export interface ReferenceEngineOptions {
  readonly maxNumSeqs: number;
  readonly maxModelLen: number;
  /** Defaults to false. */
  readonly asyncScheduling?: boolean;
  readonly executable?: (inner: Executable) => Executable;
  readonly scheduler?: (inner: Scheduler) => Scheduler;
}

/** Blocks of 16, steps of at most 32 tokens; every invariant is checked after each. */
export async function createReferenceEngine(options: ReferenceEngineOptions): Promise<Engine> {
  const { maxNumSeqs } = options;
  const model = await loadModel(bundledModelPath());
  const backend = createReferenceBackend();
  const limits = { maxNumSeqs, maxNumBatchedTokens: 32, maxModelLen: options.maxModelLen };
  const plan = planMemory({
    config: model.config,
    kvDTypes: { keyDType: 'f32', valueDType: 'f32' },
    blockSize: 16,
    kvCacheMemoryBytes: 4 << 20,
    availableBytes: 1 << 30,
    ...limits,
  });
  const { kv, blockCount, maxModelLen } = plan;
  const executable = await backend.compile(model.program, {
    weights: model.weights,
    kv,
    blockCount,
    limits: { maxTokens: 32, maxSequences: maxNumSeqs, maxOutputs: 8, maxContextTokens: maxModelLen },
  });
  const maxBlocksPerSequence = options.maxModelLen / 16;
  const memory = createKvMemory({ blockCount, blockSize: 16, maxNumSeqs, maxBlocksPerSequence });
  const scheduler = createScheduler({
    memory,
    maxOutputs: 8,
    maxQueuedRequests: 8,
    checkIntegrity: true,
    ...limits,
    maxModelLen,
  });
  return runEngine({
    model,
    backend,
    fallbackReason: null,
    executable: options.executable?.(executable) ?? executable,
    memory,
    scheduler: options.scheduler?.(scheduler) ?? scheduler,
    pace: createPrefillPace(Number.POSITIVE_INFINITY),
    asyncScheduling: options.asyncScheduling ?? false,
    plan,
    tiers: null,
    fingerprint: async () => 'none',
    after: () => {},
    pagesReady: { notify: () => {} },
    now: () => performance.now(),
  });
}
