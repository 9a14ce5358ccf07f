// Merging generations: order, backpressure, cancellation.

import { describe, expect, test } from 'vitest';
import type { GenerateEvent, Generation } from '../engine/api.ts';
import { mergeGenerations, startAll } from './merge.ts';

interface Scripted extends Generation {
  readonly pulledCount: number;
  readonly cancelled: boolean;
}

/** A generation that yields `count` tokens, or fails after them. */
function scripted(name: string, count: number, failure?: Error): Scripted {
  let pulledCount = 0;
  let cancelled = false;
  return {
    requestId: name,
    cacheReport: null,
    get pulledCount() {
      return pulledCount;
    },
    get cancelled() {
      return cancelled;
    },
    cancel() {
      cancelled = true;
    },
    result: () => Promise.reject(new Error('not used')),
    fork: () => {
      throw new Error('not used');
    },
    [Symbol.asyncIterator]: () => ({
      async next(): Promise<IteratorResult<GenerateEvent>> {
        if (pulledCount >= count) {
          if (failure) throw failure;
          return { value: undefined, done: true };
        }
        const tokenId = pulledCount++;
        return {
          value: { type: 'token', index: 0, tokenId, text: name, logprob: null, topLogprobs: null },
          done: false,
        };
      },
    }),
  };
}

describe('mergeGenerations', () => {
  test('yields every event of every generation, each in its own order', async () => {
    const generations = [scripted('a', 3), scripted('b', 0), scripted('c', 5)];
    const seen: number[][] = [[], [], []];
    for await (const { promptIndex, event } of mergeGenerations(generations)) {
      if (event.type === 'token') seen[promptIndex].push(event.tokenId);
    }
    expect(seen).toEqual([[0, 1, 2], [], [0, 1, 2, 3, 4]]);
  });

  test('holds at most one event per generation while its reader does not read', async () => {
    const generations = [scripted('a', 1000), scripted('b', 1000)];
    const merged = mergeGenerations(generations);
    await merged.next();
    await new Promise((resolve) => setTimeout(resolve, 5));
    for (const generation of generations) expect(generation.pulledCount).toBe(1);
    await merged.return();
  });

  test('leaving early cancels all', async () => {
    const generations = [scripted('a', 10), scripted('b', 10)];
    for await (const _ of mergeGenerations(generations)) break;
    expect(generations.map((generation) => generation.cancelled)).toEqual([true, true]);
  });

  test('an error of one is thrown and cancels the others', async () => {
    const generations = [scripted('a', 1, new Error('broken')), scripted('b', 1000)];
    await expect(async () => {
      for await (const _ of mergeGenerations(generations));
    }).rejects.toThrow('broken');
    expect(generations[1].cancelled).toBe(true);
  });
});

test('startAll starts all or none', () => {
  const first = scripted('a', 1);
  const refused = () => {
    throw new Error('full');
  };
  expect(() => startAll([() => first, refused])).toThrow('full');
  expect(first.cancelled).toBe(true);
  const second = scripted('b', 1);
  expect(startAll([() => second])).toEqual([second]);
  expect(second.cancelled).toBe(false);
});
