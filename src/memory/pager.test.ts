// Loads and saves of pages, over tiers that wait, lose and refuse.

import { describe, expect, it } from 'vitest';
import { createHostTier, type GetResult, pageKey, type Tier } from '../tiers/index.ts';
import type { BlockFill } from './block-fill.ts';
import { HASH_WORDS } from './block-hash.ts';
import { createPager, type Pager, type PageWorth, type TierOptions } from './pager.ts';

const pageBytes = 4096;
const chain = Uint32Array.from({ length: 8 * HASH_WORDS }, (_, i) => i * 2654435761);
const keyOf = (index: number) => pageKey(chain, (index + 1) * HASH_WORDS);
const fillOf = (blocks: number[], firstIndex = 0): BlockFill => ({
  blocks,
  indices: blocks.map((_, i) => firstIndex + i),
  cachedBlocks: [],
  cachedIndices: [],
  endBlock: firstIndex + blocks.length,
  chain,
});

/** Consecutive pages from `first` on that the tiers have. */
function available(pager: Pager, first: number): number {
  let count = 0;
  while (first + count < 7 && pager.has(chain, first + count + 1)) count++;
  return count;
}

/** A tier that does everything through buffers. */
const staged = (tier: Tier): Tier => ({ ...tier, place: undefined, lend: undefined });

function setUp(wrap: (tier: Tier) => Tier, more: Partial<TierOptions> = {}) {
  const device = Array.from({ length: 16 }, () => new Uint8Array(pageBytes));
  let nowMs = 0;
  let copies = 0;
  const timers: { atMs: number; action: () => void }[] = [];
  const host = createHostTier({ pageBytes, budgetBytes: 64 * pageBytes, clock: { now: () => nowMs } });
  const pager: Pager = createPager({
    tier: wrap(host),
    bytes: {
      pageBytes,
      read(block, into) {
        copies++;
        into.set(device[block]);
      },
      write(block, from) {
        copies++;
        device[block].set(from);
      },
    },
    now: () => nowMs,
    after: (ms, action) => timers.push({ atMs: nowMs + ms, action }),
    ...more,
  });
  /** Block `block` holds the content of place `index` in the chain and is evicted. */
  function evict(block: number, index: number, worth?: PageWorth): void {
    const hashes = new Uint32Array(16 * HASH_WORDS);
    hashes.set(chain.subarray((index + 1) * HASH_WORDS, (index + 2) * HASH_WORDS), block * HASH_WORDS);
    device[block].fill(index + 1);
    pager.save(block, hashes, worth);
    device[block].fill(255);
  }
  function advance(ms: number): void {
    nowMs += ms;
    const all = timers.splice(0);
    timers.push(...all.filter(({ atMs }) => atMs > nowMs));
    for (const { atMs, action } of all) if (atMs <= nowMs) action();
  }
  return { pager, device, evict, advance, host, copies: () => copies };
}

describe('pager', () => {
  it('brings back what was evicted, in place of what the blocks hold by then', async () => {
    const { pager, device, evict } = setUp((tier) => tier);
    for (const index of [0, 1, 2]) evict(index, index);
    await pager.settled();
    expect(available(pager, 0)).toBe(3);
    expect(available(pager, 3)).toBe(0);
    let filled = -1;
    const load = pager.load(fillOf([5, 6, 7]), (count) => {
      filled = count;
    });
    expect(pager.loadOf(chain, 2)).toBeDefined();
    await load;
    expect(filled).toBe(3);
    expect([5, 6, 7].map((block) => device[block][100])).toEqual([1, 2, 3]);
    expect(pager.counters).toMatchObject({ pagesOut: 3, pagesIn: 3, loads: 1, joinedLoads: 1, failedPages: 0 });
    evict(3, 1);
    expect(pager.counters.cleanEvictions).toBe(1);
  });

  it.each([
    ['in its memory', (tier: Tier) => tier],
    ['through buffers', staged],
  ])('moves pages to and from a tier %s', async (label, wrap) => {
    const { pager, device, evict, copies, host } = setUp(wrap);
    for (const index of [0, 1, 2]) evict(index, index);
    // In memory a page is there when it has been evicted.
    expect(host.usage.pages).toBe(label === 'in its memory' ? 3 : 0);
    await pager.settled();
    await pager.load(fillOf([5, 6, 7]), () => {});
    expect([5, 6, 7].map((block) => device[block][100])).toEqual([1, 2, 3]);
    expect(copies()).toBe(6);
    expect(pager.counters).toMatchObject({ pagesOut: 3, pagesIn: 3 });
    expect(host.usage.pinnedPages).toBe(0);
  });

  it('fills a load from memory and through buffers at once, up to the first page that is not there', async () => {
    for (const lost of [-1, 1, 3]) {
      const mixed = (tier: Tier): Tier => ({
        ...tier,
        lend: (key, read) => key.charCodeAt(0) % 2 === 0 && tier.lend!(key, read),
        async get(keys, into) {
          const results = await tier.get(keys, into);
          return results.map((result, i): GetResult => (keys[i] === keyOf(lost) ? 'corrupt' : result));
        },
      });
      const { pager, device, evict } = setUp(mixed);
      for (const index of [0, 1, 2, 3]) evict(index, index);
      await pager.settled();
      let filled = -1;
      await pager.load(fillOf([5, 6, 7, 8]), (count) => {
        filled = count;
      });
      const isLent = lost >= 0 && keyOf(lost).charCodeAt(0) % 2 === 0;
      expect(filled).toBe(lost === -1 || isLent ? 4 : lost);
      for (let i = 0; i < filled; i++) expect(device[5 + i][9]).toBe(i + 1);
    }
  });

  it('ends a load at the first page that does not come', async () => {
    const lose = (tier: Tier): Tier => ({
      ...staged(tier),
      has: tier.has,
      put: tier.put,
      async get(keys, into) {
        const results = await tier.get(keys, into);
        return results.map((result, i): GetResult => (i === 1 ? 'corrupt' : result));
      },
    });
    const { pager, device, evict } = setUp(lose);
    for (const index of [0, 1, 2]) evict(index, index);
    await pager.settled();
    let filled = -1;
    await pager.load(fillOf([5, 6, 7]), (count) => {
      filled = count;
    });
    expect(filled).toBe(1);
    expect([5, 6].map((block) => device[block][0])).toEqual([1, 0]);
    expect(pager.counters).toMatchObject({ pagesIn: 1, failedPages: 2 });
  });

  it('gives up a load that hangs, writes nothing when it ends after all, and loads nothing meanwhile', async () => {
    let letGo: () => void = () => {};
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    const hang = (tier: Tier): Tier => ({
      ...staged(tier),
      has: tier.has,
      put: tier.put,
      async get(keys, into) {
        await held;
        return tier.get(keys, into);
      },
    });
    const { pager, device, evict, advance } = setUp(hang, { patienceMs: 100 });
    for (const index of [0, 1]) evict(index, index);
    // Stored by turns of the event loop alone.
    await new Promise((resolve) => setImmediate(resolve));
    let filled = -1;
    const load = pager.load(fillOf([5, 6]), (count) => {
      filled = count;
    });
    advance(99);
    expect(filled).toBe(-1);
    advance(1);
    await load;
    expect(filled).toBe(0);
    expect(pager.counters.abandonedLoads).toBe(1);
    expect(available(pager, 0)).toBe(0);
    device[5].fill(42);
    letGo();
    await pager.settled();
    expect(device[5][0]).toBe(42);
    expect(available(pager, 0)).toBe(2);
  });

  it('loses a page when its buffers are all under way, and stores nothing wrong', async () => {
    const { pager, evict } = setUp(staged, { stagingPages: 2 });
    for (const index of [0, 1, 2]) evict(index, index);
    expect(pager.counters.lostPages).toBe(1);
    await pager.settled();
    expect(available(pager, 0)).toBe(2);
  });

  it('computes what loading would not be faster for, and tries a load again in time', async () => {
    let tookMs = 0;
    const slow = (tier: Tier): Tier => ({
      ...staged(tier),
      has: tier.has,
      put: tier.put,
      async get(keys, into) {
        advanceBy(tookMs);
        return tier.get(keys, into);
      },
    });
    const parts = setUp(slow, { recomputeMs: (tokenCount) => tokenCount });
    const advanceBy = parts.advance;
    const { pager, evict } = parts;
    for (const index of [0, 1]) evict(index, index);
    await pager.settled();
    const isWorthwhile = (count: number, tokens: number) =>
      pager.isWorthwhile(
        pager.expectedMs(
          chain,
          Array.from({ length: count }, (_, i) => i),
        ),
        tokens,
        0,
      );
    expect(isWorthwhile(2, 32)).toBe(true);
    tookMs = 100;
    await pager.load(fillOf([5, 6]), () => {});
    // 50 ms a page: two pages against 32 ms.
    expect(isWorthwhile(2, 32)).toBe(false);
    expect(isWorthwhile(1, 80)).toBe(true);
    for (let i = 0; i < 100; i++) expect(isWorthwhile(2, 32)).toBe(false);
    // What was measured long ago is doubted.
    advanceBy(60_000);
    expect(isWorthwhile(2, 32)).toBe(false);
    advanceBy(60_000);
    expect(isWorthwhile(2, 32)).toBe(true);
  });

  it('counts the loads that are before one in the queue', async () => {
    let tookMs = 10;
    let letGo: () => void = () => {};
    let held = Promise.resolve();
    const slow = (tier: Tier): Tier => ({
      ...staged(tier),
      has: tier.has,
      put: tier.put,
      async get(keys, into) {
        parts.advance(tookMs * keys.length);
        await held;
        return tier.get(keys, into);
      },
    });
    const parts = setUp(slow, { recomputeMs: (tokenCount) => tokenCount });
    const { pager, evict } = parts;
    for (const index of [0, 1, 2, 3]) evict(index, index);
    await pager.settled();
    await pager.load(fillOf([5]), () => {});
    expect(pager.isWorthwhile(pager.expectedMs(chain, [3]), 16, 48)).toBe(true);
    tookMs = 0;
    held = new Promise((resolve) => {
      letGo = resolve;
    });
    const load = pager.load(fillOf([5, 6], 1), () => {});
    // 20 ms of others and 10 of its own against 16.
    expect(pager.isWorthwhile(pager.expectedMs(chain, [3]), 16, 48)).toBe(false);
    expect(pager.isWorthwhile(pager.expectedMs(chain, [3]), 40, 48)).toBe(true);
    letGo();
    await load;
  });

  it('copies out what is worth the copy, by the odds and by what loading saves', async () => {
    let copyMs = 0;
    let loadMs = 0;
    const slow = (tier: Tier): Tier => ({
      ...tier,
      place(key, write) {
        parts.advance(copyMs);
        return tier.place!(key, write);
      },
      lend(key, read) {
        parts.advance(loadMs);
        return tier.lend!(key, read);
      },
    });
    const parts = setUp(slow, { recomputeMs: (tokenCount) => tokenCount });
    const { pager, evict, host } = parts;
    const worth = (odds: number) => ({ odds, tokenCount: 16, position: 0 });
    copyMs = 2;
    // Nothing is known of loading: it is tried.
    evict(0, 0, worth(0));
    expect(host.usage.pages).toBe(1);
    loadMs = 4;
    await pager.load(fillOf([5]), () => {});
    // 12 ms are saved if it comes back, 2 are spent.
    evict(1, 1, worth(0.1));
    expect(host.usage.pages).toBe(1);
    expect(pager.counters.declinedPages).toBe(1);
    evict(1, 1, worth(0.2));
    expect(host.usage.pages).toBe(2);
    // As slow as computing: of no use, however sure.
    loadMs = 40;
    await pager.load(fillOf([5]), () => {});
    evict(2, 2, worth(1));
    expect(host.usage.pages).toBe(2);
    // At the end everything goes.
    evict(2, 2);
    expect(host.usage.pages).toBe(3);
  });
});
