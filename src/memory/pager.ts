// Moves pages between the device pool and the tiers: evicted blocks out, prefixes that wait for admission in.
//
// Page-out copies a block's bytes when it is evicted, by the one who needs room (direct reclaim) or, better, ahead of that
// while a step runs (background reclaim between two watermarks): straight into the memory of a tier that has room at once, else into a buffer
// that goes to the tiers with others. Pages that lie in a tier's memory come back with one copy too; others are read into buffers and copied from
// there, so that a disk that hangs never has blocks of the pool in its hands. Page-in fills blocks of the pool and makes them cached, so that the
// sequence which waits for them hits them like any other prefix; whoever waits for the same pages waits for the same load.
// A page that cannot be stored or read back costs a recompute and nothing else.

import type { PageFate } from '../events/index.ts';
import { allocatePages, type BuffersInUse, type PageKey, pageKey, type Tier, type TierStack } from '../tiers/index.ts';
import type { BlockFill } from './block-fill.ts';
import { HASH_WORDS } from './block-hash.ts';

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
   * What computing `tokenCount` tokens from position `position` on takes, or null while nobody knows. A load that is
   * expected to take longer is not begun. Defaults to null: always load.
   */
  readonly recomputeMs?: (tokenCount: number, position: number) => number | null;
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
  /** Evicted blocks that were lost because transfers out were behind or a tier did not take them. */
  readonly lostPages: number;
  /** Pages that a tier promised and did not deliver. */
  readonly failedPages: number;
  /** Loads begun, sequences that joined one of another sequence, and loads not begun because recomputing was cheaper. */
  readonly loads: number;
  readonly joinedLoads: number;
  readonly recomputed: number;
  /** Loads that were given up because nothing arrived for too long. */
  readonly abandonedLoads: number;
  /** Time that loads took, each counted whole. */
  readonly loadMs: number;
}

export interface Pager {
  readonly counters: PagerCounters;
  /** Takes a copy of an evicted block, whose hash is `hashes[block]`, before anybody writes to it. */
  save(block: number, hashes: Uint32Array): PageFate;
  /** Whether the tiers have the page `chain[index]`, and loads can be had. */
  has(chain: Uint32Array, index: number): boolean;
  /** Whether loading is expected to beat computing. */
  isWorthwhile(blockCount: number, tokenCount: number, position: number): boolean;
  /** The tier that has the page of a block that was saved, or will get it first. */
  tierOf(block: number, hashes: Uint32Array): string;
  /** The names of the tiers that a fill's pages are in now, in its order; '' where there is none. */
  placesOf(fill: BlockFill): string[];
  /** The load that brings in the page `chain[index]` already, or undefined. */
  loadOf(chain: Uint32Array, index: number): Promise<void> | undefined;
  /** Reads the pages of a fill into its blocks, then calls `done` with how many leading ones arrived. Never rejects. */
  load(fill: BlockFill, done: (filled: number) => void): Promise<void>;
  /** Resolves when no transfer is under way. */
  settled(): Promise<void>;
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
}

const newestWeight = 0.25;
/** What a load is expected to take falls by this with each one that is not begun. */
const refusalDecay = 0.95;

/** Pages by the names of tiers. */
export type PagesByTier = Readonly<Record<string, number>>;

/** `onWritten` is called when pages have gone out: how many each tier took, and how many found no room. */
export function createPager(
  options: TierOptions,
  onWritten: (stored: PagesByTier, lost: number) => void = () => {},
): Pager {
  const { tier, bytes, now, recomputeMs, stagingPages = 64, after, patienceMs = 1000 } = options;
  const outBuffers = allocatePages(stagingPages, bytes.pageBytes);
  const inBuffers = allocatePages(stagingPages, bytes.pageBytes);
  const loading = new Map<PageKey, Promise<void>>();
  const underWay = new Set<Promise<void>>();
  const counters = {
    pagesOut: 0,
    pagesIn: 0,
    cleanEvictions: 0,
    lostPages: 0,
    failedPages: 0,
    loads: 0,
    joinedLoads: 0,
    recomputed: 0,
    abandonedLoads: 0,
    loadMs: 0,
  };
  let saved: { key: PageKey; bytes: Uint8Array }[] = [];
  /** Pages that a tier took at once, and nobody has been told of. */
  let placed: PageKey[] = [];
  let pageMs: number | null = null;
  /** One load reads at a time: the buffers are shared, and the tier has the parallelism. */
  let lastLoad: Promise<void> = Promise.resolve();
  let loadCount = 0;
  /** Loads that were given up and have not ended: their buffers are the tier's. */
  let stuckLoads = 0;
  let progressMs = 0;

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
      for (let at = filled; at < filled + count; at++) {
        if (!(tier.lend?.(keys[at], (from) => bytes.write(blocks[at], from)) ?? false)) rest.push(at);
      }
      const wanted = rest.map((at) => keys[at]);
      const results = rest.length === 0 ? [] : await tier.get(wanted, inBuffers.slice(0, rest.length));
      // The blocks of a load that was given up are somebody else's.
      if (load.isOver) return;
      const missing = results.findIndex((result) => result !== 'ok');
      for (const [i, at] of rest.slice(0, missing === -1 ? rest.length : missing).entries()) {
        bytes.write(blocks[at], inBuffers[i]);
      }
      load.filled = missing === -1 ? filled + count : rest[missing];
      progressMs = now();
      if (missing !== -1) break;
    }
    const tookMs = now() - startedMs;
    const { filled } = load;
    counters.loadMs += tookMs;
    if (filled > 0) pageMs = pageMs === null ? tookMs / filled : pageMs + newestWeight * (tookMs / filled - pageMs);
  }

  function end(load: Load): void {
    if (load.isOver) return;
    load.isOver = true;
    for (const key of load.keys) loading.delete(key);
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

  /** What is in none any more was in the first one. */
  function byTier(keys: readonly PageKey[]): PagesByTier {
    const pages: Record<string, number> = {};
    for (const key of keys) {
      const place = placeOf(key) || firstTier;
      pages[place] = (pages[place] ?? 0) + 1;
    }
    return pages;
  }

  const firstTier = 'tiers' in tier ? ((tier as TierStack).tiers[0]?.name ?? tier.name) : tier.name;
  const keyAt = (chain: Uint32Array, index: number): PageKey => pageKey(chain, index * HASH_WORDS);

  return {
    counters,
    save(block, hashes) {
      const key = pageKey(hashes, block * HASH_WORDS);
      if (tier.has(key)) {
        tier.touch(key);
        counters.cleanEvictions++;
        return 'kept';
      }
      if (tier.place?.(key, (into) => bytes.read(block, into)) ?? false) {
        counters.pagesOut++;
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
      saved.push({ key, bytes: into });
      // All blocks that one piece of work evicts go out together.
      if (saved.length === 1) void track(Promise.resolve().then(flush));
      return 'saved';
    },
    has: (chain, index) => stuckLoads === 0 && tier.has(keyAt(chain, index)),
    isWorthwhile(blockCount, tokenCount, position) {
      const computeMs = recomputeMs?.(tokenCount, position) ?? null;
      const isCheaper = computeMs === null || pageMs === null || blockCount * pageMs <= computeMs;
      if (!isCheaper) {
        counters.recomputed++;
        // Only loads measure loads: without this, one that was slow would be the last.
        pageMs! *= refusalDecay;
      }
      return isCheaper;
    },
    tierOf: (block, hashes) => placeOf(keyAt(hashes, block)) || firstTier,
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
          done(filled) {
            done(filled);
            resolve();
          },
        };
        if (loadCount++ === 0) progressMs = now();
        const work = lastLoad
          .then(() => read(load))
          // A tier does not reject, but if it did, the fill has to end all the same.
          .catch(() => undefined)
          .then(() => {
            loadCount--;
            if (load.isStuck) stuckLoads--;
            end(load);
          });
        lastLoad = work;
        void track(work);
        if (after !== undefined) watch(load);
      });
      for (const key of keys) loading.set(key, ended);
      return ended;
    },
    async settled() {
      while (underWay.size > 0) await Promise.allSettled(underWay);
    },
  };
}
