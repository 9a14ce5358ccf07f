// A step that fails takes its own requests with it and nothing else; a loop that breaks fails them all and says so.

import { describe, expect, it } from 'vitest';
import { BackendError, EngineClosedError, IntegrityError } from '../errors/errors.ts';
import type { Engine } from './api.ts';
import { createReferenceEngine, type ReferenceEngineOptions } from './testing/reference-engine.ts';

/** One whose executable or scheduler may be wrapped to go wrong. */
function engineWith(wrap: Pick<ReferenceEngineOptions, 'executable' | 'scheduler'>): Promise<Engine> {
  return createReferenceEngine({ maxNumSeqs: 2, maxModelLen: 64, ...wrap });
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
