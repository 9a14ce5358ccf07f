// Pages in a preallocated pool of host memory: as they are, or, if a codec is given, the colder ones in its smaller form.

import { InvalidRequestError } from '../../errors/index.ts';
import { allocatePages } from '../aligned-memory.ts';
import type { PageCodec } from '../page-codec.ts';
import type { PageKey } from '../page-key.ts';
import { createPageSlots } from '../page-slots.ts';
import { createPageVerbs } from '../page-verbs.ts';
import {
  type BuffersInUse,
  createTierCounters,
  type EvictionHandler,
  type GetResult,
  type Page,
  type PutResult,
  type Tier,
  type TierClock,
} from '../tier.ts';
import { createHostPool, type PageSource } from './host-pool.ts';

export interface HostTierOptions {
  readonly name?: string;
  readonly pageBytes: number;
  /** Memory of the pool. The index is extra: about 200 bytes for each page. */
  readonly budgetBytes: number;
  readonly clock: TierClock;
  /** Called with pages that are to be evicted, which then stay until its promise settles. Defaults to dropping them. */
  readonly onEvict?: EvictionHandler;
  /**
   * The form of colder pages. It changes numbers: pages that were in it come back slightly different, so it is for those who
   * asked for it. Defaults to none.
   */
  readonly codec?: PageCodec | null;
  /**
   * With a codec: the share of the pool in which the pages used last are kept as they are, from 0 to 1. The larger, the fewer
   * pages fit. Defaults to 0.02.
   */
  readonly hotShare?: number;
  /** Called with the pool's memory before it is first written: for who can have the system lay it out better. */
  readonly prepareMemory?: (memory: Uint8Array) => void;
}

export interface HostTier extends Tier {
  /**
   * Stores a page at once, without waiting, if there is room or `isDroppable` pages to evict (defaults to none); else does nothing. It is
   * written in place unless the pool's units are smaller than a page.
   */
  place(key: PageKey, page: PageSource, isDroppable?: (key: PageKey) => boolean): boolean;
  /**
   * Hands the coldest pages for which `wants` is true (at most `count`) to `handler`, and keeps them: whoever has copied
   * them makes their eviction free. Looks at the coldest `window` pages only.
   */
  writeBack(count: number, window: number, wants: (key: PageKey) => boolean, handler: EvictionHandler): Promise<number>;
}

/** Rings of warmth: pages in the smaller form (or never to be, which cost as much as they cost) are evicted, others compressed. */
const WHOLE = 0;
const SMALL = 1;
const MAX_BATCH_PAGES = 32;
/** Batches of victims of which none could go, before room is given up. */
const MAX_FAILED_ROUNDS = 3;

/** Throws InvalidRequestError if the budget does not hold a page. */
export function createHostTier(options: HostTierOptions): HostTier {
  const { pageBytes, budgetBytes, clock, codec = null, hotShare = 0.02, onEvict } = options;
  const pool = createHostPool(
    budgetBytes,
    pageBytes,
    codec === null ? null : codec.compressedBytes,
    options.prepareMemory,
  );
  const { unitsPerPage, unitCount } = pool;
  if (unitCount < unitsPerPage) {
    throw new InvalidRequestError(
      `A host tier of ${budgetBytes} bytes does not hold one page of ${pageBytes} bytes.`,
      'budgetBytes',
      budgetBytes,
    );
  }
  const slots = createPageSlots(unitCount, 2);
  const counters = createTierCounters();
  const hotPages = codec === null ? 0 : Math.floor((unitCount * hotShare) / unitsPerPage);
  const batchPages = Math.max(1, Math.min(MAX_BATCH_PAGES, Math.floor(unitCount / unitsPerPage / 2)));
  /** Pages that room is made for at once: what is stored whole before it is compressed counts as hot. */
  const roomPages = codec === null ? batchPages : Math.max(1, Math.min(batchPages, hotPages));
  /** Where pages are gathered that do not lie whole: for evictions, and for pages that are written back meanwhile. */
  const evictionStaging: Uint8Array[] = [];
  const writeBackStaging: Uint8Array[] = [];
  let scratch: Uint8Array | null = null;
  /** Operations that may wait run one after the other. */
  let turn: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  let isWritingBack = false;
  let isClosed = false;
  const underWay = new Set<Promise<unknown>>();

  const isWhole = (slot: number) => pool.unitsOf(slot) === unitsPerPage && (unitsPerPage > 1 || codec === null);

  function track<T>(work: Promise<T>): Promise<T> {
    underWay.add(work);
    return work.finally(() => underWay.delete(work));
  }

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    waiting++;
    const result = turn.then(work).finally(() => {
      waiting--;
    });
    turn = result.catch(() => undefined);
    return track(result);
  }

  function freeSlot(slot: number): void {
    pool.release(slot);
    slots.giveBack(slot);
  }

  function forget(slot: number): void {
    if (slots.unbind(slot)) freeSlot(slot);
  }

  function letGo(slot: number): void {
    if (slots.release(slot)) freeSlot(slot);
  }

  /** Stores a page in units that are free. */
  function store(key: PageKey, page: PageSource): void {
    const slot = slots.take();
    pool.acquire(slot, unitsPerPage);
    try {
      pool.write(slot, page);
    } catch (error) {
      freeSlot(slot);
      throw error;
    }
    slots.bind(slot, key, WHOLE);
    counters.stored++;
    counters.bytesIn += pageBytes;
  }

  /** The bytes of held slots, in place where they lie whole and together, else gathered in staging buffers. */
  async function bytesOf(held: readonly number[], staging: Uint8Array[]): Promise<Page[]> {
    if (staging.length === 0 && codec !== null) staging.push(...allocatePages(batchPages, pageBytes));
    const pages: Page[] = [];
    for (const [i, slot] of held.entries()) {
      const key = slots.keyOf(slot);
      if (key === null) continue;
      let bytes = pool.view(slot);
      if (codec !== null) {
        bytes = staging[i];
        await readSlot(slot, bytes);
      }
      pages.push({ key, bytes });
    }
    return pages;
  }

  function readSlot(slot: number, into: Uint8Array): Promise<void> | void {
    if (isWhole(slot)) pool.read(slot, into);
    else return codec!.decode(pool.view(slot).subarray(0, codec!.compressedBytes), into);
  }

  async function handOut(victims: readonly number[], staging: Uint8Array[], handler: EvictionHandler): Promise<void> {
    for (const slot of victims) slots.hold(slot);
    const inUse: BuffersInUse = [];
    const letAllGo = () => {
      for (const slot of victims) letGo(slot);
    };
    try {
      await handler(await bytesOf(victims, staging), inUse);
    } finally {
      if (inUse.length === 0) letAllGo();
      else {
        // Somebody gave up waiting for whoever reads them: slots and staging buffers are free when that ends.
        staging.length = 0;
        void track(Promise.allSettled(inUse).then(letAllGo));
      }
    }
  }

  async function evict(victims: readonly number[]): Promise<void> {
    const keys = victims.map((slot) => slots.keyOf(slot));
    if (onEvict !== undefined) await handOut(victims, evictionStaging, onEvict);
    for (const [i, slot] of victims.entries()) {
      if (slots.keyOf(slot) !== keys[i] || keys[i] === null || slots.isFixed(slot)) continue;
      forget(slot);
      counters.evictions++;
    }
  }

  /** Brings a whole page into its smaller form, in the first of its units. */
  async function compress(slot: number): Promise<void> {
    scratch ??= new Uint8Array(pageBytes);
    const small = new Uint8Array(codec!.compressedBytes);
    slots.hold(slot);
    pool.read(slot, scratch);
    const hasForm = await codec!.encode(scratch, small);
    if (slots.keyOf(slot) !== null) {
      if (hasForm) {
        pool.view(slot).set(small);
        pool.release(slot, 1);
        counters.compressions++;
      }
      slots.touch(slot, SMALL);
    }
    letGo(slot);
  }

  /** Frees at least `units` units if it can: compresses while more than the hot pages are whole, then evicts. */
  async function makeRoom(units: number): Promise<void> {
    let failedRounds = 0;
    while (pool.freeUnits < units) {
      const before = pool.freeUnits;
      const missing = units - before;
      if (codec !== null && slots.ringCount(WHOLE) > hotPages) {
        const excess = slots.ringCount(WHOLE) - hotPages;
        const wanted = Math.min(excess, Math.ceil(missing / Math.max(1, unitsPerPage - 1)));
        const found = slots.coldest(wanted, WHOLE);
        for (const slot of found) await compress(slot);
        if (found.length > 0) continue;
      }
      const victims: number[] = [];
      let gain = 0;
      for (const ring of [SMALL, WHOLE]) {
        for (const slot of slots.coldest(batchPages - victims.length, ring)) {
          if (gain >= missing) break;
          victims.push(slot);
          gain += pool.unitsOf(slot);
        }
      }
      if (victims.length === 0) return;
      await evict(victims);
      // All of them were pinned meanwhile, or are still read below: others may go.
      if (pool.freeUnits <= before && ++failedRounds > MAX_FAILED_ROUNDS) return;
    }
  }

  function putNow(key: PageKey, page: PageSource): PutResult | null {
    const slot = slots.find(key);
    if (slot >= 0) {
      slots.touch(slot);
      return 'ok';
    }
    if (pool.freeUnits < unitsPerPage) return null;
    store(key, page);
    return 'ok';
  }

  async function putSlowly(pages: readonly Page[], results: PutResult[], first: number): Promise<PutResult[]> {
    for (let i = first; i < pages.length; i++) {
      const { key, bytes } = pages[i];
      let result = putNow(key, bytes);
      if (result === null) {
        await makeRoom(unitsPerPage * Math.min(roomPages, pages.length - i));
        result = putNow(key, bytes) ?? 'full';
      }
      if (result === 'full') counters.refused++;
      results[i] = result;
    }
    return results;
  }

  return {
    ...createPageVerbs(slots, forget, () => isClosed),
    name: options.name ?? 'host',
    pageBytes,
    capacityPages: Math.floor(unitCount / unitsPerPage),
    isLossy: codec !== null,
    outlivesProcess: false,
    counters,
    get state() {
      return isClosed ? 'closed' : 'ready';
    },
    get usage() {
      return {
        pages: slots.boundCount,
        bytes: (unitCount - pool.freeUnits) * pool.unitBytes,
        budgetBytes,
        pinnedPages: slots.pinnedCount,
      };
    },
    async put(pages) {
      const startedMs = clock.now();
      const results: PutResult[] = new Array(pages.length).fill('failed');
      if (isClosed) return results;
      let done = 0;
      if (waiting === 0) {
        for (; done < pages.length; done++) {
          const result = putNow(pages[done].key, pages[done].bytes);
          if (result === null) break;
          results[done] = result;
        }
      }
      if (done < pages.length) await inTurn(() => putSlowly(pages, results, done));
      counters.putMs += clock.now() - startedMs;
      return results;
    },
    place(key, page, isDroppable) {
      if (isClosed) return false;
      if (putNow(key, page) === 'ok') return true;
      if (isDroppable === undefined) return false;
      for (const ring of [SMALL, WHOLE]) {
        for (const slot of slots.coldest(2 * unitsPerPage, ring)) {
          if (!isDroppable(slots.keyOf(slot)!)) continue;
          forget(slot);
          counters.evictions++;
          if (putNow(key, page) === 'ok') return true;
        }
      }
      return false;
    },
    lend(key, read) {
      const slot = isClosed || unitsPerPage > 1 ? -1 : slots.find(key);
      if (slot < 0 || !isWhole(slot)) return false;
      slots.touch(slot);
      read(pool.view(slot));
      counters.hits++;
      counters.bytesOut += pageBytes;
      return true;
    },
    async writeBack(count, window, wants, handler) {
      if (isClosed || isWritingBack) return 0;
      isWritingBack = true;
      const ring = slots.ringCount(SMALL) > 0 ? SMALL : WHOLE;
      const wanted = slots.coldest(window, ring).filter((slot) => wants(slots.keyOf(slot)!));
      const found = wanted.slice(0, Math.min(count, batchPages));
      const work = handOut(found, writeBackStaging, handler).finally(() => {
        isWritingBack = false;
      });
      await track(work);
      return found.length;
    },
    async get(keys, into) {
      const startedMs = clock.now();
      const results: GetResult[] = new Array(keys.length).fill('missing');
      const decodes: Promise<void>[] = [];
      for (const [i, key] of keys.entries()) {
        const slot = slots.find(key);
        if (slot < 0 || isClosed) {
          counters.misses++;
          continue;
        }
        slots.touch(slot);
        const decoding = readSlot(slot, into[i]);
        if (decoding !== undefined) {
          slots.hold(slot);
          decodes.push(decoding.finally(() => letGo(slot)));
        }
        results[i] = 'ok';
        counters.hits++;
        counters.bytesOut += pageBytes;
      }
      if (decodes.length > 0) await track(Promise.all(decodes));
      counters.getMs += clock.now() - startedMs;
      return results;
    },
    async flush() {
      await Promise.all(underWay);
    },
    async close() {
      isClosed = true;
      while (underWay.size > 0) await Promise.allSettled(underWay);
      for (const ring of [WHOLE, SMALL]) for (const slot of [...slots.slots(ring)]) forget(slot);
    },
  };
}
