// The step loop's overlap: what is published while the next step runs, what ends in time, and that the event loop gets its turn.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Executable, StepBindings } from '../backends/backend.ts';
import type { Engine } from './api.ts';
import { createReferenceEngine } from './testing/reference-engine.ts';

/** One whose steps may be watched or replaced. */
function engineWatching(wrap: (inner: Executable) => Executable['execute']): Promise<Engine> {
  return createReferenceEngine({
    maxNumSeqs: 4,
    maxModelLen: 96,
    executable: (inner) => ({ ...inner, memory: inner.memory, execute: wrap(inner) }),
  });
}

const greedy = { temperature: 0, ignoreEos: true };

describe('step loop', () => {
  let engine: Engine;
  let steps: StepBindings[] = [];
  let stepsReturned = 0;
  beforeAll(async () => {
    engine = await engineWatching((inner) => async (bindings) => {
      steps.push({ ...bindings, tokenIds: bindings.tokenIds.slice(0, bindings.tokenCount) });
      const output = await inner.execute(bindings);
      stepsReturned++;
      return output;
    });
  });
  afterAll(() => engine.close());

  it('hands over a token while the step after it runs', async () => {
    const seen: { begun: number; returned: number }[] = [];
    const before = { begun: steps.length, returned: stepsReturned };
    for await (const event of engine.generate({ prompt: 'Once', sampling: { ...greedy, maxTokens: 5 } })) {
      if (event.type !== 'token') continue;
      seen.push({ begun: steps.length - before.begun, returned: stepsReturned - before.returned });
    }
    expect(seen).toEqual([
      { begun: 2, returned: 1 },
      { begun: 3, returned: 2 },
      { begun: 4, returned: 3 },
      { begun: 5, returned: 4 },
      { begun: 5, returned: 5 },
    ]);
  });

  it('computes nothing beyond a stop string, a stop id or the last token', async () => {
    const free = await engine.generate({ prompt: 'Once', sampling: { ...greedy, maxTokens: 12 } }).result();
    const { text, tokenIds } = free.choices[0];
    const word = text.trim().split(' ')[2];
    for (const end of [{ stop: [word] }, { stopTokenIds: [tokenIds[4]] }, { maxTokens: 3 }]) {
      steps = [];
      const sampling = { ...greedy, maxTokens: 12, ...end };
      const { choices } = await engine.generate({ prompt: 'Once', sampling, cacheSalt: JSON.stringify(end) }).result();
      expect(choices[0].tokenIds).toEqual(tokenIds.slice(0, choices[0].tokenIds.length));
      expect(steps.length, JSON.stringify(end)).toBe(choices[0].tokenIds.length);
      expect(engine.stats()).toMatchObject({ usedBlocks: 0, runningRequests: 0 });
    }
  });

  it('leaves nothing of a request that is cancelled while a step runs', async () => {
    const generation = engine.generate({ prompt: 'Once', sampling: { ...greedy, maxTokens: 60 }, n: 3 });
    let tokens = 0;
    let finishes = 0;
    for await (const event of generation) {
      if (event.type === 'token' && ++tokens === 7) generation.cancel();
      if (event.type === 'finish') finishes++;
      if (event.type === 'usage') expect(event.usage.completionTokens).toBeGreaterThanOrEqual(tokens);
    }
    expect(finishes).toBe(3);
    await expect.poll(() => engine.stats().usedBlocks).toBe(0);
  });

  it('asks for one pick per choice, and for none of a prompt that is still being read', async () => {
    steps = [];
    const tokenIds = Array.from({ length: 60 }, (_, i) => 300 + i);
    await engine.generate({ tokenIds, n: 3, sampling: { maxTokens: 2, seed: 1, ignoreEos: true } }).result();
    expect(steps.map(({ picks }) => picks?.length)).toEqual([0, 3, 3]);
  });
});

it('gives timers and sockets their turn where a backend never leaves the event loop', async () => {
  let turns = 0;
  const engine = await engineWatching((inner) => {
    let canned: Awaited<ReturnType<Executable['execute']>> | null = null;
    return async (bindings) => {
      canned ??= await inner.execute(bindings);
      const best = canned.picked[0];
      return { ...canned, picked: (bindings.picks ?? []).map(() => best) };
    };
  });
  const generation = engine.generate({ tokenIds: [300], sampling: { ...greedy, maxTokens: 60 } });
  let isOver = false;
  const count = () => {
    turns++;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  await generation.result();
  isOver = true;
  expect(turns).toBeGreaterThan(50);
  const { followedSteps } = engine.stats();
  expect(followedSteps).toBe(59);
  await engine.close();
});
