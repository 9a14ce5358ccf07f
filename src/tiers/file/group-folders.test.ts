// Pages of several cache groups in one folder: apart, within their budgets, and none of them in the way of another.

import { describe, expect, it } from 'vitest';
import { TierFolderError } from '../../errors/index.ts';
import { createMemoryFiles, type FileFault, type MemoryFiles } from '../testing/memory-files.ts';
import { createTestClock, testBytes, testKey, testPages } from '../testing/pages.ts';
import type { Tier, TierEvent } from '../tier.ts';
import { openFileTiers } from './group-folders.ts';
import { journalBudgetBytes } from './page-journal.ts';

const pageSizes = [4096, 8192, 4096];
const slotCount = 6;
const budgetOf = (pageBytes: number) => slotCount * pageBytes + journalBudgetBytes(slotCount) + 4096;

function open(files: MemoryFiles, groupCount: number, events: TierEvent[] = []): Promise<readonly Tier[]> {
  const groups = pageSizes.slice(0, groupCount).map((pageBytes, group) => ({
    clock: createTestClock(),
    pageBytes,
    budgetBytes: budgetOf(pageBytes),
    identity: `group ${group} of ${groupCount}`,
    onOtherIdentity: 'discard' as const,
    segmentBytes: 4 * pageBytes,
    growthBytes: 2 * pageBytes,
  }));
  return openFileTiers({ folder: '/pages', files, onEvent: (event) => events.push(event) }, groups);
}

/** What of the first pages each tier has, all of it right. */
async function pagesOf(tiers: readonly Tier[]): Promise<number[]> {
  return Promise.all(
    tiers.map(async (tier, group) => {
      const numbers = Array.from({ length: 8 }, (_, n) => n).filter((n) => tier.has(testKey(n)));
      const into = numbers.map(() => new Uint8Array(pageSizes[group]));
      const results = await tier.get(numbers.map(testKey), into);
      for (const [i, n] of numbers.entries()) {
        expect(results[i]).toBe('ok');
        expect(Buffer.compare(into[i], testBytes(n, pageSizes[group]))).toBe(0);
      }
      return numbers.length;
    }),
  );
}

async function fill(tiers: readonly Tier[], count: number): Promise<void> {
  for (const [group, tier] of tiers.entries()) await tier.put(testPages(0, count, pageSizes[group]));
}

async function close(tiers: readonly Tier[]): Promise<void> {
  for (const tier of tiers) await tier.close();
}

describe('file tiers of several cache groups', () => {
  it('keep pages of one key apart, and find them again', async () => {
    const files = createMemoryFiles();
    const tiers = await open(files, 3);
    await fill(tiers, 5);
    expect(await pagesOf(tiers)).toEqual([5, 5, 5]);
    tiers[1].delete([testKey(2)]);
    await close(tiers);
    const again = await open(files, 3);
    expect(await pagesOf(again)).toEqual([5, 4, 5]);
    await close(again);
    expect(files.openFileCount).toBe(0);
    expect(files.totalBytes).toBeLessThanOrEqual(pageSizes.reduce((sum, size) => sum + budgetOf(size), 0));
  });

  it('remove what groups have left that are no more', async () => {
    const files = createMemoryFiles();
    const tiers = await open(files, 3);
    await fill(tiers, 5);
    await close(tiers);
    const one = await open(files, 1);
    expect(files.paths().filter((path) => path.includes('group-'))).toEqual([]);
    expect(files.totalBytes).toBeLessThanOrEqual(budgetOf(pageSizes[0]));
    await fill(one, 2);
    await close(one);
    const two = await open(files, 2);
    expect(await pagesOf(two)).toEqual([0, 0]);
    await close(two);
  });

  it('belong to one process together', async () => {
    const files = createMemoryFiles();
    const tiers = await open(files, 2);
    await expect(open(files, 2)).rejects.toMatchObject({ fault: 'locked' });
    await expect(open(files, 1)).rejects.toMatchObject({ fault: 'locked' });
    await fill(tiers, 3);
    expect(await pagesOf(tiers)).toEqual([3, 3]);
    await close(tiers);
  });

  it('give up their pages where those of one keep another from being opened', async () => {
    const diskBytes = budgetOf(4096) + budgetOf(8192);
    const files = createMemoryFiles({ diskBytes });
    const tiers = await open(files, 2);
    await tiers[1].put(testPages(0, 6, 8192));
    await close(tiers);
    // Somebody else takes the rest of the disk: the first group has no page that could make room for its index.
    const other = await files.open('/other', { wantsDirect: false, creates: true });
    await other.write([new Uint8Array(diskBytes - files.totalBytes - 2000)], 0);
    await other.close();
    const events: TierEvent[] = [];
    const again = await open(files, 2, events);
    expect(events.map(({ message }) => message)).toContain('pages of all cache groups in /pages: the disk is full');
    expect(await pagesOf(again)).toEqual([0, 0]);
    await close(again);
    expect(files.openFileCount).toBe(0);
  });

  it.each<FileFault>(['EIO', 'ENOSPC', 'crash'])(
    'open, or leave nothing open, after %s at any operation',
    async (fault) => {
      for (let n = 1, isDone = false; !isDone; n++) {
        const files = createMemoryFiles();
        const tiers = await open(files, 3);
        await fill(tiers, 4);
        await close(tiers);
        const before = files.operationCount;
        files.decide = ({ index }) => (index === before + n ? fault : null);
        const opened = await open(files, 2).catch((error: unknown) => error);
        isDone = files.operationCount - before < n;
        files.decide = null;
        if (fault === 'crash') files.restart();
        else if (opened instanceof Error) expect(opened).toBeInstanceOf(TierFolderError);
        else await close(opened as readonly Tier[]);
        expect(files.openFileCount, `operation ${n}`).toBe(0);
        const again = await open(files, 2);
        await pagesOf(again);
        await close(again);
      }
    },
  );
});
