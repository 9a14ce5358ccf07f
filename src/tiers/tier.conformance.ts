// The suite that every tier passes: pages come back as they were or not at all, the budget holds, the coldest go first.

import { afterEach, describe, expect, it } from 'vitest';
import { createRandom } from '../random/random.ts';
import type { PageKey } from './page-key.ts';
import { largestDifference, testBytes, testKey, testPage, testPages } from './testing/pages.ts';
import type { EvictionHandler, Tier } from './tier.ts';

export interface TierSubject {
  readonly name: string;
  readonly pageBytes: number;
  /** A new empty tier that holds at least `pages` pages and certainly fewer than four times as many. */
  readonly create: (pages: number, onEvict?: EvictionHandler) => Promise<Tier>;
  /** Largest difference of values that come back; 0: the bytes are the same. */
  readonly tolerance: number;
  /** Whether what is put last is what stays. A stack keeps pages in several places. Defaults to true. */
  readonly isLeastRecentlyUsed?: boolean;
}

export function describeTierConformance(subject: TierSubject): void {
  const { pageBytes, tolerance } = subject;

  describe(`tier conformance: ${subject.name}`, () => {
    const open: Tier[] = [];
    const create = async (pages: number, onEvict?: EvictionHandler) => {
      const tier = await subject.create(pages, onEvict);
      open.push(tier);
      return tier;
    };
    afterEach(async () => {
      for (const tier of open.splice(0)) await tier.close();
    });

    async function read(tier: Tier, numbers: readonly number[]) {
      const into = numbers.map(() => new Uint8Array(pageBytes).fill(0xee));
      const results = await tier.get(numbers.map(testKey), into);
      for (const [i, n] of numbers.entries()) if (results[i] === 'ok') expectPage(into[i], n);
      return results;
    }

    function expectPage(bytes: Uint8Array, n: number): void {
      const expected = testBytes(n, pageBytes);
      if (tolerance === 0) expect(Buffer.compare(bytes, expected), `bytes of page ${n}`).toBe(0);
      else expect(largestDifference(bytes, expected), `values of page ${n}`).toBeLessThanOrEqual(tolerance);
    }

    it('gives back what was put, in any order, and says what it lacks', async () => {
      const tier = await create(8);
      expect(await tier.put(testPages(0, 6, pageBytes))).toEqual(Array(6).fill('ok'));
      expect(tier.has(testKey(3))).toBe(true);
      expect(tier.has(testKey(77))).toBe(false);
      expect(await read(tier, [5, 77, 0, 3, 3, 78])).toEqual(['ok', 'missing', 'ok', 'ok', 'ok', 'missing']);
      expect(await tier.put([])).toEqual([]);
      expect(await tier.get([], [])).toEqual([]);
      expect(tier.counters.hits).toBe(4);
      expect(tier.counters.misses).toBe(2);
    });

    it('stores a page once, however often it is put', async () => {
      const tier = await create(8);
      const page = testPage(1, pageBytes);
      expect(await tier.put([page, testPage(2, pageBytes), page])).toEqual(['ok', 'ok', 'ok']);
      expect(await tier.put([page])).toEqual(['ok']);
      expect(tier.usage.pages).toBe(2);
    });

    it('has read the pages when the promise of put settles', async () => {
      const tier = await create(8);
      const bytes = testBytes(4, pageBytes);
      await tier.put([{ key: testKey(4), bytes }]);
      bytes.fill(0);
      await tier.flush();
      expect(await read(tier, [4])).toEqual(['ok']);
    });

    it('places and lends pages at once, or says that it cannot', async () => {
      const tier = await create(8);
      let placed = 0;
      for (let n = 0; n < 40; n++) {
        const isPlaced = tier.place?.(testKey(n), (into) => into.set(testBytes(n, pageBytes))) ?? false;
        if (isPlaced) placed++;
        expect(tier.has(testKey(n))).toBe(isPlaced);
        expect(tier.usage.bytes).toBeLessThanOrEqual(tier.usage.budgetBytes);
      }
      expect(tier.counters.stored).toBe(placed);
      const { pages } = tier.usage;
      tier.delete([testKey(0)]);
      const breakOff = () => {
        throw new Error('the pool is gone');
      };
      if (tier.place !== undefined) expect(() => tier.place!(testKey(99), breakOff)).toThrow('the pool is gone');
      expect(tier.has(testKey(99))).toBe(false);
      expect(tier.usage.pages).toBeLessThanOrEqual(pages);
      const present = Array.from({ length: 40 }, (_, n) => n).filter((n) => tier.has(testKey(n)));
      for (const n of present) tier.lend?.(testKey(n), (from) => expectPage(from, n));
      expect(tier.lend?.(testKey(77), () => {}) ?? false).toBe(false);
      await read(tier, present);
      expect(await tier.put(testPages(50, 4, pageBytes))).toEqual(Array(4).fill('ok'));
      await read(tier, [50, 51, 52, 53]);
      await tier.flush();
      expect(tier.usage.pinnedPages).toBe(0);
    });

    it('stays within its budget, and forgets the coldest', async () => {
      const tier = await create(8);
      for (let n = 0; n < 100; n += 5) {
        expect(await tier.put(testPages(n, 5, pageBytes))).toEqual(Array(5).fill('ok'));
        expect(tier.usage.bytes).toBeLessThanOrEqual(tier.usage.budgetBytes);
      }
      expect(tier.has(testKey(0))).toBe(false);
      if (subject.isLeastRecentlyUsed ?? true) expect(await read(tier, [98, 99])).toEqual(['ok', 'ok']);
      const present = Array.from({ length: 100 }, (_, n) => n).filter((n) => tier.has(testKey(n)));
      expect(present.length).toBeGreaterThanOrEqual(8);
      expect(present.length).toBeLessThan(32);
      await read(tier, present);
    });

    it('keeps what is used', async () => {
      if (!(subject.isLeastRecentlyUsed ?? true)) return;
      const tier = await create(8);
      await tier.put(testPages(0, 4, pageBytes));
      for (let n = 4; n < 60; n++) {
        tier.touch(testKey(0));
        expect(await read(tier, [1])).toEqual(['ok']);
        await tier.put([testPage(n, pageBytes)]);
      }
      expect([0, 1, 2, 3].map((n) => tier.has(testKey(n)))).toEqual([true, true, false, false]);
    });

    it('does not evict what is pinned, and refuses when all is', async () => {
      const tier = await create(4);
      expect(tier.pin(testKey(0))).toBe(false);
      await tier.put([testPage(0, pageBytes)]);
      expect(tier.pin(testKey(0))).toBe(true);
      expect(tier.pin(testKey(0))).toBe(true);
      tier.unpin(testKey(0));
      expect(tier.usage.pinnedPages).toBe(1);
      for (let n = 1; n < 80; n++) await tier.put([testPage(n, pageBytes)]);
      expect(await read(tier, [0])).toEqual(['ok']);
      tier.unpin(testKey(0));
      expect(tier.usage.pinnedPages).toBe(0);
      for (let n = 100; n < 180; n++) await tier.put([testPage(n, pageBytes)]);
      expect(tier.has(testKey(0))).toBe(false);
      const pinned = Array.from({ length: 200 }, (_, n) => testKey(n)).filter((key) => tier.pin(key));
      expect(tier.usage.pinnedPages).toBe(pinned.length);
      for (const key of pinned) tier.unpin(key);
    });

    it('refuses what it has no room for, and changes nothing', async () => {
      const tier = await create(4);
      let stored = 0;
      const pinned: PageKey[] = [];
      for (let n = 0; n < 64; n++) {
        const [result] = await tier.put([testPage(n, pageBytes)]);
        if (result !== 'ok') {
          expect(result).toBe('full');
          continue;
        }
        stored++;
        if (tier.pin(testKey(n))) pinned.push(testKey(n));
      }
      expect(stored).toBeLessThan(64);
      for (const key of pinned) expect(tier.has(key)).toBe(true);
      for (const key of pinned) tier.unpin(key);
    });

    it('forgets what it is told to', async () => {
      const tier = await create(8);
      await tier.put(testPages(0, 4, pageBytes));
      const reading = read(tier, [0, 1]);
      tier.delete([testKey(1), testKey(2), testKey(50)]);
      await reading;
      expect([0, 1, 2, 3].map((n) => tier.has(testKey(n)))).toEqual([true, false, false, true]);
      expect(await read(tier, [2])).toEqual(['missing']);
      expect(await tier.put([testPage(2, pageBytes)])).toEqual(['ok']);
      expect(await read(tier, [2])).toEqual(['ok']);
    });

    it('hands its coldest pages over before they go', async () => {
      const fallen = new Map<PageKey, Uint8Array>();
      const tier = await create(8, async (pages) => {
        for (const { key, bytes } of pages) fallen.set(key, bytes.slice());
        await new Promise((resolve) => setImmediate(resolve));
        for (const { key, bytes } of pages) expect(Buffer.compare(bytes, fallen.get(key)!)).toBe(0);
      });
      for (let n = 0; n < 60; n += 3) await tier.put(testPages(n, 3, pageBytes));
      await tier.flush();
      for (let n = 0; n < 60; n++) {
        const bytes = fallen.get(testKey(n));
        expect(bytes !== undefined || tier.has(testKey(n)), `page ${n} is here or has fallen`).toBe(true);
        if (bytes !== undefined) expectPage(bytes, n);
      }
    });

    it('serves any number of callers at once', async () => {
      const tier = await create(24);
      const callers = Array.from({ length: 12 }, async (_, caller) => {
        for (let round = 0; round < 6; round++) {
          const n = caller * 4 + (round % 3);
          const [result] = await tier.put([testPage(n, pageBytes)]);
          expect(result).toBe('ok');
          await read(tier, [n, (n + 17) % 48, (n + 31) % 48]);
        }
      });
      await Promise.all(callers);
      await tier.flush();
      expect(tier.usage.bytes).toBeLessThanOrEqual(tier.usage.budgetBytes);
      expect(tier.usage.pinnedPages).toBe(0);
    });

    it.each([1, 2, 3, 4])('follows a model through a random history (seed %i)', async (seed) => {
      const tier = await create(10);
      const random = createRandom(seed);
      const pick = (count: number) => Math.floor(random() * count);
      const known = new Set<number>();
      const pins = new Map<number, number>();
      let settling: Promise<unknown>[] = [];
      for (let step = 0; step < 250; step++) {
        const n = pick(40);
        const action = random();
        if (action < 0.4) {
          const pages = testPages(n, 1 + pick(4), pageBytes);
          const work = tier.put(pages);
          for (let i = 0; i < pages.length; i++) known.add(n + i);
          if (random() < 0.7) await work;
          else settling.push(work);
        } else if (action < 0.75) {
          const numbers = Array.from({ length: 1 + pick(5) }, () => pick(44));
          const never = numbers.map((number) => !known.has(number));
          const results = await read(tier, numbers);
          for (const [i, isNever] of never.entries()) if (isNever) expect(results[i]).toBe('missing');
        } else if (action < 0.82) {
          await Promise.all(settling);
          settling = [];
          tier.delete([testKey(n)]);
          pins.delete(n);
          known.delete(n);
          expect(tier.has(testKey(n))).toBe(false);
        } else if (action < 0.9 && pins.size < 3) {
          if (tier.pin(testKey(n))) pins.set(n, (pins.get(n) ?? 0) + 1);
        } else if (pins.size > 0) {
          const [pinned] = pins.keys();
          const count = pins.get(pinned)! - 1;
          tier.unpin(testKey(pinned));
          if (count === 0) pins.delete(pinned);
          else pins.set(pinned, count);
        }
        for (const pinned of pins.keys()) expect(tier.has(testKey(pinned)), `pinned page ${pinned}`).toBe(true);
        expect(tier.usage.bytes).toBeLessThanOrEqual(tier.usage.budgetBytes);
      }
      await Promise.all(settling);
      for (const [pinned, count] of pins) for (let i = 0; i < count; i++) tier.unpin(testKey(pinned));
      await tier.flush();
      expect(tier.usage.pinnedPages).toBe(0);
    });

    it('is empty and quiet once closed', async () => {
      const tier = await create(8);
      const putting = tier.put(testPages(0, 4, pageBytes));
      const closing = tier.close();
      await Promise.all([putting, closing, tier.close()]);
      expect(tier.state).toBe('closed');
      expect(tier.has(testKey(0))).toBe(false);
      expect(await tier.put(testPages(0, 1, pageBytes))).toEqual(['failed']);
      const [result] = await tier.get([testKey(0)], [new Uint8Array(pageBytes)]);
      expect(['failed', 'missing']).toContain(result);
      expect(tier.pin(testKey(0))).toBe(false);
      tier.delete([testKey(0)]);
      tier.unpin(testKey(0));
      await tier.flush();
    });
  });
}
