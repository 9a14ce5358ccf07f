// Pages for tests: f16 values that follow from the key, as the content of real pages does.

import { createRandom } from '../../random/random.ts';
import { f16ToNumber, numberToF16 } from '../../tensor/index.ts';
import { type PageKey, pageKey, pageKeyWord } from '../page-key.ts';
import type { Page, TierClock } from '../tier.ts';

/** Key number `n`. */
export function testKey(n: number): PageKey {
  return pageKey([Math.imul(n, 0x9e3779b1) >>> 0, n >>> 0, ~n >>> 0, Math.imul(n, 0x85ebca6b) >>> 0]);
}

/** The bytes of page `n`: finite f16 values between -4 and 4. */
export function testBytes(n: number, pageBytes: number): Uint8Array {
  const random = createRandom(pageKeyWord(testKey(n), 0));
  const halves = new Uint16Array(pageBytes / 2);
  for (let i = 0; i < halves.length; i++) halves[i] = numberToF16((random() * 2 - 1) * 4);
  return new Uint8Array(halves.buffer);
}

export function testPage(n: number, pageBytes: number): Page {
  return { key: testKey(n), bytes: testBytes(n, pageBytes) };
}

export function testPages(from: number, count: number, pageBytes: number): Page[] {
  return Array.from({ length: count }, (_, i) => testPage(from + i, pageBytes));
}

/** The largest difference between the f16 values of two pages. */
export function largestDifference(a: Uint8Array, b: Uint8Array): number {
  const valuesA = new Uint16Array(a.slice().buffer);
  const valuesB = new Uint16Array(b.slice().buffer);
  let largest = 0;
  for (let i = 0; i < valuesA.length; i++) {
    const difference = Math.abs(f16ToNumber(valuesA[i]) - f16ToNumber(valuesB[i]));
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}

/** A clock that stands still until it is moved. */
export function createTestClock(): TierClock & { advance(ms: number): void } {
  let nowMs = 0;
  return {
    now: () => nowMs,
    advance(ms) {
      nowMs += ms;
    },
  };
}
