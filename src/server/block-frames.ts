// The block map packed for a live view: runs instead of one entry per block, so that a large pool stays a small message.

import type { BlockMap, EngineStats } from '../engine/api.ts';

export interface BlockFrame {
  readonly blockSize: number;
  readonly blockCount: number;
  /** [value, length, value, length, …] over all blocks. */
  readonly referenceRuns: readonly number[];
  /** The same, with 1 for a block whose content is in the prefix cache. */
  readonly cachedRuns: readonly number[];
  readonly sequences: BlockMap['sequences'];
  readonly stats: EngineStats;
  /** Milliseconds of the server's clock, for rates. */
  readonly timeMs: number;
}

/** Run lengths of `values`: [value, length, …]. */
export function toRuns(values: readonly (number | boolean)[]): number[] {
  const runs: number[] = [];
  for (let index = 0; index < values.length; ) {
    const value = values[index];
    let end = index + 1;
    while (end < values.length && values[end] === value) end++;
    runs.push(Number(value), end - index);
    index = end;
  }
  return runs;
}

export function toBlockFrame(map: BlockMap, stats: EngineStats, timeMs: number): BlockFrame {
  return {
    blockSize: map.blockSize,
    blockCount: map.blockCount,
    referenceRuns: toRuns(map.references),
    cachedRuns: toRuns(map.cached),
    sequences: map.sequences,
    stats,
    timeMs,
  };
}
