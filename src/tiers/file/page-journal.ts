// The index of the file tier on disk: a preallocated journal of checksummed records, replaced as a whole when it is full.

import type { ChecksumFunction } from '../page-checksum.ts';
import { checksumBytes } from '../page-checksum.ts';
import { type PageKey, pageKey, writePageKey } from '../page-key.ts';
import type { TierFile, TierFiles } from './tier-files.ts';

/** A page as the index knows it: where it lies and what its bytes must sum up to. */
export interface StoredPage {
  readonly key: PageKey;
  readonly slot: number;
  readonly sum0: number;
  readonly sum1: number;
}

/** One change of the index. A page that is stored in a slot also ends whatever was there before. */
export type JournalEntry =
  | { readonly kind: 'stored'; readonly page: StoredPage }
  | { readonly kind: 'dropped'; readonly slot: number };

/** What the files of a tier were made for. */
export interface JournalHeader {
  readonly identity: string;
  readonly pageBytes: number;
  readonly slotBytes: number;
  readonly slotsPerSegment: number;
}

/** What opening found: nothing, another tier's, something broken, or pages. */
export type JournalFound =
  | { readonly kind: 'none' }
  | { readonly kind: 'broken'; readonly detail: string }
  | { readonly kind: 'pages'; readonly header: JournalHeader; readonly pages: StoredPage[] };

export interface PageJournal {
  /** Writes records behind the others; `live` gives all pages if the journal has to be replaced. Rejects on a fault. */
  append(entries: readonly JournalEntry[], live: () => Iterable<StoredPage>): Promise<void>;
  /** Replaces the journal by one of just these pages. */
  replace(live: Iterable<StoredPage>): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

const MAGIC = 0x4f435450;
const VERSION = 1;
const HEADER_BYTES = 4096;
const RECORD_WORDS = 10;
const RECORD_BYTES = RECORD_WORDS * 4;
const KIND_STORED = 0x53544f52;
const KIND_DROPPED = 0x44524f50;
const sum: ChecksumFunction = checksumBytes;

/** Records that fit into the journal of a tier of that many slots. */
function recordLimitOf(slotCount: number): number {
  return 2 * slotCount + 256;
}

/** Bytes of the journal while it is replaced: the old one and the new one. */
export function journalBudgetBytes(slotCount: number): number {
  return 2 * journalBytes(slotCount);
}

function journalBytes(slotCount: number): number {
  return HEADER_BYTES + recordLimitOf(slotCount) * RECORD_BYTES;
}

function encodeHeader(header: JournalHeader, generation: number): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  const text = new TextEncoder().encode(JSON.stringify(header));
  if (text.byteLength > HEADER_BYTES - 24) throw new RangeError('the identity of a tier is too long');
  const words = new Uint32Array(bytes.buffer);
  words.set([MAGIC, VERSION, generation, text.byteLength]);
  bytes.set(text, 24);
  sum(bytes.subarray(24), generation, VERSION, words, 4);
  return bytes;
}

function decodeHeader(bytes: Uint8Array): { header: JournalHeader; generation: number } | string {
  if (bytes.byteLength < HEADER_BYTES) return 'the journal is shorter than its header';
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, 6);
  const [magic, version, generation, length, sum0, sum1] = words;
  if (magic !== MAGIC) return 'the journal does not begin as one';
  if (version !== VERSION) return `the journal has version ${version}, not ${VERSION}`;
  const found = new Uint32Array(2);
  sum(bytes.subarray(24, HEADER_BYTES), generation, VERSION, found, 0);
  if (found[0] !== sum0 || found[1] !== sum1) return 'the checksum of the journal header is wrong';
  return { header: JSON.parse(new TextDecoder().decode(bytes.subarray(24, 24 + length))) as JournalHeader, generation };
}

function encodeRecords(entries: readonly JournalEntry[], generation: number): Uint8Array {
  const words = new Uint32Array(entries.length * RECORD_WORDS);
  const bytes = new Uint8Array(words.buffer);
  const sums = new Uint32Array(2);
  for (const [i, entry] of entries.entries()) {
    const at = i * RECORD_WORDS;
    if (entry.kind === 'stored') {
      const { key, slot, sum0, sum1 } = entry.page;
      words.set([KIND_STORED, slot], at);
      writePageKey(key, words, at + 2);
      words.set([sum0, sum1], at + 6);
    } else words.set([KIND_DROPPED, entry.slot], at);
    sum(bytes.subarray(at * 4, at * 4 + 32), generation, 0, sums, 0);
    words.set(sums, at + 8);
  }
  return bytes;
}

/** The pages that are there after all whole records; the first one that is not whole ends the journal. */
function replay(bytes: Uint8Array, generation: number): { pages: Map<number, StoredPage>; recordCount: number } {
  const pages = new Map<number, StoredPage>();
  const slotByKey = new Map<PageKey, number>();
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.byteLength / 4));
  const sums = new Uint32Array(2);
  const drop = (slot: number) => {
    const page = pages.get(slot);
    if (page === undefined) return;
    pages.delete(slot);
    if (slotByKey.get(page.key) === slot) slotByKey.delete(page.key);
  };
  let recordCount = 0;
  for (let at = 0; at + RECORD_WORDS <= words.length; at += RECORD_WORDS) {
    const kind = words[at];
    sum(bytes.subarray(at * 4, at * 4 + 32), generation, 0, sums, 0);
    if (sums[0] !== words[at + 8] || sums[1] !== words[at + 9]) break;
    if (kind !== KIND_STORED && kind !== KIND_DROPPED) break;
    const slot = words[at + 1];
    drop(slot);
    if (kind === KIND_STORED) {
      const key = pageKey(words, at + 2);
      const other = slotByKey.get(key);
      if (other !== undefined) drop(other);
      pages.set(slot, { key, slot, sum0: words[at + 6], sum1: words[at + 7] });
      slotByKey.set(key, slot);
    }
    recordCount++;
  }
  return { pages, recordCount };
}

async function readWhole(file: TierFile): Promise<Uint8Array> {
  const bytes = new Uint8Array(await file.sizeBytes());
  let done = 0;
  while (done < bytes.byteLength) {
    const count = await file.read([bytes.subarray(done)], done);
    if (count === 0) break;
    done += count;
  }
  return bytes.subarray(0, done);
}

async function writeWhole(file: TierFile, bytes: Uint8Array, position: number): Promise<void> {
  const count = await file.write([bytes], position);
  if (count < bytes.byteLength) throw Object.assign(new Error('a short write'), { code: 'EIO' });
}

/** Reads what is at `path`; changes nothing. */
export async function readJournal(files: TierFiles, path: string): Promise<JournalFound> {
  let file: TierFile;
  try {
    file = await files.open(path, { wantsDirect: false, creates: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { kind: 'none' };
    throw error;
  }
  try {
    const bytes = await readWhole(file);
    const decoded = decodeHeader(bytes);
    if (typeof decoded === 'string') return { kind: 'broken', detail: decoded };
    const { pages } = replay(bytes.subarray(HEADER_BYTES), decoded.generation);
    return { kind: 'pages', header: decoded.header, pages: [...pages.values()] };
  } finally {
    await file.close();
  }
}

/** Makes a journal of `live` at `path`, in the place of any other, and gives it for appending. */
export async function createJournal(
  files: TierFiles,
  folder: string,
  path: string,
  header: JournalHeader,
  slotCount: number,
  live: Iterable<StoredPage>,
): Promise<PageJournal> {
  const recordLimit = recordLimitOf(slotCount);
  let file: TierFile | null = null;
  let recordCount = 0;
  // Records carry their journal's generation in their checksums: what an earlier file left behind never passes.
  let generation = 0;

  async function replace(pages: Iterable<StoredPage>): Promise<void> {
    const entries = Array.from(pages, (page): JournalEntry => ({ kind: 'stored', page }));
    const nextGeneration = (generation + 1) >>> 0;
    const bytes = new Uint8Array(journalBytes(slotCount));
    bytes.set(encodeHeader(header, nextGeneration));
    bytes.set(encodeRecords(entries, nextGeneration), HEADER_BYTES);
    const draft = `${path}.new`;
    await files.remove(draft);
    const next = await files.open(draft, { wantsDirect: false, creates: true });
    try {
      await writeWhole(next, bytes, 0);
      await next.sync();
      await files.rename(draft, path);
      await files.syncFolder(folder);
    } catch (error) {
      await next.close().catch(() => undefined);
      throw error;
    }
    const old = file;
    file = next;
    generation = nextGeneration;
    recordCount = entries.length;
    await old?.close().catch(() => undefined);
  }

  await replace(live);
  return {
    replace,
    async append(entries, all) {
      if (entries.length === 0) return;
      if (recordCount + entries.length > recordLimit) return replace(all());
      const position = HEADER_BYTES + recordCount * RECORD_BYTES;
      await writeWhole(file!, encodeRecords(entries, generation), position);
      recordCount += entries.length;
    },
    sync: () => file!.sync(),
    close: async () => file?.close(),
  };
}
