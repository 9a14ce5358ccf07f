// Tiers over one another, fast and small over slow and large: pages go in at the top, fall when they cool, rise when they are hit.

import { InvalidRequestError } from '../errors/index.ts';
import type { PageSource } from './host/host-pool.ts';
import type { PageKey } from './page-key.ts';
import {
  type BuffersInUse,
  createTierCounters,
  type EvictionHandler,
  type GetResult,
  type Page,
  type PutResult,
  type Tier,
  type TierClock,
  type TierState,
} from './tier.ts';

/** What a stack asks of a tier so that pages rise into it and leave it cheaply. The host tier has it. */
export interface BufferingTier extends Tier {
  place(key: PageKey, page: PageSource, isDroppable?: (key: PageKey) => boolean): boolean;
  lend(key: PageKey, read: (from: Uint8Array) => void): boolean;
  writeBack(count: number, window: number, wants: (key: PageKey) => boolean, handler: EvictionHandler): Promise<number>;
}

/** What moved between the tiers of a stack. By tier: index 0 is the topmost. */
export interface StackFigures {
  readonly hitsByTier: readonly number[];
  /** Pages that fell into a tier from the one above, by eviction or by being written back ahead of it. */
  readonly demotionsByTier: readonly number[];
  /** Evicted pages that the tier below had already, and those that were lost. */
  readonly cleanEvictions: number;
  readonly lostEvictions: number;
  readonly promotions: number;
  readonly promotionsRefused: number;
}

export interface TierStack extends Tier {
  readonly tiers: readonly Tier[];
  readonly figures: StackFigures;
  /** The topmost tier that has the page, by index, or -1. */
  locate(key: PageKey): number;
  /** Asks before pages fall into a tier, by name, whether they are worth having there. Without it they are. `sink` does not ask. */
  demotesTo(isWorthwhile: (tier: string) => boolean): void;
  /** Writes every page of the topmost tier that those below it lack down to them: before a close that forgets it. */
  sink(): Promise<void>;
}

export interface TierStackOptions {
  readonly clock: TierClock;
  /**
   * The tiers, topmost first, each made with the handler that it is given for what it evicts; the last one has none. (A tier is
   * made here because it must know its handler, and the handler the tiers below. What opens asynchronously is opened
   * before and merely returned.)
   */
  readonly tiers: readonly ((onEvict: EvictionHandler | undefined) => Tier)[];
  /** Share of the topmost tier's coldest pages that are written down ahead of their eviction. Defaults to 1/8. */
  readonly cleanShare?: number;
}

const WRITE_BACK_PAGES = 32;

function isBuffering(tier: Tier): tier is BufferingTier {
  return 'place' in tier && 'lend' in tier && 'writeBack' in tier;
}

/** Throws InvalidRequestError if there is no tier, or tiers whose pages differ in size, or a lossy tier over one that is not. */
export function createTierStack(options: TierStackOptions): TierStack {
  const { clock, cleanShare = 1 / 8 } = options;
  const tierCount = options.tiers.length;
  const demotionsByTier: number[] = new Array(tierCount).fill(0);
  const hitsByTier: number[] = new Array(tierCount).fill(0);
  const figures = {
    hitsByTier,
    demotionsByTier,
    cleanEvictions: 0,
    lostEvictions: 0,
    promotions: 0,
    promotionsRefused: 0,
  };
  const counters = createTierCounters();
  const tiers = options.tiers.map((make, index) =>
    make(index + 1 < tierCount ? (pages, inUse) => demote(pages, index + 1, inUse) : undefined),
  );
  checkTiers(tiers);
  const [top] = tiers;
  const buffer = isBuffering(top) ? top : null;
  /** By pinned page: the tiers that hold its pins. */
  const pinnedIn = new Map<PageKey, number[]>();
  const underWay = new Set<Promise<unknown>>();
  let cleaning: Promise<void> | null = null;
  let isClosed = false;
  let isSinking = false;
  let isWorthwhile = (_tier: string): boolean => true;

  function track<T>(work: Promise<T>): Promise<T> {
    underWay.add(work);
    return work.finally(() => underWay.delete(work));
  }

  function locate(key: PageKey, from = 0): number {
    for (let index = from; index < tierCount; index++) if (tiers[index].has(key)) return index;
    return -1;
  }

  const takesDemotions = (index: number): boolean => isSinking || isWorthwhile(tiers[index].name);

  /** Stores pages in tier `index`, or below it where that does not take them. */
  async function demote(pages: readonly Page[], index: number, inUse: BuffersInUse): Promise<void> {
    let rest = pages.filter(({ key }) => locate(key, index) < 0);
    figures.cleanEvictions += pages.length - rest.length;
    for (let at = index; at < tierCount && rest.length > 0; at++) {
      if (!takesDemotions(at)) continue;
      const results = await tiers[at].put(rest, inUse);
      demotionsByTier[at] += results.filter((result) => result === 'ok').length;
      rest = rest.filter((_, i) => results[i] !== 'ok');
    }
    figures.lostEvictions += rest.length;
  }

  /** Writes those of the topmost tier's coldest `windowPages` pages down that no tier below has. */
  async function writeDown(from: BufferingTier, windowPages: number): Promise<void> {
    const isDirty = (key: PageKey) => locate(key, 1) < 0;
    // Bounded: a tier below that is too small would drop what it is given, for ever.
    for (let left = windowPages; left > 0 && !isClosed && tiers[1].state === 'ready'; left -= WRITE_BACK_PAGES) {
      const lost = figures.lostEvictions;
      const fall: EvictionHandler = (pages, inUse) => demote(pages, 1, inUse);
      const count = await from.writeBack(WRITE_BACK_PAGES, windowPages, isDirty, fall);
      if (count === 0 || figures.lostEvictions > lost) return;
    }
  }

  /** Writes the coldest pages of the topmost tier down while nobody waits, so that evicting them costs nothing later. */
  function cleanAhead(): void {
    if (buffer === null || cleaning !== null || tierCount < 2 || isClosed || tiers[1].state !== 'ready') return;
    if (!takesDemotions(1)) return;
    const { bytes, budgetBytes } = buffer.usage;
    if (bytes < budgetBytes * (1 - 2 * cleanShare)) return;
    cleaning = track(
      writeDown(buffer, Math.max(1, Math.ceil(buffer.usage.pages * cleanShare))).finally(() => {
        cleaning = null;
      }),
    );
  }

  const isBelow = (key: PageKey): boolean => locate(key, 1) >= 0;
  /** What the topmost tier may drop at once for a page that comes in: what is elsewhere too, or would be dropped anyway. */
  const isDroppable =
    tierCount > 1 ? (key: PageKey) => isBelow(key) || !tiers.some((_, i) => i > 0 && takesDemotions(i)) : () => true;
  let isCleaningDue = false;

  /** For whoever calls many times in one go. */
  function cleanSoon(): void {
    if (isCleaningDue || tierCount < 2) return;
    isCleaningDue = true;
    void Promise.resolve().then(() => {
      isCleaningDue = false;
      cleanAhead();
    });
  }

  function promote(keys: readonly PageKey[], into: readonly Uint8Array[], indexes: readonly number[]): void {
    if (buffer === null || isClosed) return;
    for (const i of indexes) {
      if (buffer.place(keys[i], into[i], isBelow)) figures.promotions++;
      else figures.promotionsRefused++;
    }
  }

  /** Asks each tier once for all that it has of `keys`; what fails there is looked for below. */
  async function gather(keys: readonly PageKey[], into: readonly Uint8Array[], results: GetResult[]): Promise<void> {
    const askedFrom: number[] = new Array(keys.length).fill(0);
    let rest = keys.map((_, i) => i);
    while (rest.length > 0) {
      const groups: number[][] = tiers.map(() => []);
      for (const i of rest) {
        const index = locate(keys[i], askedFrom[i]);
        if (index >= 0) groups[index].push(i);
      }
      await Promise.all(
        groups.map(async (group, index) => {
          if (group.length === 0) return;
          const wanted = group.map((i) => keys[i]);
          const found = await tiers[index].get(
            wanted,
            group.map((i) => into[i]),
          );
          for (const [n, i] of group.entries()) {
            results[i] = found[n];
            askedFrom[i] = index + 1;
            if (found[n] === 'ok') hitsByTier[index]++;
          }
          // Before anybody else gets the buffers back.
          if (index > 0)
            promote(
              keys,
              into,
              group.filter((i) => results[i] === 'ok'),
            );
        }),
      );
      rest = groups.flat().filter((i) => results[i] !== 'ok');
    }
  }

  async function closeAll(): Promise<void> {
    while (underWay.size > 0) await Promise.allSettled(underWay);
    for (const tier of tiers) await tier.close();
  }
  let closing: Promise<void> | null = null;

  return {
    name: 'stack',
    tiers,
    figures,
    counters,
    pageBytes: top.pageBytes,
    capacityPages: Math.max(...tiers.map(({ capacityPages }) => capacityPages)),
    isLossy: tiers.some(({ isLossy }) => isLossy),
    outlivesProcess: tiers.some(({ outlivesProcess }) => outlivesProcess),
    get state(): TierState {
      if (isClosed) return 'closed';
      return tiers.every(({ state }) => state === 'suspended') ? 'suspended' : 'ready';
    },
    get usage() {
      // A page may be in several tiers, so pages are those of all tiers together.
      const all = tiers.map(({ usage }) => usage);
      const sum = (field: 'pages' | 'bytes' | 'budgetBytes' | 'pinnedPages') =>
        all.reduce((total, usage) => total + usage[field], 0);
      return {
        pages: sum('pages'),
        bytes: sum('bytes'),
        budgetBytes: sum('budgetBytes'),
        pinnedPages: sum('pinnedPages'),
      };
    },
    locate: (key) => locate(key),
    demotesTo(asked) {
      isWorthwhile = asked;
    },
    async sink() {
      while (cleaning !== null) await cleaning;
      if (buffer === null || tierCount < 2 || isClosed) return;
      isSinking = true;
      await track(writeDown(buffer, buffer.usage.pages));
      isSinking = false;
    },
    has: (key) => locate(key) >= 0,
    place(key, write) {
      // A tier that compresses makes room by that, which takes its time.
      const isPlaced = !isClosed && buffer !== null && buffer.place(key, write, top.isLossy ? undefined : isDroppable);
      if (isPlaced) {
        counters.stored++;
        counters.bytesIn += top.pageBytes;
        cleanSoon();
      }
      return isPlaced;
    },
    lend(key, read) {
      const isLent = !isClosed && buffer !== null && buffer.lend(key, read);
      if (isLent) {
        hitsByTier[0]++;
        counters.hits++;
        counters.bytesOut += top.pageBytes;
      }
      return isLent;
    },
    async put(pages, inUse) {
      if (isClosed) return pages.map(() => 'failed');
      const startedMs = clock.now();
      const results: PutResult[] = new Array(pages.length).fill('full');
      const work = (async () => {
        let rest = pages.map((_, i) => i);
        for (let index = 0; index < tierCount && rest.length > 0; index++) {
          const batch = rest.map((i) => pages[i]);
          const found = await tiers[index].put(batch, inUse);
          for (const [n, i] of rest.entries()) results[i] = found[n];
          rest = rest.filter((i) => results[i] !== 'ok');
        }
      })();
      await track(work);
      for (const result of results) {
        if (result === 'ok') {
          counters.stored++;
          counters.bytesIn += top.pageBytes;
        } else if (result === 'full') counters.refused++;
        else counters.failedWrites++;
      }
      counters.putMs += clock.now() - startedMs;
      cleanAhead();
      return results;
    },
    async get(keys, into) {
      const startedMs = clock.now();
      const results: GetResult[] = new Array(keys.length).fill(isClosed ? 'failed' : 'missing');
      if (!isClosed) await track(gather(keys, into, results));
      for (const result of results) {
        if (result === 'ok') {
          counters.hits++;
          counters.bytesOut += top.pageBytes;
        } else if (result === 'missing') counters.misses++;
        else if (result === 'corrupt') counters.corrupt++;
        else counters.failedReads++;
      }
      counters.getMs += clock.now() - startedMs;
      return results;
    },
    delete(keys) {
      for (const key of keys) pinnedIn.delete(key);
      for (const tier of tiers) tier.delete(keys);
    },
    pin(key) {
      const index = locate(key);
      if (index < 0 || !tiers[index].pin(key)) return false;
      const pins = pinnedIn.get(key) ?? [];
      pins.push(index);
      pinnedIn.set(key, pins);
      return true;
    },
    unpin(key) {
      // A page may have risen since it was pinned: the pin is where it was set.
      const pins = pinnedIn.get(key);
      const index = pins?.pop();
      if (index !== undefined) tiers[index].unpin(key);
      if (pins?.length === 0) pinnedIn.delete(key);
    },
    touch(key) {
      for (const tier of tiers) tier.touch(key);
    },
    async flush() {
      if (isClosed) return;
      while (cleaning !== null) await cleaning;
      for (const tier of tiers) await tier.flush();
    },
    close() {
      isClosed = true;
      closing ??= closeAll();
      return closing;
    },
  };
}

function checkTiers(tiers: readonly Tier[]): void {
  if (tiers.length === 0) throw new InvalidRequestError('A stack needs at least one tier.', 'tiers', 0);
  for (const [i, tier] of tiers.entries()) {
    if (tier.pageBytes !== tiers[0].pageBytes) {
      const message = `Tier ${tier.name} holds pages of ${tier.pageBytes} bytes, not of ${tiers[0].pageBytes}.`;
      throw new InvalidRequestError(message, 'pageBytes', tier.pageBytes);
    }
    if (i > 0 && tiers[i - 1].isLossy && !tier.isLossy) {
      const message = `Tier ${tier.name} is lossless, and pages of the lossy tier ${tiers[i - 1].name} would fall into it.`;
      throw new InvalidRequestError(message, 'isLossy', tier.isLossy);
    }
  }
}
