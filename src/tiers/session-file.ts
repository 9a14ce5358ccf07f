// A conversation's pages in one file, to be resumed in another process: everything in it is checksummed, and it is whole or not there.

import { dirname } from 'node:path';
import { SessionFileError, type SessionFileFault } from '../errors/index.ts';
import { faultOf, type TierFile, type TierFiles } from './file/tier-files.ts';
import { type ChecksumFunction, checksumBytes, checksumPage } from './page-checksum.ts';
import { PAGE_KEY_BYTES, type PageKey, pageKey, writePageKey } from './page-key.ts';

/** What pages depend on beside their keys. All three must be equal for a session to be resumed. */
export interface SessionIdentity {
  /** A fingerprint of the weights and of what else changes numbers. */
  readonly model: string;
  readonly kvType: string;
  /** Layers, heads, sizes, block size, order of elements. */
  readonly layout: string;
}

/** The pages of a cache group. */
export interface SessionPages {
  readonly pageBytes: number;
  /** Keys of the pages, in the order of the conversation. */
  readonly keys: readonly PageKey[];
  /**
   * Fills the buffers with pages `first`, `first` + 1, ... A save asks in order, a few at a time, one group after the other. Of a saved session it
   * throws SessionFileError (`corrupt`, `truncated`, `io`).
   */
  readPages(first: number, into: readonly Uint8Array[]): Promise<void>;
}

export interface SessionContent extends SessionPages {
  readonly identity: SessionIdentity;
  /** Every token of the conversation; the pages hold the first ones. */
  readonly tokenIds: ArrayLike<number>;
  /** Whatever the caller wants back with it, at most about 16 MiB as JSON. Defaults to null. */
  readonly data?: string | null;
  /** Pages of the cache groups beside the first. Defaults to none. */
  readonly otherGroups?: readonly SessionPages[];
}

export interface SavedSession extends SessionPages {
  readonly tokenIds: Int32Array;
  readonly data: string | null;
  readonly otherGroups: readonly SessionPages[];
  close(): Promise<void>;
}

// Preamble (magic, version, header length, header sum) | header as JSON | token ids, sum | (key, sum) of each page, sum | pages.
// Keys and pages are those of the first cache group, then those of the others, whose layout an engine of one group refuses.
const MAGIC = 0x5353434f;
const VERSION = 1;
const PREAMBLE_BYTES = 24;
const MAX_HEADER_BYTES = 1 << 24;
const SUM_BYTES = 8;
const ENTRY_WORDS = PAGE_KEY_BYTES / 4 + 2;
const BATCH_PAGES = 16;

interface PageCount {
  readonly pageBytes: number;
  readonly pageCount: number;
}

interface Header extends PageCount {
  readonly identity: SessionIdentity;
  readonly data: string | null;
  readonly tokenCount: number;
  readonly otherGroups?: readonly PageCount[];
}

/** Where the pages of a group are. */
interface GroupPlace extends PageCount {
  /** Place in the table of the first page. */
  readonly first: number;
  /** In the file. */
  readonly at: number;
}

interface Places {
  readonly tokens: number;
  readonly table: number;
  readonly groups: readonly GroupPlace[];
  readonly pageCount: number;
  readonly end: number;
}

function placesOf(header: Header, headerBytes: number): Places {
  const align = (at: number) => Math.ceil(at / 8) * 8;
  const tokens = align(PREAMBLE_BYTES + headerBytes);
  const table = align(tokens + header.tokenCount * 4 + SUM_BYTES);
  const counts: readonly PageCount[] = [header, ...(header.otherGroups ?? [])];
  const pageCount = counts.reduce((sum, group) => sum + group.pageCount, 0);
  let at = align(table + pageCount * ENTRY_WORDS * 4 + SUM_BYTES);
  let first = 0;
  const groups: GroupPlace[] = [];
  for (const group of counts) {
    groups.push({ pageBytes: group.pageBytes, pageCount: group.pageCount, first, at });
    first += group.pageCount;
    at += group.pageCount * group.pageBytes;
  }
  return { tokens, table, groups, pageCount, end: at };
}

/** Words and, behind them, their checksum. */
function withSum(words: Uint32Array, sum: ChecksumFunction): Uint8Array {
  const all = new Uint32Array(words.length + 2);
  all.set(words);
  sum(new Uint8Array(all.buffer, 0, words.byteLength), words.length, VERSION, all, words.length);
  return new Uint8Array(all.buffer);
}

async function transferAll(
  move: (buffers: readonly Uint8Array[], position: number) => Promise<number>,
  bytes: Uint8Array,
  position: number,
): Promise<boolean> {
  for (let done = 0; done < bytes.byteLength; ) {
    const count = await move([bytes.subarray(done)], position + done);
    if (count === 0) return false;
    done += count;
  }
  return true;
}

/**
 * Writes a session beside `path` and puts it in its place when it is whole and on the disk. What was there stays there if anything
 * fails. Throws SessionFileError (`io`); what `readPages` throws passes through.
 */
export async function saveSession(
  files: TierFiles,
  path: string,
  content: SessionContent,
  checksum: ChecksumFunction = checksumBytes,
): Promise<void> {
  const { identity, tokenIds, data = null, otherGroups = [] } = content;
  const countOf = ({ pageBytes, keys }: SessionPages): PageCount => ({ pageBytes, pageCount: keys.length });
  const header: Header = {
    identity,
    data,
    tokenCount: tokenIds.length,
    ...countOf(content),
    ...(otherGroups.length > 0 && { otherGroups: otherGroups.map(countOf) }),
  };
  const text = new TextEncoder().encode(JSON.stringify(header));
  if (text.byteLength > MAX_HEADER_BYTES) {
    throw new SessionFileError(path, 'io', `the session's data is over ${MAX_HEADER_BYTES} bytes long`);
  }
  const places = placesOf(header, text.byteLength);
  const preamble = new Uint32Array(PREAMBLE_BYTES / 4);
  preamble.set([MAGIC, VERSION, text.byteLength]);
  checksum(text, VERSION, MAGIC, preamble, 4);
  const head = new Uint8Array(places.tokens);
  head.set(new Uint8Array(preamble.buffer));
  head.set(text, PREAMBLE_BYTES);
  const table = new Uint32Array(places.pageCount * ENTRY_WORDS);
  const draft = `${path}.new`;

  async function attempt<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw new SessionFileError(path, 'io', `${what} (${faultOf(error)})`, { cause: error });
    }
  }

  let file: TierFile | null = null;
  const write = (bytes: Uint8Array, position: number) =>
    attempt('the session cannot be written', async () => {
      if (!(await transferAll((buffers, at) => file!.write(buffers, at), bytes, position))) throw new Error('no space');
    });
  async function writePages(group: SessionPages, place: GroupPlace): Promise<void> {
    const { keys, pageBytes } = group;
    const batch = new Uint8Array(Math.min(BATCH_PAGES, keys.length) * pageBytes);
    for (let first = 0; first < keys.length; first += BATCH_PAGES) {
      const count = Math.min(BATCH_PAGES, keys.length - first);
      const pages = Array.from({ length: count }, (_, i) => batch.subarray(i * pageBytes, (i + 1) * pageBytes));
      await group.readPages(first, pages);
      for (const [i, page] of pages.entries()) {
        const entry = (place.first + first + i) * ENTRY_WORDS;
        writePageKey(keys[first + i], table, entry);
        checksumPage(keys[first + i], page, checksum, table, entry + 4);
      }
      await write(batch.subarray(0, count * pageBytes), place.at + first * pageBytes);
    }
  }

  try {
    await attempt('the session cannot be created', async () => {
      await files.remove(draft);
      file = await files.open(draft, { wantsDirect: false, creates: true });
    });
    await write(head, 0);
    await write(withSum(Uint32Array.from(tokenIds), checksum), places.tokens);
    for (const [g, group] of [content, ...otherGroups].entries()) await writePages(group, places.groups[g]);
    await write(withSum(table, checksum), places.table);
    await attempt('the session cannot be made permanent', async () => {
      await file!.sync();
      const written = file!;
      // Closed once, also where that fails.
      file = null;
      await written.close();
      await files.rename(draft, path);
      await files.syncFolder(dirname(path));
    });
  } catch (error) {
    await (file as TierFile | null)?.close().catch(() => undefined);
    await files.remove(draft).catch(() => undefined);
    throw error;
  }
}

/**
 * Opens a session that `saveSession` wrote, for an engine of `identity`. Pages are checked as they are read. Throws
 * SessionFileError.
 */
export async function openSession(
  files: TierFiles,
  path: string,
  identity: SessionIdentity,
  checksum: ChecksumFunction = checksumBytes,
): Promise<SavedSession> {
  const refuse = (fault: SessionFileFault, detail: string) => new SessionFileError(path, fault, detail);
  const attempt = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      if (error instanceof SessionFileError) throw error;
      throw new SessionFileError(path, 'io', `the session cannot be read (${faultOf(error)})`, { cause: error });
    }
  };
  const file = await attempt(() => files.open(path, { wantsDirect: false, creates: false }));

  async function read(bytes: Uint8Array, position: number): Promise<Uint8Array> {
    const isWhole = await transferAll((buffers, at) => file.read(buffers, at), bytes, position);
    if (!isWhole) throw refuse('truncated', 'the file ends too early');
    return bytes;
  }

  async function readWords(count: number, position: number, what: string): Promise<Uint32Array> {
    const bytes = await read(new Uint8Array(count * 4 + SUM_BYTES), position);
    const words = new Uint32Array(bytes.buffer);
    const sums = new Uint32Array(2);
    checksum(bytes.subarray(0, count * 4), count, VERSION, sums, 0);
    if (sums[0] !== words[count] || sums[1] !== words[count + 1]) throw refuse('corrupt', `${what} are damaged`);
    return words.subarray(0, count);
  }

  async function readHeader(): Promise<{ header: Header; places: Places }> {
    const preamble = new Uint32Array((await read(new Uint8Array(PREAMBLE_BYTES), 0)).buffer);
    const [magic, version, length, , sum0, sum1] = preamble;
    if (magic !== MAGIC) throw refuse('not_a_session', 'this is not a session file');
    if (version !== VERSION) throw refuse('version', `the file has format ${version}, this program reads ${VERSION}`);
    if (length > MAX_HEADER_BYTES) throw refuse('corrupt', 'the header is damaged');
    const text = await read(new Uint8Array(length), PREAMBLE_BYTES);
    const sums = new Uint32Array(2);
    checksum(text, VERSION, MAGIC, sums, 0);
    if (sums[0] !== sum0 || sums[1] !== sum1) throw refuse('corrupt', 'the header is damaged');
    const header = JSON.parse(new TextDecoder().decode(text)) as Header;
    return { header, places: placesOf(header, length) };
  }

  function check(found: SessionIdentity): void {
    const fields: [SessionFileFault, string, string, string][] = [
      ['model', 'model', found.model, identity.model],
      ['kv_type', 'KV type', found.kvType, identity.kvType],
      ['layout', 'layout', found.layout, identity.layout],
    ];
    for (const [fault, what, saved, ours] of fields) {
      if (saved !== ours) throw refuse(fault, `the session was saved with ${what} ${saved}, the engine has ${ours}`);
    }
  }

  function pagesAt({ pageBytes, pageCount, first: firstEntry, at }: GroupPlace, table: Uint32Array): SessionPages {
    const keys = Array.from({ length: pageCount }, (_, i) => pageKey(table, (firstEntry + i) * ENTRY_WORDS));
    return {
      keys,
      pageBytes,
      readPages: (first, into) =>
        attempt(async () => {
          const sums = new Uint32Array(2);
          // In one transfer; what it left out, page by page.
          const done = await file.read(into, at + first * pageBytes);
          for (const [i, page] of into.entries()) {
            const index = first + i;
            if (done < (i + 1) * pageBytes) await read(page, at + index * pageBytes);
            checksumPage(keys[index], page, checksum, sums, 0);
            const entry = (firstEntry + index) * ENTRY_WORDS;
            const isRight = sums[0] === table[entry + 4] && sums[1] === table[entry + 5];
            if (!isRight) throw refuse('corrupt', `page ${firstEntry + index} is damaged`);
          }
        }),
    };
  }

  try {
    return await attempt(async () => {
      const { header, places } = await readHeader();
      check(header.identity);
      const size = await file.sizeBytes();
      if (size < places.end) throw refuse('truncated', `the file has ${size} bytes of ${places.end}`);
      const tokenIds = new Int32Array(await readWords(header.tokenCount, places.tokens, 'the token ids'));
      const table = await readWords(places.pageCount * ENTRY_WORDS, places.table, 'the page hashes');
      const [first, ...otherGroups] = places.groups.map((place) => pagesAt(place, table));
      return { ...first, tokenIds, data: header.data, otherGroups, close: () => file.close() };
    });
  } catch (error) {
    await file.close().catch(() => undefined);
    throw error;
  }
}
