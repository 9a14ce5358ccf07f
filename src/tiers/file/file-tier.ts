// Pages in preallocated files of a folder, found again after a restart or a crash: a slot index over a journal and transfers.

import { InvalidRequestError } from '../../errors/index.ts';
import { alignUp, allocatePages } from '../../tensor/aligned-memory.ts';
import { type ChecksumFunction, checksumBytes, checksumPage } from '../page-checksum.ts';
import { formatPageKey, type PageKey } from '../page-key.ts';
import { createPageSlots, type PageSlots } from '../page-slots.ts';
import { createPageVerbs } from '../page-verbs.ts';
import {
  createTierCounters,
  type EvictionHandler,
  type GetResult,
  type Page,
  type PutResult,
  type Tier,
  type TierClock,
  type TierEvent,
  type TierEventHandler,
} from '../tier.ts';
import { openPageFolder } from './page-folder.ts';
import { createPageIo, type PageTransfer } from './page-io.ts';
import { type JournalEntry, journalBudgetBytes, type StoredPage } from './page-journal.ts';
import { faultOf, isDiskFull, type TierFiles } from './tier-files.ts';

export interface FileTierOptions {
  readonly name?: string;
  /** Made if it is missing. One process at a time may use it. */
  readonly folder: string;
  readonly files: TierFiles;
  readonly clock: TierClock;
  readonly pageBytes: number;
  /** Bytes of all files in the folder together, never exceeded. The index in memory is extra: about 200 bytes a page. */
  readonly budgetBytes: number;
  /**
   * What every page here depends on beside its key: model, KV type, layout, and whether pages have been through a lossy form. Pages that
   * were stored under another identity are never returned. At most 3,000 bytes.
   */
  readonly identity: string;
  /** What to do with a folder of another identity or page size: throw, or empty it. Defaults to `refuse`. */
  readonly onOtherIdentity?: 'refuse' | 'discard';
  /** Whether pages have been through a lossy form before they come here. Defaults to false. */
  readonly isLossy?: boolean;
  /** Defaults to true: past the system's cache where that works. */
  readonly isDirect?: boolean;
  /** Transfers under way at once. Defaults to 4. */
  readonly inFlightLimit?: number;
  /** Longest transfer of neighbouring pages. Defaults to 1 MiB. */
  readonly transferBytes?: number;
  /** Size of a file: few files, each of at least this. Defaults to 256 MiB. */
  readonly segmentBytes?: number;
  /** Files grow by this much at a time. Defaults to 64 MiB. */
  readonly growthBytes?: number;
  readonly checksum?: ChecksumFunction;
  readonly onEvict?: EvictionHandler;
  readonly onEvent?: TierEventHandler;
}

/** Room for the lock file and for drafts of it. */
const LOCK_BYTES = 4096;
const MAX_BATCH_PAGES = 256;
const DISK_FULL_RETRY_MS = 10_000;
const MIB = 2 ** 20;

interface PutRequest {
  readonly pages: readonly Page[];
  readonly resolve: (results: PutResult[]) => void;
}

/** Slots that fit into a budget beside journal and lock. */
function slotCountOf(budgetBytes: number, slotBytes: number): number {
  let count = Math.floor(budgetBytes / slotBytes);
  const needs = (slots: number) => slots * slotBytes + journalBudgetBytes(slots) + LOCK_BYTES;
  while (count > 0 && needs(count) > budgetBytes) {
    count -= Math.max(1, Math.ceil((needs(count) - budgetBytes) / (slotBytes + 256)));
  }
  return Math.max(0, count);
}

/** Binds the slots of pages that were found, and leaves the others free in ascending order. */
function restorePages(slots: PageSlots, pages: readonly StoredPage[], sums: Uint32Array): void {
  const taken = new Set(pages.map(({ slot }) => slot));
  for (let i = 0; i < slots.capacity; i++) slots.take();
  for (let slot = slots.capacity - 1; slot >= 0; slot--) if (!taken.has(slot)) slots.giveBack(slot);
  for (const { key, slot, sum0, sum1 } of pages) {
    sums.set([sum0, sum1], slot * 2);
    slots.bind(slot, key);
  }
}

/**
 * Opens a folder of pages. Of what is found there, only pages whose index record is whole count as present, and only bytes that
 * sum up to what the record says are ever returned. Throws InvalidRequestError if the budget holds no page, TierFolderError if the
 * folder is in use, was made for something else, or cannot be opened.
 */
export async function openFileTier(options: FileTierOptions): Promise<Tier> {
  const { folder, files, clock, pageBytes, budgetBytes, identity, onEvict } = options;
  const name = options.name ?? 'file';
  const checksum = options.checksum ?? checksumBytes;
  const slotBytes = alignUp(pageBytes);
  const slotCount = slotCountOf(budgetBytes, slotBytes);
  if (slotCount === 0) {
    throw new InvalidRequestError(
      `A file tier of ${budgetBytes} bytes does not hold one page of ${pageBytes} bytes.`,
      'budgetBytes',
      budgetBytes,
    );
  }
  const tell = (kind: TierEvent['kind'], message: string) => options.onEvent?.({ tier: name, kind, message });
  const opened = await openPageFolder({
    files,
    folder,
    header: { identity, pageBytes, slotBytes },
    slotCount,
    segmentBytes: options.segmentBytes ?? 256 * MIB,
    growthBytes: options.growthBytes ?? 64 * MIB,
    wantsDirect: options.isDirect ?? true,
    onOtherIdentity: options.onOtherIdentity ?? 'refuse',
    tell,
  });
  const { segments, journal } = opened;
  const slots = createPageSlots(slotCount);
  const sums = new Uint32Array(slotCount * 2);
  const counters = createTierCounters();
  const livePages = function* (): Iterable<StoredPage> {
    for (const slot of slots.slots()) {
      yield { key: slots.keyOf(slot)!, slot, sum0: sums[slot * 2], sum1: sums[slot * 2 + 1] };
    }
  };

  restorePages(slots, opened.pages, sums);

  const io = createPageIo({
    segments,
    pageBytes,
    slotBytes,
    laneCount: options.inFlightLimit ?? 4,
    transferBytes: options.transferBytes ?? MIB,
  });
  const fixedBytes = journalBudgetBytes(slotCount) + LOCK_BYTES;
  const batchPages = Math.max(1, Math.min(MAX_BATCH_PAGES, Math.floor(slotCount / 2)));
  const queue: PutRequest[] = [];
  const underWay = new Set<Promise<unknown>>();
  let drain: Promise<void> | null = null;
  let isClosed = false;
  let closing: Promise<void> | null = null;
  let growsAgainMs = Number.NEGATIVE_INFINITY;
  let droppedSlots: number[] = [];

  function track<T>(work: Promise<T>): Promise<T> {
    underWay.add(work);
    return work.finally(() => underWay.delete(work));
  }

  function forget(slot: number): void {
    droppedSlots.push(slot);
    if (slots.unbind(slot)) slots.giveBack(slot);
  }

  function letGo(slot: number): void {
    if (slots.release(slot)) slots.giveBack(slot);
  }

  async function record(entries: readonly JournalEntry[]): Promise<void> {
    const drops = droppedSlots.map((slot): JournalEntry => ({ kind: 'dropped', slot }));
    droppedSlots = [];
    // Drops of slots come before what is stored in them now.
    await journal.append([...drops, ...entries], livePages).catch((error: unknown) => {
      tell('fault', `the index cannot be written (${faultOf(error)}); pages will be missing after a restart`);
    });
  }

  /** Hands victims to the next tier, which needs their bytes. */
  async function handDown(victims: readonly number[]): Promise<void> {
    const buffers = allocatePages(victims.length, pageBytes);
    const keys = victims.map((slot) => slots.keyOf(slot)!);
    const results = await readPages(victims, keys, buffers);
    const found = keys.map((key, i) => ({ key, bytes: buffers[i] })).filter((_, i) => results[i] === 'ok');
    // The buffers are new ones: nobody waits for those that are still in use.
    await onEvict!(found, []);
  }

  async function evict(count: number): Promise<number> {
    const victims = slots.coldest(count);
    if (onEvict !== undefined && victims.length > 0) await handDown(victims);
    let evicted = 0;
    for (const slot of victims) {
      if (slots.keyOf(slot) === null || slots.isFixed(slot)) continue;
      forget(slot);
      counters.evictions++;
      evicted++;
    }
    return evicted;
  }

  /** Up to `count` slots that may be written now, in ascending order: free ones, grown ones, then evicted ones. */
  async function allocate(count: number): Promise<number[]> {
    const taken: number[] = [];
    let mayGrow = clock.now() >= growsAgainMs;
    const unready: number[] = [];
    for (let mayEvict = true; taken.length < count; ) {
      const slot = slots.take();
      if (slot >= 0 && segments.isReady(slot)) {
        taken.push(slot);
        continue;
      }
      if (slot >= 0) {
        if (mayGrow) {
          try {
            await segments.grow(slot);
            taken.push(slot);
            continue;
          } catch (error) {
            mayGrow = false;
            // A full disk stays full for a while; any other fault may be over.
            if (isDiskFull(error)) growsAgainMs = clock.now() + DISK_FULL_RETRY_MS;
            tell(
              'fault',
              `the files of ${folder} cannot grow (${faultOf(error)}); making do with ${segments.bytes} bytes`,
            );
          }
        }
        unready.push(slot);
      }
      if (!mayEvict) break;
      mayEvict = (await evict(count - taken.length)) > 0;
    }
    for (const slot of unready.reverse()) slots.giveBack(slot);
    return taken.sort((a, b) => a - b);
  }

  async function putBatch(pages: readonly Page[], results: PutResult[], offset: number): Promise<void> {
    const fresh = new Map<PageKey, number>();
    for (const [i, { key }] of pages.entries()) {
      const slot = slots.find(key);
      if (slot >= 0) {
        slots.touch(slot);
        results[offset + i] = 'ok';
      } else if (!fresh.has(key)) fresh.set(key, i);
    }
    const wanted = [...fresh.values()];
    const taken = await allocate(wanted.length);
    // On disk, slots are free before anything else is written to them.
    if (droppedSlots.length > 0) await record([]);
    const transfers = taken.map((slot, i): PageTransfer => {
      const { key, bytes } = pages[wanted[i]];
      return { slot, bytes, visit: () => checksumPage(key, bytes, checksum, sums, slot * 2) };
    });
    const faults = await io.write(transfers);
    const stored: JournalEntry[] = [];
    for (const [i, slot] of taken.entries()) {
      const { key } = pages[wanted[i]];
      const fault = faults[i];
      if (fault !== null) {
        slots.giveBack(slot);
        results[offset + wanted[i]] = isDiskFull(fault) ? 'full' : 'failed';
        tell('fault', `a page cannot be written (${faultOf(fault)})`);
        continue;
      }
      slots.bind(slot, key);
      stored.push({ kind: 'stored', page: { key, slot, sum0: sums[slot * 2], sum1: sums[slot * 2 + 1] } });
      results[offset + wanted[i]] = 'ok';
      counters.stored++;
      counters.bytesIn += pageBytes;
    }
    await record(stored);
    // A page that came twice in a batch fares as its first copy did.
    for (const [i, { key }] of pages.entries()) {
      const first = fresh.get(key);
      if (first !== undefined) results[offset + i] = results[offset + first];
    }
  }

  /** Takes what has queued up as one batch after the other: callers who come one page at a time still fill the disk's queue. */
  async function drainQueue(): Promise<void> {
    while (queue.length > 0) {
      const requests = queue.splice(0);
      const pages = requests.flatMap((request) => request.pages);
      const results: PutResult[] = new Array(pages.length).fill('full');
      for (let at = 0; at < pages.length; at += batchPages) {
        await putBatch(pages.slice(at, at + batchPages), results, at);
      }
      for (const result of results) {
        if (result === 'full') counters.refused++;
        else if (result === 'failed') counters.failedWrites++;
      }
      let at = 0;
      for (const request of requests) {
        request.resolve(results.slice(at, at + request.pages.length));
        at += request.pages.length;
      }
    }
    drain = null;
  }

  async function readPages(
    held: readonly number[],
    keys: readonly PageKey[],
    into: readonly Uint8Array[],
  ): Promise<GetResult[]> {
    const found = new Uint32Array(2);
    const results: GetResult[] = new Array(held.length).fill('missing');
    const indexes = held.map((_, i) => i).filter((i) => held[i] >= 0);
    for (const i of indexes) slots.hold(held[i]);
    const faults = await io.read(
      indexes.map((i): PageTransfer => {
        const slot = held[i];
        const sum0 = sums[slot * 2];
        const sum1 = sums[slot * 2 + 1];
        const visit = () => {
          checksumPage(keys[i], into[i], checksum, found, 0);
          results[i] = found[0] === sum0 && found[1] === sum1 ? 'ok' : 'corrupt';
        };
        return { slot, bytes: into[i], visit };
      }),
    );
    for (const [n, i] of indexes.entries()) {
      const slot = held[i];
      const fault = faults[n];
      if (fault !== null) {
        results[i] = 'failed';
        tell('fault', `a page cannot be read (${faultOf(fault)})`);
      } else if (results[i] === 'corrupt') {
        tell('corrupt', `page ${formatPageKey(keys[i])} does not have its checksum and is forgotten`);
        if (slots.find(keys[i]) === slot) forget(slot);
      }
      letGo(slot);
    }
    return results;
  }

  async function closeAll(): Promise<void> {
    while (drain !== null || underWay.size > 0) await Promise.allSettled([drain, ...underWay]);
    try {
      await record([]);
      await flushAll();
    } finally {
      await segments.close();
      await journal.close().catch(() => undefined);
      await opened.lock.release().catch(() => undefined);
    }
  }

  async function flushAll(): Promise<void> {
    try {
      await segments.sync();
      await journal.sync();
    } catch (error) {
      tell('fault', `the folder cannot be flushed (${faultOf(error)})`);
    }
  }

  return {
    ...createPageVerbs(slots, forget, () => isClosed),
    name,
    pageBytes,
    capacityPages: slotCount,
    isLossy: options.isLossy ?? false,
    outlivesProcess: true,
    counters,
    get state() {
      return isClosed ? 'closed' : 'ready';
    },
    get usage() {
      const bytes = isClosed ? 0 : segments.bytes + fixedBytes;
      return { pages: isClosed ? 0 : slots.boundCount, bytes, budgetBytes, pinnedPages: slots.pinnedCount };
    },
    async put(pages) {
      if (isClosed) return pages.map(() => 'failed');
      if (pages.length === 0) return [];
      const startedMs = clock.now();
      const results = await new Promise<PutResult[]>((resolve) => {
        queue.push({ pages, resolve });
        drain ??= drainQueue();
      });
      counters.putMs += clock.now() - startedMs;
      return results;
    },
    async get(keys, into) {
      if (isClosed) return keys.map(() => 'failed');
      const startedMs = clock.now();
      const found = keys.map((key) => slots.find(key));
      for (const slot of found) if (slot >= 0) slots.touch(slot);
      const results = await track(readPages(found, keys, into));
      for (const result of results) {
        if (result === 'ok') {
          counters.hits++;
          counters.bytesOut += pageBytes;
        } else if (result === 'missing') counters.misses++;
        else if (result === 'corrupt') counters.corrupt++;
        else counters.failedReads++;
      }
      counters.getMs += clock.now() - startedMs;
      return results;
    },
    async flush() {
      if (isClosed) return closing ?? undefined;
      await track(
        (async () => {
          while (drain !== null) await drain;
          await record([]);
          await flushAll();
        })(),
      );
    },
    close() {
      isClosed = true;
      closing ??= closeAll();
      return closing;
    },
  };
}
