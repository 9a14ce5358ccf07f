// A disk that hangs: whoever waits for a write is let go after a while, and nobody touches its memory before it ends.

import { describe, expect, it } from 'vitest';
import { openFileTier } from './file/file-tier.ts';
import { journalBudgetBytes } from './file/page-journal.ts';
import { guardTier } from './guarded-tier.ts';
import { createHostTier } from './host/host-tier.ts';
import { createMemoryFiles, type FileOperation } from './testing/memory-files.ts';
import { testBytes, testKey, testPage, testPages } from './testing/pages.ts';
import type { BuffersInUse, Tier } from './tier.ts';
import { createTierStack } from './tier-stack.ts';

const pageBytes = 4096;
const filePages = 32;

/** A host tier over a guarded file tier whose disk can be told to hang. */
async function setUp(hostPages: number) {
  let nowMs = 0;
  const timers: { readonly atMs: number; readonly action: () => void }[] = [];
  const clock = { now: () => nowMs };
  let hung: (() => void)[] | null = null;
  const delay = async ({ name, path }: FileOperation): Promise<void> => {
    if (name === 'write' && path.includes('pages-') && hung !== null) {
      await new Promise<void>((resolve) => hung!.push(resolve));
    }
  };
  const file = await openFileTier({
    folder: '/pages',
    files: createMemoryFiles({ delay }),
    clock,
    pageBytes,
    budgetBytes: filePages * pageBytes + journalBudgetBytes(filePages) + 4096,
    identity: 'test',
  });
  const guarded = guardTier(file, {
    clock,
    after: (ms, action) => timers.push({ atMs: nowMs + ms, action }),
    writeLimitMs: 2000,
  });
  const stack = createTierStack({
    clock,
    tiers: [
      (onEvict) => createHostTier({ pageBytes, budgetBytes: hostPages * pageBytes, clock, onEvict }),
      () => guarded,
    ],
  });
  /** Lets everything run that waits for nothing but others. */
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return {
    stack,
    guarded,
    file,
    settle,
    async advance(ms: number) {
      await settle();
      nowMs += ms;
      const all = timers.splice(0);
      timers.push(...all.filter(({ atMs }) => atMs > nowMs));
      for (const { atMs, action } of all) if (atMs <= nowMs) action();
      await settle();
    },
    hang() {
      hung = [];
    },
    letGo() {
      const waiting = hung ?? [];
      hung = null;
      for (const resolve of waiting) resolve();
    },
  };
}

async function expectPage(tier: Pick<Tier, 'get'>, n: number): Promise<void> {
  const into = [new Uint8Array(pageBytes)];
  expect(await tier.get([testKey(n)], into)).toEqual(['ok']);
  expect(Buffer.compare(into[0], testBytes(n, pageBytes))).toBe(0);
}

describe('a write that hangs', () => {
  it('is given up after its limit, and its buffers are in use until it ends', async () => {
    const { guarded, file, hang, letGo, advance, settle } = await setUp(4);
    hang();
    const inUse: BuffersInUse = [];
    const pages = testPages(0, 3, pageBytes);
    const putting = guarded.put(pages, inUse);
    await advance(1999);
    expect(inUse).toEqual([]);
    await advance(1);
    expect(await putting).toEqual(['failed', 'failed', 'failed']);
    expect(guarded.counters.abandonedWrites).toBe(3);
    expect(guarded.state).toBe('suspended');
    let areFree = false;
    void Promise.allSettled(inUse).then(() => {
      areFree = true;
    });
    // It stays out for as long as the write hangs.
    await advance(600_000);
    expect(guarded.state).toBe('suspended');
    expect(await guarded.put(testPages(8, 1, pageBytes), [])).toEqual(['failed']);
    expect(areFree).toBe(false);
    letGo();
    await settle();
    expect(areFree).toBe(true);
    // What was given up is there after all.
    expect(file.has(testKey(1))).toBe(true);
    expect(guarded.state).toBe('ready');
    expect(await guarded.put(testPages(8, 1, pageBytes), [])).toEqual(['ok']);
    await guarded.close();
  });

  it('is waited for by those who cannot leave their buffers alone', async () => {
    const { guarded, hang, letGo, advance } = await setUp(4);
    hang();
    let results: string[] | null = null;
    const putting = guarded.put(testPages(0, 1, pageBytes)).then((found) => {
      results = found;
    });
    await advance(5000);
    expect(results).toBeNull();
    letGo();
    await putting;
    expect(results).toEqual(['ok']);
    await guarded.close();
  });

  it('does not hold page-out through the host tier up, and writes what it was given', async () => {
    const { stack, file, hang, letGo, advance, settle } = await setUp(8);
    for (let n = 0; n < 8; n++) await stack.put([testPage(n, pageBytes)], []);
    await stack.flush();
    hang();
    const stored: number[] = [];
    const putting = [20, 21, 22].map(async (n) => {
      const [result] = await stack.put([testPage(n, pageBytes)], []);
      if (result === 'ok') stored.push(n);
    });
    await advance(2000);
    await advance(2000);
    await Promise.all(putting);
    expect(stored).toEqual([20, 21, 22]);
    // Far more than the pool has: the slots of pages that are still being written stay as they are.
    for (let n = 30; n < 60; n++) expect(await stack.put([testPage(n, pageBytes)], [])).toEqual(['ok']);
    for (const n of [58, 59]) await expectPage(stack, n);
    letGo();
    await settle();
    await stack.flush();
    expect(stack.usage.pinnedPages).toBe(0);
    let found = 0;
    for (let n = 0; n < 60; n++) {
      if (!file.has(testKey(n))) continue;
      found++;
      await expectPage(file, n);
    }
    expect(found).toBeGreaterThan(0);
    expect(file.counters.corrupt).toBe(0);
    await stack.close();
  });
});
