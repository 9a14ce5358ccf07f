// Opening a folder of pages: its lock, what its journal promises, and the files that are there.

import { join } from 'node:path';
import { TierFolderError } from '../../errors/index.ts';
import type { TierEvent } from '../tier.ts';
import { createJournal, type JournalHeader, type PageJournal, readJournal, type StoredPage } from './page-journal.ts';
import { createSegments, isSegmentName, type Segments } from './segments.ts';
import { faultOf, isDiskFull, type TierFiles, type TierLock } from './tier-files.ts';

export interface PageFolderOptions {
  readonly files: TierFiles;
  readonly folder: string;
  readonly header: Omit<JournalHeader, 'slotsPerSegment'>;
  readonly slotCount: number;
  readonly segmentBytes: number;
  readonly growthBytes: number;
  readonly wantsDirect: boolean;
  readonly onOtherIdentity: 'refuse' | 'discard';
  readonly tell: (kind: TierEvent['kind'], message: string) => void;
}

export interface PageFolder {
  readonly lock: TierLock;
  readonly segments: Segments;
  /** Pages whose records are whole and whose slots are there; their bytes are still to be checked. */
  readonly pages: readonly StoredPage[];
  /** A new journal of those pages, in the place of the old one. */
  readonly journal: PageJournal;
}

const JOURNAL = 'index';
const LOCK = 'lock';
const MAX_SEGMENTS = 256;

/** Removes the pages of a folder, unless a process uses it or there is none. Rejects as the file operations do. */
export async function discardPageFolder(files: TierFiles, folder: string): Promise<void> {
  const names = await files.list(folder).catch((error: unknown) => {
    if (faultOf(error) === 'ENOENT') return [];
    throw error;
  });
  const entries = names.filter((entry) => isSegmentName(entry) || entry === JOURNAL);
  if (entries.length === 0) return;
  const lock = await files.lock(join(folder, LOCK));
  if (lock === null) return;
  try {
    for (const entry of entries) await files.remove(join(folder, entry));
  } finally {
    await lock.release();
  }
}

/** Throws TierFolderError. */
export async function openPageFolder(options: PageFolderOptions): Promise<PageFolder> {
  const { files, folder, slotCount } = options;
  const { identity, pageBytes, slotBytes } = options.header;
  const journalPath = join(folder, JOURNAL);

  const fail = (what: string) => (error: unknown) => {
    if (error instanceof TierFolderError) throw error;
    throw new TierFolderError(folder, 'io', `${what} (${faultOf(error)})`, { cause: error });
  };

  async function discard(): Promise<void> {
    for (const entry of await files.list(folder)) {
      if (isSegmentName(entry)) await files.remove(join(folder, entry));
    }
  }

  /** What the journal promises; a folder of something else is refused, or emptied. */
  async function recover(): Promise<{ pages: readonly StoredPage[]; slotsPerSegment: number }> {
    const found = await readJournal(files, journalPath);
    if (found.kind === 'pages') {
      const { header, pages } = found;
      const isOurs = header.identity === identity && header.pageBytes === pageBytes && header.slotBytes === slotBytes;
      const isSane = Math.ceil(slotCount / header.slotsPerSegment) <= 4 * MAX_SEGMENTS;
      if (isOurs && isSane) return { pages, slotsPerSegment: header.slotsPerSegment };
      const detail = `its pages are of ${header.identity} (${header.pageBytes} bytes each), not of ${identity} (${pageBytes} bytes each)`;
      if (!isOurs && options.onOtherIdentity === 'refuse') throw new TierFolderError(folder, 'identity', detail);
      options.tell('discarded', `${pages.length} pages in ${folder}: ${detail}`);
    } else if (found.kind === 'broken') {
      options.tell('discarded', `the index of ${folder} is unusable: ${found.detail}`);
    }
    await discard();
    const leastBytes = Math.max(options.segmentBytes, Math.ceil((slotCount * slotBytes) / MAX_SEGMENTS));
    return { pages: [], slotsPerSegment: Math.max(1, Math.ceil(leastBytes / slotBytes)) };
  }

  await files.makeFolder(folder).catch(fail('the folder cannot be made'));
  const lock = await files.lock(join(folder, LOCK)).catch(fail('the lock file cannot be written'));
  if (lock === null) throw new TierFolderError(folder, 'locked', 'another process uses this folder of pages');
  let segments: Segments | null = null;

  async function giveUp(error: unknown): Promise<never> {
    await segments?.close();
    await lock!.release().catch(() => undefined);
    return fail('the folder cannot be opened')(error);
  }

  try {
    const found = await recover();
    const { slotsPerSegment } = found;
    segments = createSegments({ ...options, slotBytes, slotsPerSegment });
    const { isReady } = segments;
    await segments.reopen();
    const pages = found.pages.filter(({ slot }) => slot < slotCount && isReady(slot));
    const header = { ...options.header, slotsPerSegment };
    const start = (live: readonly StoredPage[]) => createJournal(files, folder, journalPath, header, slotCount, live);
    try {
      return { lock, segments, pages, journal: await start(pages) };
    } catch (error) {
      if (!isDiskFull(error) || segments.bytes === 0) throw error;
      // A cache that fills the disk must not keep its server from starting: its pages make room for its index.
      options.tell('discarded', `${pages.length} pages in ${folder}: the disk is full (${faultOf(error)})`);
      await segments.close();
      await discard();
      return { lock, segments, pages: [], journal: await start([]) };
    }
  } catch (error) {
    return giveUp(error);
  }
}
