// Steps that are given to the backend while the one before them runs: the same answers, when it is done, and what becomes of steps that run in vain.

import { afterEach, describe, expect, it } from 'vitest';
import type { Executable, StepBindings, StepOutput } from '../backends/backend.ts';
import { BackendError } from '../errors/index.ts';
import type { Engine, GenerateRequest } from './api.ts';
import { createReferenceEngine } from './testing/reference-engine.ts';

const greedy = { temperature: 0, ignoreEos: true };

describe('async scheduling', () => {
  const engines: Engine[] = [];
  afterEach(async () => {
    for (const engine of engines.splice(0)) await engine.close();
  });

  async function start(
    asyncScheduling = true,
    wrap: (inner: Executable) => Executable['execute'] = (inner) => inner.execute,
  ): Promise<Engine> {
    const engine = await createReferenceEngine({
      maxNumSeqs: 4,
      maxModelLen: 96,
      asyncScheduling,
      executable: (inner) => ({ ...inner, memory: inner.memory, execute: wrap(inner) }),
    });
    engines.push(engine);
    return engine;
  }

  const requests: Record<string, GenerateRequest> = {
    greedy: { prompt: 'Once', sampling: { ...greedy, maxTokens: 20, logprobs: 3 } },
    sampled: { prompt: 'Once upon', sampling: { temperature: 1, seed: 5, topP: 0.9, maxTokens: 20, ignoreEos: true } },
    'with a bias and least tokens': {
      prompt: 'The',
      sampling: { temperature: 1, seed: 2, minTokens: 9, maxTokens: 30, logitBias: { 260: 3, 300: -5 } },
    },
  };

  it('gives the same answers, with two steps in the hands of the backend', async () => {
    let given = 0;
    let most = 0;
    const overlapped = await start(true, (inner) => async (step) => {
      given++;
      most = Math.max(most, given);
      try {
        return await inner.execute(step);
      } finally {
        given--;
      }
    });
    const plain = await start(false);
    const answers = (engine: Engine) =>
      Promise.all(Object.values(requests).map(async (it) => (await engine.generate(it).result()).choices));
    expect(await answers(overlapped)).toEqual(await answers(plain));
    expect(most).toBe(2);
    const { steps, overlappedSteps, usedBlocks } = overlapped.stats();
    expect(overlappedSteps).toBeGreaterThan(15);
    expect(overlappedSteps).toBeLessThan(steps);
    expect(usedBlocks).toBe(0);
    expect(plain.stats().overlappedSteps).toBe(0);
  });

  it.each<[string, GenerateRequest]>([
    ['penalties', { prompt: 'Once', sampling: { ...greedy, maxTokens: 8, repetitionPenalty: 1.2 } }],
    ['a single token', { prompt: 'Once', sampling: { ...greedy, maxTokens: 1 } }],
  ])('is not done with %s', async (_name, request) => {
    const engine = await start();
    await engine.generate(request).result();
    await engine.generate(request).result();
    expect(engine.stats().overlappedSteps).toBe(0);
  });

  it('is done once several choices of a prompt, or its log-probabilities, are past their first token', async () => {
    const engine = await start();
    const alone = await start(false);
    for (const request of [
      { prompt: 'Once', n: 3, sampling: { maxTokens: 10, seed: 4, ignoreEos: true } },
      { prompt: 'Once upon a time', sampling: { ...greedy, maxTokens: 10, promptLogprobs: 2 } },
    ]) {
      const before = engine.stats().overlappedSteps;
      const { choices, promptLogprobs } = await engine.generate(request).result();
      const wanted = await alone.generate(request).result();
      expect(choices).toEqual(wanted.choices);
      expect(promptLogprobs).toEqual(wanted.promptLogprobs);
      expect(engine.stats().overlappedSteps).toBeGreaterThan(before);
    }
  });

  it('runs one step in vain at most where a stop string or token ends a request', async () => {
    const engine = await start();
    const free = await engine.generate({ prompt: 'Once', sampling: { ...greedy, maxTokens: 12 } }).result();
    const { text, tokenIds } = free.choices[0];
    for (const end of [{ stop: [text.trim().split(' ')[2]] }, { stopTokenIds: [tokenIds[4]] }, { maxTokens: 3 }]) {
      const before = engine.stats().steps;
      const sampling = { ...greedy, maxTokens: 12, ...end };
      const { choices } = await engine.generate({ prompt: 'Once', sampling, cacheSalt: JSON.stringify(end) }).result();
      const count = choices[0].tokenIds.length;
      expect(choices[0].tokenIds).toEqual(tokenIds.slice(0, count));
      await expect.poll(() => engine.stats().usedBlocks).toBe(0);
      const taken = engine.stats().steps - before;
      expect(taken, JSON.stringify(end)).toBeGreaterThanOrEqual(count);
      // What the last token will be is known by its number.
      expect(taken, JSON.stringify(end)).toBeLessThanOrEqual('maxTokens' in end ? count : count + 1);
    }
  });

  it('lets requests come and go meanwhile', async () => {
    const engine = await start();
    const alone = await start(false);
    const wanted = await alone.generate({ prompt: 'Once', sampling: { ...greedy, maxTokens: 40 } }).result();
    const stayed: number[] = [];
    const others: Promise<unknown>[] = [];
    for await (const event of engine.generate({ prompt: 'Once', sampling: { ...greedy, maxTokens: 40 } })) {
      if (event.type !== 'token') continue;
      stayed.push(event.tokenId);
      if (stayed.length % 8 === 3) {
        const other = engine.generate({ prompt: 'Once upon', sampling: { ...greedy, maxTokens: 30 } });
        others.push(
          (async () => {
            let seen = 0;
            for await (const each of other) if (each.type === 'token' && ++seen === 4) other.cancel();
          })(),
        );
      }
    }
    await Promise.all(others);
    expect(stayed).toEqual(wanted.choices[0].tokenIds);
    await expect.poll(() => engine.stats().usedBlocks).toBe(0);
    expect(engine.stats().overlappedSteps).toBeGreaterThan(5);
  });

  it('takes a step that waits down with the one that fails, and no other request', async () => {
    let failing: ((step: StepBindings) => boolean) | null = null;
    let waited = 0;
    let given = 0;
    const engine = await start(true, (inner) => async (step): Promise<StepOutput> => {
      given++;
      try {
        const output = await inner.execute(step);
        if (failing?.(step)) throw new BackendError('test', 'the device is gone');
        return output;
      } finally {
        given--;
      }
    });
    const request: GenerateRequest = { prompt: 'Once', sampling: { ...greedy, maxTokens: 20 } };
    const wanted = await engine.generate(request).result();
    failing = (step) => {
      if (step.positions[0] < 8 || given < 2) return false;
      waited++;
      failing = null;
      return true;
    };
    await expect(engine.generate(request).result()).rejects.toMatchObject({ code: 'backend' });
    expect(waited).toBe(1);
    expect(engine.stats()).toMatchObject({ usedBlocks: 0, runningRequests: 0 });
    expect((await engine.generate(request).result()).choices).toEqual(wanted.choices);
  });

  it('ends the steps that were given when the engine closes', async () => {
    const engine = await start();
    const generation = engine.generate({ prompt: 'Once', sampling: { ...greedy, maxTokens: 60 } });
    let seen = 0;
    for await (const event of generation) {
      if (event.type === 'token' && ++seen === 10) await engine.close();
    }
    expect(engine.stats()).toMatchObject({ usedBlocks: 0, runningRequests: 0 });
  });
});
