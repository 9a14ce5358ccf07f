// A limit without spread, for tests.

import type { Limit } from './limits.ts';

export function fixedLimit(rate: number): Limit {
  const summary = { median: rate, lowest: rate, highest: rate };
  return { single: summary, all: summary };
}
