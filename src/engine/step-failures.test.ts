// A step that fails takes its own requests with it and nothing else; a loop that breaks fails them all and says so.

import { describe, expect, it } from 'vitest';
import type { Executable } from '../backends/backend.ts';
import { createReferenceBackend } from '../backends/reference/index.ts';
import { BackendError, EngineClosedError, IntegrityError } from '../errors/errors.ts';
import { createKvMemory } from '../memory/index.ts';
import { loadModel } from '../models/load.ts';
import { bundledModelPath } from '../models/testing/bundled-model.ts';
import { createScheduler } from '../scheduler/index.ts';
import type { Scheduler } from '../scheduler/types.ts';
import type { Engine } from './api.ts';
import { planMemory } from './memory-plan.ts';
import { createPrefillPace } from './prefill-pace.ts';
import { runEngine } from './run-engine.ts';

/** An engine whose executable or scheduler may be wrapped to go wrong. */
async function engineWith(wrap: {
  executable?: (inner: Executable) => Executable;
  scheduler?: (inner: Scheduler) => Scheduler;
}): Promise<Engine> {
  const model = await loadModel(bundledModelPath());
  const backend = createReferenceBackend();
  const limits = { maxNumSeqs: 2, maxNumBatchedTokens: 32, maxModelLen: 64 };
  const plan = planMemory({
    config: model.config,
    kvDTypes: { keyDType: 'f32', valueDType: 'f32' },
    blockSize: 16,
    kvCacheMemoryBytes: 4 << 20,
    availableBytes: 1 << 30,
    ...limits,
  });
  const executable = await backend.compile(model.program, {
    weights: model.weights,
    kv: plan.kv,
    blockCount: plan.blockCount,
    limits: { maxTokens: 32, maxSequences: 2, maxOutputs: 8, maxContextTokens: plan.maxModelLen },
  });
  const memory = createKvMemory({ blockCount: plan.blockCount, blockSize: 16, maxNumSeqs: 2, maxBlocksPerSequence: 4 });
  const scheduler = createScheduler({
    memory,
    maxOutputs: 8,
    maxQueuedRequests: 8,
    checkIntegrity: true,
    ...limits,
    maxModelLen: plan.maxModelLen,
  });
  return runEngine({
    model,
    backend,
    fallbackReason: null,
    executable: wrap.executable?.(executable) ?? executable,
    memory,
    scheduler: wrap.scheduler?.(scheduler) ?? scheduler,
    pace: createPrefillPace(Number.POSITIVE_INFINITY),
    plan,
    tiers: null,
    fingerprint: async () => 'none',
    after: () => {},
    pagesReady: { notify: () => {} },
    now: () => performance.now(),
  });
}

const request = (text: string) => ({ prompt: text, sampling: { temperature: 0, maxTokens: 4, ignoreEos: true } });

describe('failures in a step', () => {
  it.each([1, 2, 3, 4])(
    'number %i fail its requests with a typed error, free their blocks, and leave the rest',
    async (failing) => {
      let step = 0;
      await using engine = await engineWith({
        executable: (inner) => ({
          ...inner,
          memory: inner.memory,
          execute(bindings) {
            step++;
            return step === failing
              ? Promise.reject(new BackendError('reference', 'no power'))
              : inner.execute(bindings);
          },
        }),
      });
      const outcomes = await Promise.allSettled(
        ['Once', 'The fox', 'A cat', 'Two'].map((text) => engine.generate(request(text)).result()),
      );
      const failed = outcomes.filter(({ status }) => status === 'rejected');
      expect(failed.length).toBeGreaterThan(0);
      expect(failed.length).toBeLessThan(4);
      for (const outcome of failed) expect((outcome as PromiseRejectedResult).reason).toBeInstanceOf(BackendError);
      expect(engine.stats()).toMatchObject({
        usedBlocks: 0,
        runningRequests: 0,
        waitingRequests: 0,
        finishedRequests: { error: failed.length },
      });
      expect((await engine.generate(request('Once')).result()).choices[0].tokenIds).toHaveLength(4);
      expect(engine.failure).toBeNull();
    },
  );

  it('fail a request from whose logits nothing can be picked', async () => {
    let broken = true;
    await using engine = await engineWith({
      executable: (inner) => ({
        ...inner,
        memory: inner.memory,
        async execute(bindings) {
          const output = await inner.execute(bindings);
          return broken ? { ...output, picked: output.picked.map((it) => ({ ...it, tokenId: -1 })) } : output;
        },
      }),
    });
    await expect(engine.generate(request('Once')).result()).rejects.toBeInstanceOf(BackendError);
    broken = false;
    expect((await engine.generate(request('Once')).result()).choices[0].tokenIds).toHaveLength(4);
  });

  it('stop the engine when an invariant breaks, failing every request', async () => {
    let calls = 0;
    const engine = await engineWith({
      scheduler: (inner) => ({
        ...inner,
        schedule() {
          if (++calls === 3) throw new IntegrityError('two sequences own block 1');
          return inner.schedule();
        },
      }),
    });
    const running = [engine.generate(request('Once')).result(), engine.generate(request('The fox')).result()];
    for (const result of running) await expect(result).rejects.toBeInstanceOf(IntegrityError);
    expect(engine.failure).toBeInstanceOf(IntegrityError);
    expect(() => engine.generate(request('Once'))).toThrow(EngineClosedError);
    await engine.close();
  });
});
