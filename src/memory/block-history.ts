// What happened to cached blocks: how long they lived, lay idle, and came back; and which evicted contents were wanted again.

import { createGhostList } from './eviction/ghost-list.ts';

/** Counts of observations up to and including each bound, not cumulative; the last count is of those beyond all bounds. */
export interface HistogramFigures {
  readonly bounds: readonly number[];
  /** [bounds.length + 1] */
  readonly counts: readonly number[];
  readonly sum: number;
}

/** Since start. Times in seconds of the memory's clock, read once a step; nothing is observed without a clock. */
export interface BlockHistoryFigures {
  /** Evicted contents that were computed or paged in again while they were remembered. */
  readonly refaults: number;
  /** For each refault the evictions since its own, in multiples of the pool: that much more memory would have kept it. */
  readonly refaultDistance: HistogramFigures;
  /** Of evicted blocks, from the caching of their content to its eviction. */
  readonly lifetimeSeconds: HistogramFigures;
  /** Of evicted blocks, from their last use to their eviction. */
  readonly idleSeconds: HistogramFigures;
  /** Between two uses of cached content. */
  readonly reuseGapSeconds: HistogramFigures;
}

export interface BlockHistory {
  /** Those of `figures`, without the rest. */
  readonly refaults: number;
  readonly figures: BlockHistoryFigures;
  /** When a cached block was last used, by the clock as it was read last; 0 without one. */
  usedMs(block: number): number;
  /** Reads the clock: call it once for whatever happens together. */
  tick(): void;
  /** Keys are the first two words of a content's hash. */
  cached(block: number, keyLow: number, keyHigh: number): void;
  /** A cached block was found by its content. */
  hit(block: number): void;
  /** Nobody refers to a cached block any more. */
  released(block: number): void;
  evicted(block: number, keyLow: number, keyHigh: number): void;
  /** A block's content lies in another one now. */
  moved(from: number, to: number): void;
  /** Whether a content is not cached because it was evicted, as far as is remembered. */
  wasEvicted(keyLow: number, keyHigh: number): boolean;
}

/** Evicted contents that are remembered, in multiples of the pool. */
const GHOSTS_PER_BLOCK = 2;
const SECONDS_BOUNDS = [0.01, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600];
const DISTANCE_BOUNDS = [0.03125, 0.0625, 0.125, 0.25, 0.5, 1, 2];

/** For `blockCount` blocks: about 60 bytes a block, in arrays made here. `now` in milliseconds, monotonic. */
export function createBlockHistory(blockCount: number, now: (() => number) | null): BlockHistory {
  const ghosts = createGhostList(Math.max(1, blockCount * GHOSTS_PER_BLOCK));
  const evictedAt = new Float64Array(Math.max(1, blockCount * GHOSTS_PER_BLOCK));
  const cachedMs = new Float64Array(blockCount);
  const usedMs = new Float64Array(blockCount);
  const refaultDistance = createHistogram(DISTANCE_BOUNDS);
  const lifetime = createHistogram(SECONDS_BOUNDS);
  const idle = createHistogram(SECONDS_BOUNDS);
  const reuseGap = createHistogram(SECONDS_BOUNDS);
  let nowMs = now?.() ?? 0;
  let evictions = 0;
  let refaults = 0;

  return {
    get refaults() {
      return refaults;
    },
    get figures() {
      return {
        refaults,
        refaultDistance: refaultDistance.figures(),
        lifetimeSeconds: lifetime.figures(),
        idleSeconds: idle.figures(),
        reuseGapSeconds: reuseGap.figures(),
      };
    },
    usedMs: (block) => usedMs[block],
    tick() {
      if (now !== null) nowMs = now();
    },
    cached(block, keyLow, keyHigh) {
      cachedMs[block] = nowMs;
      usedMs[block] = nowMs;
      const ghost = ghosts.find(keyLow, keyHigh);
      if (ghost === -1) return;
      refaults++;
      refaultDistance.observe((evictions - evictedAt[ghost]) / blockCount);
      ghosts.remove(ghost);
    },
    hit(block) {
      if (now !== null) reuseGap.observe((nowMs - usedMs[block]) / 1000);
      usedMs[block] = nowMs;
    },
    released(block) {
      usedMs[block] = nowMs;
    },
    evicted(block, keyLow, keyHigh) {
      if (now !== null) {
        lifetime.observe((nowMs - cachedMs[block]) / 1000);
        idle.observe((nowMs - usedMs[block]) / 1000);
      }
      evictions++;
      if (ghosts.find(keyLow, keyHigh) === -1) evictedAt[ghosts.add(keyLow, keyHigh)] = evictions;
    },
    moved(from, to) {
      cachedMs[to] = cachedMs[from];
      usedMs[to] = usedMs[from];
    },
    wasEvicted: (keyLow, keyHigh) => ghosts.find(keyLow, keyHigh) !== -1,
  };
}

function createHistogram(bounds: readonly number[]): { observe(value: number): void; figures(): HistogramFigures } {
  const counts = new Float64Array(bounds.length + 1);
  let sum = 0;
  return {
    observe(value) {
      let bucket = 0;
      while (bucket < bounds.length && value > bounds[bucket]) bucket++;
      counts[bucket]++;
      sum += value;
    },
    figures: () => ({ bounds, counts: Array.from(counts), sum }),
  };
}
