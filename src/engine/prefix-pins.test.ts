// Pins through the public API: a prefix that stays, within a budget and for a time.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InvalidRequestError } from '../errors/errors.ts';
import { bundledModelPath } from '../models/testing/bundled-model.ts';
import type { Engine } from './api.ts';
import { createEngine } from './create-engine.ts';

const sampling = { temperature: 0, maxTokens: 4, ignoreEos: true };
const promptOf = (seed: number, length = 64) => Array.from({ length }, (_, i) => 20 + ((i * 31 + seed * 977) % 900));

describe('pinned prefixes', () => {
  let engine: Engine;
  beforeEach(async () => {
    const model = bundledModelPath();
    const probe = await createEngine({ model, maxModelLen: 256, maxNumSeqs: 1, kvCacheMemoryBytes: 8 << 20 });
    const blockBytes = probe.memory.kvBytes / probe.stats().totalBlocks;
    await probe.close();
    const kvCacheMemoryBytes = 20 * blockBytes;
    engine = await createEngine({ model, maxModelLen: 256, maxNumSeqs: 2, kvCacheMemoryBytes, checkIntegrity: true });
  });
  afterEach(() => engine.close());

  const ask = async (seed: number, length?: number) =>
    (await engine.generate({ tokenIds: promptOf(seed, length), sampling }).result()).usage.cachedTokens;

  it('survive what evicts others, until they are released', async () => {
    await ask(1);
    const pin = engine.pinPrefix({ tokenIds: promptOf(1), leaseMs: 60_000 });
    expect(pin.pinnedTokens).toBe(64);
    expect(engine.stats().pinnedBlocks).toBe(4);
    for (const seed of [2, 3, 4, 5]) await ask(seed, 192);
    expect(await ask(1)).toBe(63);
    pin.release();
    pin.release();
    expect(engine.stats().pinnedBlocks).toBe(0);
    for (const seed of [6, 7, 8, 9]) await ask(seed, 192);
    expect(await ask(1)).toBe(0);
  });

  it('end with their lease', async () => {
    await ask(1);
    engine.pinPrefix({ tokenIds: promptOf(1), leaseMs: 30 });
    await expect.poll(() => engine.stats().pinnedBlocks).toBe(0);
    expect(engine.stats().usedBlocks).toBe(0);
  });

  it('hold what is cached under the salt, and refuse what exceeds the budget or makes no sense', async () => {
    await ask(1);
    expect(engine.pinPrefix({ tokenIds: promptOf(1), cacheSalt: 'other', leaseMs: 1000 }).pinnedTokens).toBe(0);
    expect(engine.pinPrefix({ tokenIds: promptOf(2), leaseMs: 1000 }).pinnedTokens).toBe(0);
    await ask(2, 128);
    expect(() => engine.pinPrefix({ tokenIds: promptOf(2, 128), leaseMs: 1000 })).toThrow(InvalidRequestError);
    expect(engine.stats().usedBlocks).toBe(0);
    for (const leaseMs of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => engine.pinPrefix({ tokenIds: promptOf(1), leaseMs })).toThrow(InvalidRequestError);
    }
  });
});
