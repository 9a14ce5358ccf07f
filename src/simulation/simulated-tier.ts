// Host memory as a tier without bytes: which pages it has, and how long moving them takes in simulated time.

import { createTierCounters, type PageKey, type Tier } from '../tiers/index.ts';
import type { EventClock } from './event-clock.ts';

export interface SimulatedTierOptions {
  readonly pageCount: number;
  /** Of moving one page, in either direction; each direction moves one at a time. */
  readonly pageSeconds: number;
  readonly pageBytes: number;
  readonly clock: EventClock;
}

/** Evicts the page that was used longest ago. */
export function createSimulatedTier({ pageCount, pageSeconds, pageBytes, clock }: SimulatedTierOptions): Tier {
  /** In the order of use, the coldest first. */
  const pages = new Set<PageKey>();
  const pins = new Map<PageKey, number>();
  const counters = createTierCounters();
  let outFreeMs = 0;
  let inFreeMs = 0;

  function touch(key: PageKey): void {
    if (pages.delete(key)) pages.add(key);
  }

  function store(key: PageKey): 'ok' | 'full' {
    if (pages.has(key)) return 'ok';
    if (pages.size >= pageCount) {
      for (const coldest of pages) {
        if (pins.has(coldest)) continue;
        pages.delete(coldest);
        counters.evictions++;
        break;
      }
      if (pages.size >= pageCount) return 'full';
    }
    pages.add(key);
    counters.stored++;
    return 'ok';
  }

  return {
    name: 'host',
    pageBytes,
    capacityPages: pageCount,
    state: 'ready',
    get usage() {
      const bytes = pages.size * pageBytes;
      return { pages: pages.size, bytes, budgetBytes: pageCount * pageBytes, pinnedPages: pins.size };
    },
    counters,
    isLossy: false,
    outlivesProcess: false,
    has: (key) => pages.has(key),
    async put(offered) {
      outFreeMs = Math.max(outFreeMs, clock.nowMs) + offered.length * pageSeconds * 1000;
      await clock.until(outFreeMs);
      return offered.map(({ key }) => store(key));
    },
    async get(keys) {
      inFreeMs = Math.max(inFreeMs, clock.nowMs) + keys.length * pageSeconds * 1000;
      await clock.until(inFreeMs);
      return keys.map((key) => {
        if (!pages.has(key)) {
          counters.misses++;
          return 'missing';
        }
        touch(key);
        counters.hits++;
        return 'ok';
      });
    },
    delete(keys) {
      for (const key of keys) pages.delete(key);
    },
    pin(key) {
      if (!pages.has(key)) return false;
      pins.set(key, (pins.get(key) ?? 0) + 1);
      return true;
    },
    unpin(key) {
      const count = (pins.get(key) ?? 0) - 1;
      if (count > 0) pins.set(key, count);
      else pins.delete(key);
    },
    touch,
    async flush() {},
    async close() {},
  };
}
