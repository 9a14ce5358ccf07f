// How likely evicted content is wanted again, learnt from what became of content like it.

import { createGhostList } from './eviction/ghost-list.ts';

/**
 * What is told apart: blocks of a preempted sequence, which comes back for them; blocks that a prompt has hit since they were computed; blocks that a
 * window left behind while their sequence went on, which only a prompt that ends there wants; others.
 */
export type ContentKind = 'preempted' | 'reused' | 'left_behind' | 'fresh';

export interface ReturnOdds {
  /** Content is evicted, whether or not a tier keeps it. The key is the first two words of its hash. */
  evicted(keyLow: number, keyHigh: number, kind: ContentKind): void;
  /** Content was computed or came in. */
  cached(keyLow: number, keyHigh: number): void;
  /** From 0 to 1. */
  of(kind: ContentKind): number;
}

export const contentKinds = ['preempted', 'reused', 'left_behind', 'fresh'] as const satisfies readonly ContentKind[];

/** What is believed before anything is seen, as so many contents that came back, and that did not. */
const PRIORS = [
  [4, 0.5],
  [2, 1],
  [0.5, 1.5],
  [1, 1],
] as const;
/** Observations of a kind by which older ones count half. */
const HALF_LIFE = 512;
/** Content counts as not wanted again after so many times the evictions that it usually takes to come back. */
const PATIENCE = 4;

/**
 * Remembers `contentCount` evicted contents, about 30 bytes each. Content that has not come back after `blockCount` evictions, or after PATIENCE times
 * as many as it took others to, is counted as lost, until it comes back after all.
 */
export function createReturnOdds(blockCount: number, contentCount: number): ReturnOdds {
  const entryCount = Math.max(2 * blockCount, contentCount);
  const ghosts = createGhostList(entryCount);
  const kinds = new Uint8Array(entryCount);
  const isLost = new Uint8Array(entryCount);
  /** By entry: the number of its eviction; by that, modulo `entryCount`: the entry. */
  const evictedAt = new Float64Array(entryCount);
  const entryOf = new Int32Array(entryCount);
  const returned = PRIORS.map(([prior]): number => prior);
  const lost = PRIORS.map(([, prior]): number => prior);
  let evictions = 0;
  /** Evictions up to this one have been judged. */
  let judged = 0;
  let meanDistance = 0;

  function halve(kind: number): void {
    if (returned[kind] + lost[kind] < HALF_LIFE) return;
    returned[kind] /= 2;
    lost[kind] /= 2;
  }

  function judge(): void {
    const horizon = Math.min(entryCount, Math.max(blockCount, PATIENCE * meanDistance));
    for (; judged < evictions - horizon; judged++) {
      const entry = entryOf[judged % entryCount];
      if (!ghosts.isUsed(entry) || evictedAt[entry] !== judged) continue;
      isLost[entry] = 1;
      lost[kinds[entry]]++;
      halve(kinds[entry]);
    }
  }

  return {
    evicted(keyLow, keyHigh, kind) {
      const known = ghosts.find(keyLow, keyHigh);
      if (known !== -1) ghosts.remove(known);
      const entry = ghosts.add(keyLow, keyHigh);
      kinds[entry] = contentKinds.indexOf(kind);
      isLost[entry] = 0;
      evictedAt[entry] = evictions;
      entryOf[evictions % entryCount] = entry;
      evictions++;
      judge();
    },
    cached(keyLow, keyHigh) {
      const entry = ghosts.find(keyLow, keyHigh);
      if (entry === -1) return;
      ghosts.remove(entry);
      const kind = kinds[entry];
      if (isLost[entry] === 1) lost[kind] = Math.max(0, lost[kind] - 1);
      returned[kind]++;
      halve(kind);
      meanDistance += (evictions - evictedAt[entry] - meanDistance) / 32;
    },
    of(kind) {
      const index = contentKinds.indexOf(kind);
      return returned[index] / (returned[index] + lost[index]);
    },
  };
}
