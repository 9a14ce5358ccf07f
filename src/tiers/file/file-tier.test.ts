// The file tier against everything that a disk and a dying process do: failures at each operation, crashes, other folders.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { InvalidRequestError, TierFolderError } from '../../errors/index.ts';
import { createRandom } from '../../random/random.ts';
import { createMemoryFiles, type FileFault, type MemoryFiles } from '../testing/memory-files.ts';
import { createTestClock, testBytes, testKey, testPage, testPages } from '../testing/pages.ts';
import type { Tier, TierEvent } from '../tier.ts';
import { type FileTierOptions, openFileTier } from './file-tier.ts';
import { createNodeFiles } from './node-files.ts';
import { journalBudgetBytes } from './page-journal.ts';
import type { TierFiles } from './tier-files.ts';

const pageBytes = 4096;
const slotCount = 6;
const folder = '/pages';

function openTier(files: TierFiles, options: Partial<FileTierOptions> = {}): Promise<Tier> {
  return openFileTier({
    folder,
    files,
    clock: createTestClock(),
    pageBytes,
    budgetBytes: slotCount * pageBytes + journalBudgetBytes(slotCount) + 4096,
    identity: 'model a',
    segmentBytes: 4 * pageBytes,
    growthBytes: 2 * pageBytes,
    ...options,
  });
}

/** Reads every page that the tier says it has; all that are `ok` must be right. The number of those. */
async function checkAll(tier: Tier): Promise<number> {
  const numbers = Array.from({ length: 40 }, (_, n) => n).filter((n) => tier.has(testKey(n)));
  const into = numbers.map(() => new Uint8Array(pageBytes));
  const results = await tier.get(numbers.map(testKey), into);
  for (const [i, n] of numbers.entries()) {
    if (results[i] === 'ok') expect(Buffer.compare(into[i], testBytes(n, pageBytes)), `page ${n}`).toBe(0);
    // What proved damaged is gone.
    if (results[i] === 'corrupt') expect(tier.has(testKey(n))).toBe(false);
  }
  return results.filter((result) => result === 'ok').length;
}

/** A history that stores, reads, evicts, deletes and flushes. */
async function runHistory(tier: Tier): Promise<void> {
  for (let n = 0; n < 12; n += 3) {
    await tier.put(testPages(n, 3, pageBytes));
    await checkAll(tier);
    if (n === 6) tier.delete([testKey(7)]);
    if (n === 6) await tier.flush();
    expect(tier.usage.bytes).toBeLessThanOrEqual(tier.usage.budgetBytes);
    expect(tier.usage.pinnedPages).toBe(0);
  }
}

async function operationsOf(run: (files: MemoryFiles) => Promise<void>): Promise<number> {
  const files = createMemoryFiles();
  await run(files);
  return files.operationCount;
}

describe('a file tier that is opened again', () => {
  it('has its pages, coldest first', async () => {
    const files = createMemoryFiles();
    const first = await openTier(files);
    await first.put(testPages(0, 6, pageBytes));
    await first.close();
    expect(files.openFileCount).toBe(0);
    const second = await openTier(files);
    expect(second.usage.pages).toBe(6);
    expect(await checkAll(second)).toBe(6);
    await second.close();
  });

  it('refuses what was made for another model or page size, or discards it if told to', async () => {
    const files = createMemoryFiles();
    const first = await openTier(files);
    await first.put(testPages(0, 3, pageBytes));
    await first.close();
    for (const other of [{ identity: 'model b' }, { pageBytes: 8192 }]) {
      const refusal = await openTier(files, other).catch((error: unknown) => error);
      expect(refusal).toBeInstanceOf(TierFolderError);
      expect((refusal as TierFolderError).fault).toBe('identity');
    }
    const again = await openTier(files);
    expect(await checkAll(again)).toBe(3);
    await again.close();
    const events: TierEvent[] = [];
    const onEvent = (event: TierEvent) => events.push(event);
    const other = await openTier(files, { identity: 'model b', onOtherIdentity: 'discard', onEvent });
    expect(events.map(({ kind }) => kind)).toEqual(['discarded']);
    expect(other.usage.pages).toBe(0);
    expect(await other.put(testPages(0, 3, pageBytes))).toEqual(['ok', 'ok', 'ok']);
    await other.close();
  });

  it('fits into a smaller budget, and grows into a larger one', async () => {
    const files = createMemoryFiles();
    const tier = await openTier(files);
    await tier.put(testPages(0, 6, pageBytes));
    await tier.close();
    const budgetOf = (slots: number) => slots * pageBytes + journalBudgetBytes(slots) + 4096;
    const smaller = await openTier(files, { budgetBytes: budgetOf(3) });
    expect(smaller.capacityPages).toBe(3);
    expect(smaller.usage.pages).toBeLessThanOrEqual(3);
    expect(files.totalBytes).toBeLessThanOrEqual(budgetOf(3));
    expect(await checkAll(smaller)).toBe(smaller.usage.pages);
    await smaller.close();
    const larger = await openTier(files, { budgetBytes: budgetOf(20) });
    await larger.put(testPages(10, 17, pageBytes));
    expect(await checkAll(larger)).toBe(20);
    await larger.close();
  });

  it('starts empty from an index that is not one', async () => {
    const files = createMemoryFiles();
    const tier = await openTier(files);
    await tier.put(testPages(0, 3, pageBytes));
    await tier.close();
    files.flipBit(`${folder}/index`, 30);
    const events: TierEvent[] = [];
    const again = await openTier(files, { onEvent: (event) => events.push(event) });
    expect(again.usage.pages).toBe(0);
    expect(events[0].message).toContain('checksum');
    await again.close();
  });

  it('loses at most what came after a damaged record', async () => {
    for (let byte = 0; byte < 6 * 40; byte += 7) {
      const files = createMemoryFiles();
      const tier = await openTier(files);
      for (let n = 0; n < 6; n++) await tier.put([testPage(n, pageBytes)]);
      await tier.close();
      files.flipBit(`${folder}/index`, 4096 + byte);
      const again = await openTier(files);
      expect(await checkAll(again)).toBe(Math.floor(byte / 40));
      await again.close();
    }
  });

  it('never gives damaged bytes', async () => {
    for (let byte = 5; byte < 4 * pageBytes; byte += 1777) {
      const files = createMemoryFiles();
      const tier = await openTier(files);
      await tier.put(testPages(0, 4, pageBytes));
      files.flipBit(`${folder}/pages-0000`, byte);
      expect(await checkAll(tier)).toBe(3);
      expect(tier.counters.corrupt).toBe(1);
      await tier.close();
    }
  });
});

describe('a file tier under faults', () => {
  it('never exceeds its budget on the disk', async () => {
    const files = createMemoryFiles();
    const tier = await openTier(files);
    for (let n = 0; n < 400; n++) {
      await tier.put([testPage(n % 37, pageBytes)]);
      if (n % 5 === 0) tier.delete([testKey(n % 37)]);
    }
    expect(files.peakBytes).toBeLessThanOrEqual(tier.usage.budgetBytes);
    await tier.close();
  });

  const total = () =>
    operationsOf(async (files) => {
      const tier = await openTier(files);
      await runHistory(tier);
      await tier.close();
    });

  let hastyMs = 0;
  /** So fast that every wait is over when it is looked at. */
  const hasty = { now: () => (hastyMs += 60_000) };

  it.each<FileFault>(['EIO', 'ENOSPC', 'short', 'flip'])('survives %s at any operation', async (fault) => {
    const count = await total();
    expect(count).toBeGreaterThan(50);
    for (let n = 1; n <= count; n++) {
      const files = createMemoryFiles({ decide: ({ index }) => (index === n ? fault : null) });
      let tier: Tier;
      try {
        tier = await openTier(files, { clock: hasty });
      } catch (error) {
        expect(error, `fault at ${n}`).toBeInstanceOf(TierFolderError);
        files.decide = null;
        tier = await openTier(files, { clock: hasty });
      }
      await runHistory(tier);
      // One fault costs pages, not the tier.
      expect(await checkAll(tier)).toBeGreaterThanOrEqual(slotCount - 4);
      await tier.close();
      expect(files.openFileCount, `open files after a fault at ${n}`).toBe(0);
      const again = await openTier(files);
      await checkAll(again);
      await again.close();
      expect(files.peakBytes).toBeLessThanOrEqual(again.usage.budgetBytes);
    }
  });

  it.each(['crash', 'torn'] as const)('comes back from a %s at any operation with right pages only', async (fault) => {
    const count = await total();
    const random = createRandom(7);
    let survivors = 0;
    for (let n = 1; n <= count; n++) {
      for (const losesUnsynced of [false, true]) {
        const files = createMemoryFiles({ decide: ({ index }) => (index === n ? fault : null) });
        const run = async () => {
          const tier = await openTier(files);
          await runHistory(tier);
          await tier.close();
        };
        await run().catch((error: unknown) => expect(error).toBeInstanceOf(TierFolderError));
        files.decide = null;
        files.restart(losesUnsynced ? () => random() < 0.5 : undefined);
        const again = await openTier(files);
        const claimed = again.usage.pages;
        const right = await checkAll(again);
        survivors += right;
        // A process that dies alone leaves no wrong index behind: what is promised is there.
        if (fault === 'crash' && !losesUnsynced) expect(right, `crash at ${n}`).toBe(claimed);
        await runHistory(again);
        await again.close();
      }
    }
    expect(survivors).toBeGreaterThan(count);
  });

  it('makes do with the space that there is on a full disk, and grows when there is more', async () => {
    const clock = createTestClock();
    const files = createMemoryFiles();
    const tier = await openTier(files, { clock });
    await tier.put(testPages(0, 2, pageBytes));
    files.decide = ({ name, path }) => (name === 'write' && path.includes('pages') ? 'ENOSPC' : null);
    // The second growth fails; writes into the space that is there would not on a real disk.
    let writes = 0;
    files.decide = ({ name, path }) => (name === 'write' && path.includes('pages') && ++writes === 1 ? 'ENOSPC' : null);
    expect(await tier.put(testPages(10, 2, pageBytes))).toEqual(['ok', 'ok']);
    expect(tier.usage.pages).toBe(2);
    expect(await checkAll(tier)).toBe(2);
    clock.advance(11_000);
    expect(await tier.put(testPages(20, 4, pageBytes))).toEqual(Array(4).fill('ok'));
    expect(tier.usage.pages).toBe(6);
    await tier.close();
  });

  it('goes on when its folder vanishes', async () => {
    const files = createMemoryFiles();
    const tier = await openTier(files);
    await tier.put(testPages(0, 3, pageBytes));
    files.vanish();
    await runHistory(tier);
    await tier.close();
    const again = await openTier(files);
    expect(await checkAll(again)).toBeLessThanOrEqual(6);
    await again.close();
  });

  it('needs a budget of at least a page', async () => {
    await expect(openTier(createMemoryFiles(), { budgetBytes: 5000 })).rejects.toBeInstanceOf(InvalidRequestError);
  });
});

describe('a folder of pages on the disk', () => {
  const root = mkdtempSync(join(tmpdir(), 'octavo-file-tier-'));
  afterAll(() => rmSync(root, { recursive: true }));

  it('is used by one process at a time', async () => {
    const at = { folder: join(root, 'locked') };
    const tier = await openTier(createNodeFiles(), at);
    const refusal = await openTier(createNodeFiles(), at).catch((error: unknown) => error);
    expect((refusal as TierFolderError).fault).toBe('locked');
    await tier.close();
    const again = await openTier(createNodeFiles(), at);
    await again.close();
    expect(readdirSync(at.folder).sort()).toEqual([
      'index',
      ...(existsSync(join(at.folder, 'pages-0000')) ? ['pages-0000'] : []),
    ]);
  });

  it('is taken over from a process that is gone, and from an earlier one with this number', async () => {
    const gone = spawnSync(process.execPath, ['-e', '0']).pid;
    for (const owner of [
      { pid: gone, start: 'x', token: 'a' },
      { pid: process.pid, start: 'earlier', token: 'b' },
      'torn',
    ]) {
      const at = { folder: join(root, `stale-${typeof owner === 'string' ? owner : owner.token}`) };
      const tier = await openTier(createNodeFiles(), at);
      await tier.put(testPages(0, 2, pageBytes));
      await tier.close();
      writeFileSync(join(at.folder, 'lock'), typeof owner === 'string' ? '{"pid":' : JSON.stringify(owner));
      const again = await openTier(createNodeFiles(), at);
      expect(await checkAll(again)).toBe(2);
      await again.close();
    }
  });

  it('is as large as it says', async () => {
    const at = { folder: join(root, 'sized') };
    const tier = await openTier(createNodeFiles(), at);
    for (let n = 0; n < 30; n += 3) await tier.put(testPages(n, 3, pageBytes));
    const bytes = readdirSync(at.folder).reduce((sum, name) => sum + statSync(join(at.folder, name)).size, 0);
    expect(bytes).toBeLessThanOrEqual(tier.usage.bytes);
    expect(tier.usage.bytes).toBeLessThanOrEqual(tier.usage.budgetBytes);
    await tier.close();
  });
});
