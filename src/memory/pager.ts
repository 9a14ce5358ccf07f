// Moves pages between the device pool and the tiers: evicted blocks out, prefixes that wait for admission in.
//
// Page-out copies a block's bytes when it is evicted, by the one who needs room (direct reclaim) or, better, ahead of that
// while a step runs (background reclaim between two watermarks): straight into the memory of a tier that has room at once, else into a buffer
// that goes to the tiers with others. Pages that lie in a tier's memory come back with one copy too; others are read into buffers and copied from
// there, so that a disk that hangs never has blocks of the pool in its hands. Page-in fills blocks of the pool and makes them cached, so that the
// sequence which waits for them hits them like any other prefix; whoever waits for the same pages waits for the same load.
// A page that cannot be stored or read back costs a recompute and nothing else.
//
// Both ways are taken only where they are expected to pay, at the rates measured here: a page is brought in if that takes less than computing it, and
// copied out if what it saves then, by the odds that it is wanted again, is more than what copying it costs now.

import type { PageFate } from '../events/index.ts';
import { allocatePages, type BuffersInUse, type PageKey, pageKey, type Tier, type TierStack } from '../tiers/index.ts';
import type { BlockFill } from './block-fill.ts';
import { HASH_WORDS } from './block-hash.ts';
import { createTransferRates, type TransferRates } from './transfer-rates.ts';

/** The bytes of blocks, which are the backend's. */
export interface BlockBytes {
  readonly pageBytes: number;
  /** Both may be called while a step runs that does not touch the block. */
  read(block: number, into: Uint8Array): void;
  write(block: number, from: Uint8Array): void;
}

export interface TierOptions {
  readonly tier: Tier;
  readonly bytes: BlockBytes;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /**
   * What computing `tokenCount` tokens from position `position` on takes now, or null while nobody knows. A load that is
   * expected to take longer is not begun, and pages are not kept for it. Defaults to null: always load.
   */
  readonly recomputeMs?: (tokenCount: number, position: number) => number | null;
  /** The part of that which pages of this cache group save: only those of all groups together save all of it. Over 0; defaults to 1. */
  readonly recomputeShare?: number;
  /** Page buffers for transfers in each direction. Defaults to 64. */
  readonly stagingPages?: number;
  /** Calls `action` after that many milliseconds. Without it a load is waited for however long it takes. */
  readonly after?: (ms: number, action: () => void) => void;
  /** While no page arrives for so long, loads are given up and nothing is loaded: what they were for is computed. Defaults to 1000. */
  readonly patienceMs?: number;
}

/** Since start. Pages are blocks. */
export interface PagerCounters {
  readonly pagesOut: number;
  readonly pagesIn: number;
  /** Evicted blocks that a tier had already. */
  readonly cleanEvictions: number;
  /** Evicted blocks that were not worth the copy. */
  readonly declinedPages: number;
  /** Evicted blocks that were lost because transfers out were behind or a tier did not take them. */
  readonly lostPages: number;
  /** Pages that a tier promised and did not deliver. */
  readonly failedPages: number;
  /** Loads begun, and sequences that joined one of another sequence. */
  readonly loads: number;
  readonly joinedLoads: number;
  /** Loads that were given up because nothing arrived for too long. */
  readonly abandonedLoads: number;
  /** Time that loads took, each counted whole. */
  readonly loadMs: number;
}

export interface Pager {
  readonly counters: PagerCounters;
  readonly rates: TransferRates;
  /**
   * Takes a copy of an evicted block, whose hash is `hashes[block]`, before anybody writes to it, if it is worth that: `odds` that it is wanted again, which
   * would save computing `tokenCount` tokens from `position` on. Without `worth` it is.
   */
  save(block: number, hashes: Uint32Array, worth?: PageWorth): PageFate;
  /** Whether the tiers have the page `chain[index]`, and loads can be had. */
  has(chain: Uint32Array, index: number): boolean;
  /** What loading the pages `chain[i + 1]` of `indices` is expected to take; null while nobody knows. */
  expectedMs(chain: Uint32Array, indices: readonly number[]): number | null;
  /**
   * Whether loads that are expected to take `loadMs` together (null: nobody knows), here and in other cache groups, beat computing `tokenCount` tokens
   * from `position` on.
   */
  isWorthwhile(loadMs: number | null, tokenCount: number, position: number): boolean;
  /** The tier that has the page of a block that was saved, or will get it first. */
  tierOf(block: number, hashes: Uint32Array): string;
  /** The names of the tiers that a fill's pages are in now, in its order; '' where there is none. */
  placesOf(fill: BlockFill): string[];
  /** The load that brings in the page `chain[index]` already, or undefined. */
  loadOf(chain: Uint32Array, index: number): Promise<void> | undefined;
  /**
   * Reads the pages of a fill into its blocks, then calls `done` with how many leading ones arrived. Ends when what that returns does. Never
   * rejects.
   */
  load(fill: BlockFill, done: (filled: number) => void | Promise<void>): Promise<void>;
  /** Resolves when no transfer is under way. */
  settled(): Promise<void>;
}

export interface PageWorth {
  readonly odds: number;
  readonly tokenCount: number;
  readonly position: number;
}

/** Pages on their way into blocks. */
interface Load {
  readonly blocks: readonly number[];
  readonly keys: readonly PageKey[];
  readonly done: (filled: number) => void;
  /** Leading blocks that have their page. */
  filled: number;
  /** Its blocks are given back. */
  isOver: boolean;
  /** It was given up while the tier still had it. */
  isStuck: boolean;
  /** What it was expected to take. */
  readonly expectedMs: number;
}

/** Pages that usually come in together. */
const batchPages = 16;

/** Pages by the names of tiers. */
export type PagesByTier = Readonly<Record<string, number>>;

/** `onWritten` is called when pages have gone out: how many each tier took, and how many found no room. */
export function createPager(
  options: TierOptions,
  onWritten: (stored: PagesByTier, lost: number) => void = () => {},
): Pager {
  const { tier, bytes, now, recomputeMs, recomputeShare = 1, stagingPages = 64, after, patienceMs = 1000 } = options;
  const outBuffers = allocatePages(stagingPages, bytes.pageBytes);
  const inBuffers = allocatePages(stagingPages, bytes.pageBytes);
  const loading = new Map<PageKey, Promise<void>>();
  const underWay = new Set<Promise<void>>();
  const counters = {
    pagesOut: 0,
    pagesIn: 0,
    cleanEvictions: 0,
    declinedPages: 0,
    lostPages: 0,
    failedPages: 0,
    loads: 0,
    joinedLoads: 0,
    abandonedLoads: 0,
    loadMs: 0,
  };
  /** The newest page whose worth was asked. */
  let lastWorth: PageWorth | null = null;
  let saved: { key: PageKey; bytes: Uint8Array }[] = [];
  /** Pages that a tier took at once, and nobody has been told of. */
  let placed: PageKey[] = [];
  const rates = createTransferRates(now);
  /** One load reads at a time: the buffers are shared, and the tier has the parallelism. */
  let lastLoad: Promise<void> = Promise.resolve();
  let loadCount = 0;
  /** Loads that were given up and have not ended: their buffers are the tier's. */
  let stuckLoads = 0;
  let progressMs = 0;
  /** What loads that have not ended were expected to take. */
  let queuedMs = 0;

  function track(work: Promise<void>): Promise<void> {
    underWay.add(work);
    return work.finally(() => underWay.delete(work));
  }

  async function flush(): Promise<void> {
    const pages = saved;
    saved = [];
    const inUse: BuffersInUse = [];
    const results = await tier.put(pages, inUse);
    const stored = results.filter((result) => result === 'ok').length;
    counters.pagesOut += stored;
    counters.lostPages += pages.length - stored;
    onWritten(byTier(pages.filter((_, i) => results[i] === 'ok').map(({ key }) => key)), pages.length - stored);
    const giveBack = () => outBuffers.push(...pages.map((page) => page.bytes));
    if (inUse.length === 0) giveBack();
    else void track(Promise.allSettled(inUse).then(giveBack).then());
  }

  function tellPlaced(): void {
    const keys = placed;
    placed = [];
    onWritten(byTier(keys), 0);
  }

  /** Reads pages into blocks until `load` is over, in batches of all buffers. */
  async function read(load: Load): Promise<void> {
    const { blocks, keys } = load;
    const startedMs = now();
    while (!load.isOver && load.filled < blocks.length) {
      const { filled } = load;
      const count = Math.min(blocks.length - filled, inBuffers.length);
      const rest: number[] = [];
      const beganMs = now();
      for (let at = filled; at < filled + count; at++) {
        if (!(tier.lend?.(keys[at], (from) => bytes.write(blocks[at], from)) ?? false)) rest.push(at);
      }
      const lentMs = now();
      if (rest.length < count) rates.movedIn(topPlace, count - rest.length, lentMs - beganMs);
      const wanted = rest.map((at) => keys[at]);
      const places = new Set(wanted.map(placeOf));
      const results = rest.length === 0 ? [] : await tier.get(wanted, inBuffers.slice(0, rest.length));
      // The blocks of a load that was given up are somebody else's.
      if (load.isOver) return;
      const missing = results.findIndex((result) => result !== 'ok');
      for (const [i, at] of rest.slice(0, missing === -1 ? rest.length : missing).entries()) {
        bytes.write(blocks[at], inBuffers[i]);
      }
      load.filled = missing === -1 ? filled + count : rest[missing];
      progressMs = now();
      // What came from several places at once says nothing of one.
      if (rest.length > 0 && places.size === 1) {
        for (const place of places) rates.movedIn(place, rest.length, progressMs - lentMs);
      }
      if (missing !== -1) break;
    }
    counters.loadMs += now() - startedMs;
  }

  function end(load: Load): void {
    if (load.isOver) return;
    load.isOver = true;
    queuedMs -= load.expectedMs;
    counters.pagesIn += load.filled;
    counters.failedPages += load.blocks.length - load.filled;
    load.done(load.filled);
  }

  /** Gives a load up when nothing has arrived for too long, looking again when it may have been. */
  function watch(load: Load): void {
    if (load.isOver) return;
    const leftMs = progressMs + patienceMs - now();
    if (leftMs > 0) {
      after?.(leftMs, () => watch(load));
      return;
    }
    counters.abandonedLoads++;
    stuckLoads++;
    load.isStuck = true;
    end(load);
  }

  function placeOf(key: PageKey): string {
    if (!('locate' in tier)) return tier.has(key) ? tier.name : '';
    const stack = tier as TierStack;
    return stack.tiers[stack.locate(key)]?.name ?? '';
  }

  const topPlace = 'tiers' in tier ? (tier as TierStack).tiers[0].name : tier.name;

  /** What is in none any more was in the first one. */
  function byTier(keys: readonly PageKey[]): PagesByTier {
    const pages: Record<string, number> = {};
    for (const key of keys) {
      const place = placeOf(key) || topPlace;
      pages[place] = (pages[place] ?? 0) + 1;
    }
    return pages;
  }

  /** What bringing in pages is expected to take, in the queue of loads too; null while a place of them is not known. */
  function expectedInMs(keys: readonly PageKey[]): number | null {
    const counts = new Map<string, number>();
    for (const key of keys) {
      const place = placeOf(key);
      counts.set(place, (counts.get(place) ?? 0) + 1);
    }
    let total = 0;
    for (const [place, count] of counts) {
      const ms = rates.inMs(place, count);
      if (ms === null) return null;
      total += ms;
    }
    return total;
  }

  /** Whether a page of a place comes in, among `batchPages` others, in less time than it is computed; by how much. Null while not known. */
  function savedMs(place: string, { tokenCount, position }: Omit<PageWorth, 'odds'>): number | null {
    const computeMs = recomputeMs?.(tokenCount, position) ?? null;
    const inMs = rates.inMs(place, batchPages);
    return computeMs === null || inMs === null ? null : computeMs * recomputeShare - inMs / batchPages;
  }

  const keyAt = (chain: Uint32Array, index: number): PageKey => pageKey(chain, index * HASH_WORDS);

  // Pages do not fall to where nobody would fetch them from.
  if ('tiers' in tier) {
    (tier as TierStack).demotesTo((place) => lastWorth === null || (savedMs(place, lastWorth) ?? 1) > 0);
  }

  return {
    counters,
    rates,
    save(block, hashes, worth) {
      const key = pageKey(hashes, block * HASH_WORDS);
      if (tier.has(key)) {
        tier.touch(key);
        counters.cleanEvictions++;
        return 'kept';
      }
      if (worth !== undefined) {
        lastWorth = worth;
        const saved = savedMs(topPlace, worth);
        if (saved !== null && saved * worth.odds <= rates.outMs) {
          counters.declinedPages++;
          return 'dropped';
        }
      }
      const startedMs = now();
      if (tier.place?.(key, (into) => bytes.read(block, into)) ?? false) {
        counters.pagesOut++;
        rates.movedOut(now() - startedMs);
        // All that one piece of work evicts is told together.
        if (placed.push(key) === 1) queueMicrotask(tellPlaced);
        return 'saved';
      }
      const into = outBuffers.pop();
      if (into === undefined) {
        counters.lostPages++;
        return 'lost';
      }
      bytes.read(block, into);
      rates.movedOut(now() - startedMs);
      saved.push({ key, bytes: into });
      // All blocks that one piece of work evicts go out together.
      if (saved.length === 1) void track(Promise.resolve().then(flush));
      return 'saved';
    },
    has: (chain, index) => stuckLoads === 0 && tier.has(keyAt(chain, index)),
    expectedMs: (chain, indices) => expectedInMs(indices.map((index) => keyAt(chain, index + 1))),
    isWorthwhile(loadMs, tokenCount, position) {
      const computeMs = recomputeMs?.(tokenCount, position) ?? null;
      return computeMs === null || loadMs === null || queuedMs + loadMs <= computeMs;
    },
    tierOf: (block, hashes) => placeOf(keyAt(hashes, block)) || topPlace,
    placesOf: ({ indices, chain }) => indices.map((index) => placeOf(keyAt(chain, index + 1))),
    loadOf(chain, index) {
      const load = loading.get(keyAt(chain, index));
      if (load !== undefined) counters.joinedLoads++;
      return load;
    },
    load({ blocks, indices, chain }, done) {
      counters.loads++;
      const keys = indices.map((index) => keyAt(chain, index + 1));
      const ended = new Promise<void>((resolve) => {
        const load: Load = {
          blocks,
          keys,
          filled: 0,
          isOver: false,
          isStuck: false,
          expectedMs: expectedInMs(keys) ?? 0,
          done(filled) {
            const finish = (): void => {
              // Until the blocks are cached, or given back, whoever lacks the pages waits for this load.
              for (const key of keys) loading.delete(key);
              resolve();
            };
            const ending = done(filled);
            if (ending === undefined) finish();
            else void ending.then(finish);
          },
        };
        queuedMs += load.expectedMs;
        if (loadCount++ === 0) progressMs = now();
        const work = lastLoad
          .then(() => read(load))
          // A tier does not reject, but if it did, the fill has to end all the same.
          .catch(() => undefined)
          .then(() => {
            if (--loadCount === 0) queuedMs = 0;
            if (load.isStuck) stuckLoads--;
            end(load);
          });
        lastLoad = work;
        void track(work);
        if (after !== undefined) watch(load);
      });
      for (const key of keys) loading.set(key, ended);
      void track(ended);
      return ended;
    },
    async settled() {
      while (underWay.size > 0) await Promise.allSettled(underWay);
    },
  };
}
