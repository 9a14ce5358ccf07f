// What moving pages takes, by where they lie: measured, and trusted less the longer ago that was.

import { createTwoPartRate, type TwoPartRate } from './two-part-rate.ts';

export interface TransferRates {
  /** A page was copied out of the pool, by the one who needs its block. */
  movedOut(ms: number): void;
  /** `pageCount` pages that lie in a place came into the pool together. */
  movedIn(place: string, pageCount: number, ms: number): void;
  /** What copying a page out is expected to take; 0 before the first. */
  readonly outMs: number;
  /** What bringing pages in is expected to take, or null while nothing is known of the place. */
  inMs(place: string, pageCount: number): number | null;
  /** Places from which pages have come. */
  readonly places: readonly string[];
}

const NEWEST_WEIGHT = 1 / 16;
/**
 * What a transfer is expected to take falls by half in this time without one: only transfers measure transfers, and without it one
 * that was slow would be the last.
 */
const HALF_LIFE_MS = 60_000;

interface Place {
  /** Parts: once for each transfer, and by page. */
  readonly rate: TwoPartRate;
  measuredMs: number;
}

/** `now` in milliseconds, monotonic. */
export function createTransferRates(now: () => number): TransferRates {
  const places = new Map<string, Place>();
  let outMs: number | null = null;
  return {
    movedOut(ms) {
      outMs = outMs === null ? ms : outMs + NEWEST_WEIGHT * (ms - outMs);
    },
    movedIn(name, pageCount, ms) {
      let place = places.get(name);
      if (place === undefined) {
        place = { rate: createTwoPartRate(), measuredMs: 0 };
        places.set(name, place);
      }
      place.rate.observe(pageCount, 1, ms);
      place.measuredMs = now();
    },
    get outMs() {
      return outMs ?? 0;
    },
    inMs(name, pageCount) {
      const place = places.get(name);
      if (place === undefined) return null;
      return place.rate.ms(pageCount, 1)! * 2 ** ((place.measuredMs - now()) / HALF_LIFE_MS);
    },
    get places() {
      return [...places.keys()];
    },
  };
}
