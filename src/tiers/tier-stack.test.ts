// How pages move in a stack, and what faults of a lower tier cost.

import { describe, expect, it } from 'vitest';
import { InvalidRequestError } from '../errors/index.ts';
import { createPageCodec } from './compress/page-codec.ts';
import { guardTier } from './guarded-tier.ts';
import { createHostTier } from './host/host-tier.ts';
import { type PageShape, pageBytesOf } from './page-codec.ts';
import { createFaultyTier } from './testing/faulty-tier.ts';
import { createTestClock, testBytes, testKey, testPages } from './testing/pages.ts';
import type { TierEvent } from './tier.ts';
import { createTierStack, type TierStack } from './tier-stack.ts';

const pageBytes = 4096;

function createTwo(topPages: number, lowPages: number, cleanShare = 1 / 8) {
  const clock = createTestClock();
  const low = createFaultyTier(createHostTier({ name: 'low', pageBytes, budgetBytes: lowPages * pageBytes, clock }));
  const events: TierEvent[] = [];
  const guarded = guardTier(low, { clock, onEvent: (event) => events.push(event) });
  const stack = createTierStack({
    clock,
    cleanShare,
    tiers: [
      (onEvict) => createHostTier({ pageBytes, budgetBytes: topPages * pageBytes, clock, onEvict }),
      () => guarded,
    ],
  });
  return { stack, low, clock, events };
}

async function readAll(stack: TierStack, from: number, count: number) {
  const into = Array.from({ length: count }, () => new Uint8Array(pageBytes));
  const results = await stack.get(
    Array.from({ length: count }, (_, i) => testKey(from + i)),
    into,
  );
  for (const [i, result] of results.entries()) {
    if (result === 'ok') expect(Buffer.compare(into[i], testBytes(from + i, pageBytes))).toBe(0);
  }
  return results;
}

describe('a stack of tiers', () => {
  it('lets pages fall and rise', async () => {
    const { stack } = createTwo(4, 16);
    await stack.put(testPages(0, 8, pageBytes));
    await stack.flush();
    expect(stack.locate(testKey(0))).toBe(1);
    expect(stack.locate(testKey(7))).toBe(0);
    expect(stack.figures.demotionsByTier[1]).toBeGreaterThanOrEqual(4);
    expect(await readAll(stack, 0, 8)).toEqual(Array(8).fill('ok'));
    expect(stack.figures.hitsByTier).toEqual([4, 4]);
    expect(stack.figures.lostEvictions).toBe(0);
    // A hit below rises once pages above may be dropped, which are below as well.
    await readAll(stack, 0, 4);
    expect(stack.figures.promotions).toBeGreaterThan(0);
    await stack.close();
  });

  it('writes cold pages down before they must go', async () => {
    const { stack } = createTwo(16, 64, 1 / 4);
    for (let n = 0; n < 16; n++) {
      await stack.put(testPages(n, 1, pageBytes));
      await stack.flush();
    }
    expect(stack.locate(testKey(0))).toBe(0);
    expect(stack.figures.demotionsByTier[1]).toBeGreaterThanOrEqual(4);
    await stack.put(testPages(16, 1, pageBytes));
    expect(stack.figures.cleanEvictions).toBeGreaterThan(0);
    expect(stack.locate(testKey(0))).toBe(1);
    await stack.close();
  });

  it('loses at most the pages whose operation failed', async () => {
    for (let n = 1; n <= 12; n++) {
      for (const fault of ['fail', 'corrupt', 'forget'] as const) {
        const { stack, low } = createTwo(4, 16);
        low.decide = ({ index }) => (index === n ? fault : null);
        for (let first = 0; first < 12; first += 2) await stack.put(testPages(first, 2, pageBytes));
        await stack.flush();
        await readAll(stack, 0, 12);
        const results = await readAll(stack, 0, 12);
        expect(results.filter((result) => result === 'ok').length).toBeGreaterThanOrEqual(4);
        expect(stack.usage.pinnedPages).toBe(0);
        await stack.close();
      }
    }
  });

  it('takes a failing tier out, and tries it again after a wait that doubles', async () => {
    const { stack, low, clock, events } = createTwo(4, 16);
    await stack.put(testPages(0, 8, pageBytes));
    await stack.flush();
    low.decide = () => 'fail';
    for (let i = 0; i < 3; i++) expect(await readAll(stack, 0, 1)).toEqual(['failed']);
    expect(stack.tiers[1].state).toBe('suspended');
    const before = low.operationCount;
    expect(stack.has(testKey(0))).toBe(false);
    expect(await readAll(stack, 0, 1)).toEqual(['missing']);
    expect(await stack.put(testPages(20, 4, pageBytes))).toEqual(Array(4).fill('ok'));
    expect(low.operationCount).toBe(before);
    clock.advance(1001);
    expect(await readAll(stack, 0, 1)).toEqual(['failed']);
    clock.advance(1001);
    expect(stack.tiers[1].state).toBe('suspended');
    clock.advance(1000);
    low.decide = () => null;
    expect(await readAll(stack, 0, 1)).toEqual(['ok']);
    expect(stack.tiers[1].state).toBe('ready');
    expect(events.map(({ kind }) => kind)).toEqual(['suspended', 'suspended', 'resumed']);
    await stack.close();
  });

  it('does not queue behind an operation that hangs', async () => {
    const { stack, low, clock } = createTwo(4, 16);
    await stack.put(testPages(0, 8, pageBytes));
    await stack.flush();
    let letGo = () => {};
    low.decide = () => new Promise((resolve) => (letGo = () => resolve(null)));
    const hanging = readAll(stack, 0, 1);
    await Promise.resolve();
    clock.advance(10_001);
    expect(stack.tiers[1].state).toBe('suspended');
    expect(await readAll(stack, 1, 1)).toEqual(['missing']);
    clock.advance(60_000);
    expect(stack.tiers[1].state).toBe('suspended');
    letGo();
    low.decide = () => null;
    expect(await hanging).toEqual(['ok']);
    clock.advance(60_000);
    expect(await readAll(stack, 0, 2)).toEqual(['ok', 'ok']);
    expect(stack.tiers[1].state).toBe('ready');
    await stack.close();
  });

  it('refuses tiers that do not go together', () => {
    const clock = createTestClock();
    const shape: PageShape = {
      layerCount: 1,
      kvHeadCount: 1,
      headSize: 64,
      blockSize: 16,
      dtype: 'f16',
      areKeysTransposed: true,
    };
    const codec = createPageCodec(shape, 'int8');
    expect(pageBytesOf(shape)).toBe(pageBytes);
    const raw = (bytes: number) => () => createHostTier({ pageBytes: bytes, budgetBytes: 10 * bytes, clock });
    const lossy = () => createHostTier({ pageBytes, budgetBytes: 10 * pageBytes, clock, codec });
    expect(() => createTierStack({ clock, tiers: [] })).toThrow(InvalidRequestError);
    expect(() => createTierStack({ clock, tiers: [raw(4096), raw(8192)] })).toThrow(/8192/);
    expect(() => createTierStack({ clock, tiers: [lossy, raw(4096)] })).toThrow(/lossless/);
  });
});

describe('a host tier that compresses', () => {
  it('holds 1.9 times the f16 pages in the same bytes', async () => {
    const clock = createTestClock();
    const shape: PageShape = {
      layerCount: 2,
      kvHeadCount: 2,
      headSize: 64,
      blockSize: 16,
      dtype: 'f16',
      areKeysTransposed: true,
    };
    const bytes = pageBytesOf(shape);
    const budgetBytes = 100 * bytes;
    const codec = createPageCodec(shape, 'int8');
    const tier = createHostTier({ pageBytes: bytes, budgetBytes, clock, codec });
    await tier.put(testPages(0, 260, bytes));
    expect(tier.usage.pages).toBeGreaterThanOrEqual(190);
    expect(tier.usage.bytes).toBeLessThanOrEqual(budgetBytes);
    await tier.close();
  });

  it('keeps the pages used last, and those that are not finite, as they are', async () => {
    const clock = createTestClock();
    const shape: PageShape = {
      layerCount: 1,
      kvHeadCount: 1,
      headSize: 64,
      blockSize: 16,
      dtype: 'f16',
      areKeysTransposed: false,
    };
    const codec = createPageCodec(shape, 'int8');
    const tier = createHostTier({ pageBytes, budgetBytes: 20 * pageBytes, clock, codec, hotShare: 0.25 });
    const infinite = testPages(1000, 1, pageBytes)[0];
    new Uint16Array(infinite.bytes.buffer)[7] = 0x7c00;
    await tier.put([infinite, ...testPages(0, 22, pageBytes)]);
    const into = [new Uint8Array(pageBytes), new Uint8Array(pageBytes), new Uint8Array(pageBytes)];
    expect(await tier.get([testKey(21), testKey(1000), testKey(0)], into)).toEqual(['ok', 'ok', 'ok']);
    expect(Buffer.compare(into[0], testBytes(21, pageBytes))).toBe(0);
    expect(Buffer.compare(into[1], infinite.bytes)).toBe(0);
    expect(Buffer.compare(into[2], testBytes(0, pageBytes))).not.toBe(0);
    expect(tier.counters.compressions).toBeGreaterThan(0);
    await tier.close();
  });
});
