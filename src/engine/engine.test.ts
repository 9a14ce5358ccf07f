// The engine through its public API, on the bundled model.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ContextLengthError,
  EngineClosedError,
  InvalidRequestError,
  MemoryPlanError,
  ModelFileError,
  QueueFullError,
} from '../errors/errors.ts';
import { bundledModelPath } from '../models/testing/bundled-model.ts';
import type { Engine, EngineOptions, GenerateEvent, GenerateRequest, RequestTimes } from './api.ts';
import { createEngine } from './create-engine.ts';

const model = bundledModelPath();
const small: Omit<EngineOptions, 'model'> = {
  maxModelLen: 256,
  maxNumSeqs: 8,
  kvCacheMemoryBytes: 8 << 20,
  checkIntegrity: true,
  threads: 2,
};
// Not ending early, whatever the bundled model says: only full blocks are cached.
const greedy = { temperature: 0, maxTokens: 24, ignoreEos: true };

async function eventsOf(engine: Engine, request: GenerateRequest): Promise<GenerateEvent[]> {
  const events: GenerateEvent[] = [];
  for await (const event of engine.generate(request)) events.push(event);
  return events;
}

describe('engine', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createEngine({ model, ...small });
  });
  afterAll(() => engine.close());

  it('yields start, tokens, finish and usage in order, and the same text as result()', async () => {
    const request = { prompt: 'Once upon a time', sampling: greedy };
    const events = await eventsOf(engine, request);
    expect(events[0].type).toBe('start');
    expect(events.at(-1)?.type).toBe('usage');
    expect(events.at(-2)?.type).toBe('finish');
    const text = events.map((event) => (event.type === 'token' || event.type === 'finish' ? event.text : '')).join('');
    const result = await engine.generate(request).result();
    expect(result.choices[0].text).toBe(text);
    expect(result.choices[0].finishReason).toBe('length');
    expect(engine.tokenizer.decode(result.choices[0].tokenIds)).toBe(text);
    expect(result.usage).toMatchObject({ promptTokens: result.promptTokenIds.length, completionTokens: 24 });
    expect(result.usage.cachedTokens).toBe(result.promptTokenIds.length - 1);
  });

  it('answers messages through the chat template and ends at the end token', async () => {
    const result = await engine
      .generate({ messages: [{ role: 'user', content: 'Hello!' }], sampling: { temperature: 0, maxTokens: 100 } })
      .result();
    expect(result.choices[0].finishReason).toBe('stop');
    expect(engine.tokenizer.eosTokenIds).toContain(result.choices[0].tokenIds.at(-1));
    expect(result.choices[0].text).not.toContain('<|');
  });

  it('leaves the assistant turn closed when told to, and encodes alike with and without waiting', async () => {
    const messages = [{ role: 'user', content: 'Hello!' }];
    const open = await engine.encodePrompt({ messages });
    const closed = await engine.encodePrompt({ messages, chatOptions: { addGenerationPrompt: false } });
    expect(open.slice(0, closed.length)).toEqual(closed);
    expect(open.length).toBeGreaterThan(closed.length);
    const { promptTokenIds } = await engine.generate({ messages, sampling: { maxTokens: 1 } }).result();
    expect(promptTokenIds).toEqual(open);
    await expect(engine.encodePrompt({})).rejects.toBeInstanceOf(InvalidRequestError);
  });

  it('goes on past the end token when told to, and not before minTokens', async () => {
    const messages = [{ role: 'user', content: 'Hello!' }];
    const ignoring = await engine
      .generate({ messages, sampling: { temperature: 0, maxTokens: 60, ignoreEos: true } })
      .result();
    expect(ignoring.choices[0].tokenIds).toHaveLength(60);
    const late = await engine
      .generate({ messages, sampling: { temperature: 0, maxTokens: 60, minTokens: 40 } })
      .result();
    expect(late.choices[0].tokenIds.length).toBeGreaterThanOrEqual(40);
    expect(late.choices[0].tokenIds.slice(0, 40).some((id) => engine.tokenizer.eosTokenIds.includes(id))).toBe(false);
  });

  it('stops before a stop string and at a stop id', async () => {
    const free = await engine.generate({ prompt: 'Once upon a time', sampling: greedy }).result();
    const word = free.choices[0].text.trim().split(' ')[3];
    const stopped = await engine
      .generate({ prompt: 'Once upon a time', sampling: { ...greedy, stop: [word] } })
      .result();
    expect(stopped.choices[0]).toMatchObject({ finishReason: 'stop', stopReason: word });
    expect(stopped.choices[0].text).toBe(free.choices[0].text.slice(0, free.choices[0].text.indexOf(word)));
    const id = free.choices[0].tokenIds[5];
    const atId = await engine
      .generate({ prompt: 'Once upon a time', sampling: { ...greedy, stopTokenIds: [id] } })
      .result();
    expect(atId.choices[0]).toMatchObject({ finishReason: 'stop', stopReason: id });
    expect(atId.choices[0].tokenIds).toEqual(
      free.choices[0].tokenIds.slice(0, free.choices[0].tokenIds.indexOf(id) + 1),
    );
  });

  it('draws n choices of one prompt, each as if asked for alone with its index', async () => {
    const sampling = { temperature: 1, seed: 5, maxTokens: 16, logprobs: 1 };
    const before = engine.stats().computedTokens;
    const { choices, usage } = await engine
      .generate({ prompt: 'The fox said', sampling, n: 4, cacheSalt: 'n' })
      .result();
    const computed = engine.stats().computedTokens - before;
    expect(new Set(choices.map(({ text }) => text)).size).toBeGreaterThan(1);
    expect(computed).toBeLessThanOrEqual(usage.promptTokens + usage.completionTokens);
    const again = await engine.generate({ prompt: 'The fox said', sampling, n: 4, cacheSalt: 'other' }).result();
    expect(again.choices).toEqual(choices);
    const single = await engine.generate({ prompt: 'The fox said', sampling }).result();
    expect(single.choices[0]).toEqual(choices[0]);
  });

  it('forks a running sequence: the same seed goes on the same, another elsewhere', async () => {
    const sampling = { temperature: 1, seed: 9, maxTokens: 40, ignoreEos: true };
    const parent = engine.generate({ prompt: 'Once upon a time', sampling });
    const forks: Promise<number[]>[] = [];
    const tokens: number[] = [];
    let forkedAt = 0;
    for await (const event of parent) {
      if (event.type !== 'token') continue;
      tokens.push(event.tokenId);
      if (tokens.length !== 10) continue;
      for (const seed of [9, 10]) {
        const fork = parent.fork({ sampling: { seed, maxTokens: 12 } });
        forks.push(
          fork.result().then(({ promptTokenIds, choices }) => {
            forkedAt = promptTokenIds.length - engine.tokenizer.encode('Once upon a time').length;
            return [...choices[0].tokenIds];
          }),
        );
      }
    }
    const [same, other] = await Promise.all(forks);
    expect(same).toEqual(tokens.slice(forkedAt, forkedAt + 12));
    expect(other).not.toEqual(same);
    expect(() => parent.fork()).toThrow(InvalidRequestError);
  });

  it('reports log-probabilities of prompt and output', async () => {
    const { promptLogprobs, choices, promptTokenIds } = await engine
      .generate({ prompt: 'Once upon a time, there was', sampling: { ...greedy, logprobs: 2, promptLogprobs: 1 } })
      .result();
    expect(promptLogprobs).toHaveLength(promptTokenIds.length);
    expect(promptLogprobs?.[0]).toBeNull();
    expect(promptLogprobs?.[1]?.tokenId).toBe(promptTokenIds[1]);
    for (const entry of choices[0].logprobs ?? []) {
      expect(entry.topLogprobs).toHaveLength(2);
      expect(entry.logprob).toBe(entry.topLogprobs[0].logprob);
      expect(entry.logprob).toBeLessThanOrEqual(0);
    }
  });

  it('keeps tenants apart', async () => {
    const prompt = 'A secret story about a very special silver key that nobody else may know of.';
    const first = await engine.generate({ prompt, sampling: greedy, cacheSalt: 'a' }).result();
    const other = await engine.generate({ prompt, sampling: greedy, cacheSalt: 'b' }).result();
    const same = await engine.generate({ prompt, sampling: greedy, cacheSalt: 'a' }).result();
    expect([first.usage.cachedTokens, other.usage.cachedTokens]).toEqual([0, 0]);
    expect(same.usage.cachedTokens).toBe(same.usage.promptTokens - 1);
    expect(other.choices).toEqual(first.choices);
  });

  it('cancels by signal, by leaving the loop and by cancel()', async () => {
    const controller = new AbortController();
    const request = { prompt: 'Once', sampling: { maxTokens: 200, ignoreEos: true } };
    const aborted = engine.generate({ ...request, signal: controller.signal });
    let count = 0;
    let reason = '';
    for await (const event of aborted) {
      if (event.type === 'token' && ++count === 3) controller.abort();
      if (event.type === 'finish') reason = event.reason;
    }
    expect(reason).toBe('cancelled');
    for await (const event of engine.generate(request)) if (event.type === 'token') break;
    const cancelled = engine.generate(request);
    cancelled.cancel();
    expect((await cancelled.result()).choices[0].finishReason).toBe('cancelled');
    await expect.poll(() => engine.stats().usedBlocks).toBe(0);
    expect((await engine.generate({ ...request, signal: AbortSignal.abort() }).result()).choices[0].finishReason).toBe(
      'cancelled',
    );
  });

  it.each<[string, GenerateRequest, string]>([
    ['no prompt', {}, 'prompt'],
    ['two prompts', { prompt: 'a', tokenIds: [1] }, 'prompt'],
    ['empty tokens', { tokenIds: [] }, 'prompt'],
    ['a token outside the vocabulary', { tokenIds: [1e6] }, 'tokenIds'],
    ['a fractional token', { tokenIds: [0.5] }, 'tokenIds'],
    ['n of 0', { prompt: 'a', n: 0 }, 'n'],
    ['no messages', { messages: [] }, 'messages'],
    ['a bad temperature', { prompt: 'a', sampling: { temperature: -1 } }, 'temperature'],
  ])('refuses %s', (_label, request, param) => {
    try {
      engine.generate(request);
    } catch (error) {
      expect(error).toBeInstanceOf(InvalidRequestError);
      expect((error as InvalidRequestError).param).toBe(param);
      return;
    }
    expect.unreachable('accepted');
  });

  it('refuses what can never fit, with the numbers', () => {
    const long = Array.from({ length: 250 }, () => 300);
    expect(() => engine.generate({ tokenIds: long, sampling: { maxTokens: 10 } })).toThrow(ContextLengthError);
    expect(() => engine.generate({ tokenIds: [...long, ...long] })).toThrow(/256 tokens/);
    expect(engine.stats()).toMatchObject({ runningRequests: 0, waitingRequests: 0, usedBlocks: 0 });
  });
});

describe('engine limits and life', () => {
  it('computes a prefix of 1,024 tokens once for 32 requests that arrive together, and holds it once', async () => {
    await using engine = await createEngine({
      model,
      maxModelLen: 1100,
      maxNumSeqs: 32,
      kvCacheMemoryBytes: 64 << 20,
      maxNumBatchedTokens: 512,
      threads: 2,
    });
    const prefix = Array.from({ length: 1024 }, (_, i) => 260 + ((i * 37) % 700));
    const own = 8;
    const tokens = 4;
    let mostBlocks = 0;
    const results = await Promise.all(
      Array.from({ length: 32 }, async (_, i) => {
        const tokenIds = [...prefix, ...Array.from({ length: own }, (_, j) => 300 + i * own + j)];
        let cached = 0;
        for await (const event of engine.generate({
          tokenIds,
          sampling: { temperature: 0, maxTokens: tokens, ignoreEos: true },
        })) {
          if (event.type === 'usage') cached = event.usage.cachedTokens;
          mostBlocks = Math.max(mostBlocks, engine.stats().usedBlocks);
        }
        return cached;
      }),
    );
    expect(engine.stats().computedTokens).toBe(1024 + 32 * own + 32 * (tokens - 1));
    expect(results.filter((cached) => cached === 1024)).toHaveLength(31);
    expect(mostBlocks).toBeLessThanOrEqual(1024 / 16 + 32);
  });

  it('leaves the pool as it was after 2,000 requests, a third cancelled at random', async () => {
    await using engine = await createEngine({
      model,
      maxModelLen: 64,
      maxNumSeqs: 16,
      kvCacheMemoryBytes: 1 << 20,
      maxQueuedRequests: 4096,
      threads: 2,
    });
    let state = 1;
    const random = (below: number) => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 8) % below;
    };
    const before = engine.stats();
    await Promise.all(
      Array.from({ length: 2000 }, async (_, i) => {
        const tokenIds = Array.from({ length: 1 + random(24) }, () => 260 + random(8));
        const cancelAt = i % 3 === 0 ? random(6) : -1;
        const generation = engine.generate({
          tokenIds,
          sampling: { maxTokens: 1 + random(6), seed: i, ignoreEos: true },
        });
        if (cancelAt === 0) generation.cancel();
        let count = 0;
        for await (const event of generation) if (event.type === 'token' && ++count === cancelAt) break;
      }),
    );
    await expect.poll(() => engine.stats().runningRequests).toBe(0);
    const after = engine.stats();
    expect(after).toMatchObject({
      waitingRequests: 0,
      usedBlocks: 0,
      freeBlocks: before.freeBlocks,
      totalBlocks: before.totalBlocks,
    });
    expect(Object.values(after.finishedRequests).reduce((a, b) => a + b)).toBe(2000);
    expect(after.preemptions + after.evictions).toBeGreaterThan(0);
    expect(engine.blockMap().references.every((count) => count === 0)).toBe(true);
  });

  it('refuses when the queue is full, and goes on', async () => {
    await using engine = await createEngine({ model, ...small, maxNumSeqs: 1, maxQueuedRequests: 3 });
    const request = { prompt: 'Once', sampling: { maxTokens: 8, ignoreEos: true } };
    const accepted = [];
    let refusal: unknown = null;
    for (let i = 0; i < 10; i++) {
      try {
        accepted.push(engine.generate(request).result());
      } catch (error) {
        refusal = error;
      }
    }
    expect(refusal).toBeInstanceOf(QueueFullError);
    expect((refusal as QueueFullError).limitRequests).toBe(3);
    for (const { choices } of await Promise.all(accepted)) expect(choices[0].tokenIds).toHaveLength(8);
    expect((await engine.generate(request).result()).choices[0].tokenIds).toHaveLength(8);
  });

  it('drains what runs and refuses what comes; close cancels the rest', async () => {
    const engine = await createEngine({ model, ...small });
    const ended: RequestTimes[] = [];
    engine.onRequestEnd((times) => ended.push(times));
    const running = engine.generate({ prompt: 'Once', sampling: { maxTokens: 30, ignoreEos: true } }).result();
    const drained = engine.drain();
    expect(() => engine.generate({ prompt: 'more' })).toThrow(EngineClosedError);
    expect((await running).choices[0].tokenIds).toHaveLength(30);
    await drained;
    expect(ended).toHaveLength(1);
    expect(ended[0]).toMatchObject({ completionTokens: 30, finishReason: 'length' });
    expect(ended[0].interTokenMs).toHaveLength(29);
    // Waiting ends where the first step begins, which samples the first token where it ends.
    const { arrivedMs, firstScheduledMs, firstTokenMs } = ended[0];
    expect(firstScheduledMs!).toBeGreaterThanOrEqual(arrivedMs);
    expect(firstScheduledMs!).toBeLessThan(firstTokenMs!);
    await engine.close();
    await engine.close();

    const other = await createEngine({ model, ...small });
    const cut = other.generate({ prompt: 'Once', sampling: { maxTokens: 200, ignoreEos: true } }).result();
    await other.close();
    expect((await cut).choices[0].finishReason).toBe('cancelled');
  });

  it.each<[string, Partial<EngineOptions>, new (...args: never[]) => Error]>([
    ['a missing file', { model: 'no/such/model.gguf' }, ModelFileError],
    ['a pool too small for one sequence', { kvCacheMemoryBytes: 4096, maxModelLen: 256 }, MemoryPlanError],
    ['a pool beyond memory', { kvCacheMemoryBytes: 2 ** 50 }, MemoryPlanError],
    ['a context beyond the model', { maxModelLen: 1e6 }, InvalidRequestError],
    ['a block size of 0', { blockSize: 0 }, InvalidRequestError],
    ['no threads', { threads: 0 }, InvalidRequestError],
    ['an unknown eviction policy', { evictionPolicy: 'random' as 'lru' }, InvalidRequestError],
    ['an unknown allocator', { allocator: 'slab' as 'buddy' }, InvalidRequestError],
    ['a negative budget for compaction', { compactionBlocksPerStep: -1 }, InvalidRequestError],
    ['an unknown cache dtype', { kvCacheDtype: 'q8_0' as 'f16' }, InvalidRequestError],
  ])('does not start with %s', async (_label, options, type) => {
    await expect(createEngine({ model, ...options })).rejects.toBeInstanceOf(type);
  });
});
