// The default policy: keeps what can be expected to bring the most hits for the room and time that it takes.

import { createBlockLists } from './block-lists.ts';
import { createGhostList } from './ghost-list.ts';
import type { EvictionPolicy, EvictionPolicyOptions } from './policy.ts';
import {
  CLASS_COUNT,
  classOf,
  GROUP_SIZE,
  makeHistory,
  nextRoundOf,
  reusesOf,
  roundOf,
  withContinuation,
  withReuse,
} from './reuse-class.ts';
import { AGE_BUCKETS, createReuseModel } from './reuse-model.ts';

/** Ghosts for each block: how far beyond its own capacity the policy can learn from. */
const GHOSTS_PER_BLOCK = 8;
/** The model is estimated anew after this part of blockCount accesses, or this many if that is more. */
const ESTIMATES_PER_POOL = 4;
const MIN_ESTIMATE_ACCESSES = 64;
/** Accesses, in multiples of blockCount, after which observations count for half. */
const HALF_LIFE_POOLS = 8;
/** Ghosts whose age is looked at for each access: all of them twice in blockCount accesses. */
const GHOSTS_PER_ACCESS = 2 * GHOSTS_PER_BLOCK;

/**
 * Files each evictable block under its class (how often it was reused, how its chain came to be) and its age in accesses, and evicts from the
 * class and age that are worth least by what was seen of such blocks before: see ReuseModel. So documents that are read once leave early, a
 * loop longer than the cache keeps a part of itself, and system prompts stay. Knows nothing at first, and then ranks as LRU.
 *
 * Blocks of one class and age leave in LRU order. Accesses are O(1), amortised, apart from an estimate (constant work) every blockCount / 4 of them.
 */
export function createHitDensity({ blockCount }: EvictionPolicyOptions): EvictionPolicy {
  const model = createReuseModel(blockCount, CLASS_COUNT, GROUP_SIZE);
  const cellCount = CLASS_COUNT * AGE_BUCKETS;
  /** A list for each cell of class and age bucket, in the order of last use. */
  const lists = createBlockLists(blockCount, cellCount);
  const sizes = new Int32Array(cellCount);
  const cells = new Int16Array(blockCount).fill(-1);
  const histories = new Uint8Array(blockCount);
  const lastUses = new Uint32Array(blockCount);
  const keyLows = new Uint32Array(blockCount);
  const keyHighs = new Uint32Array(blockCount);

  const ghostCount = GHOSTS_PER_BLOCK * blockCount;
  const ghosts = createGhostList(ghostCount);
  const ghostHistories = new Uint8Array(ghostCount);
  const ghostLastUses = new Uint32Array(ghostCount);
  /** Ghosts by cell: as the last complete count found them, and the count in progress. */
  let ghostSizes = new Float64Array(cellCount);
  let ghostSizesInProgress = new Float64Array(cellCount);
  let nextGhost = 0;

  /** Cells from least to most worth, their places in that order, and the place below which all are empty. */
  const order = Int16Array.from({ length: cellCount }, (_, cell) => cell);
  const places = new Int16Array(cellCount);
  let firstPlace = 0;

  /** Accesses so far; 32 bits of it are stored, and differences taken modulo 2^32. */
  let clock = 0;
  const estimateAccesses = Math.max(MIN_ESTIMATE_ACCESSES, Math.floor(blockCount / ESTIMATES_PER_POOL));
  let nextEstimate = estimateAccesses;
  let nextHalving = HALF_LIFE_POOLS * blockCount;
  let nextAging = model.unit;
  let evictableCount = 0;
  rank();

  function ageOf(lastUse: number): number {
    return (clock - lastUse) >>> 0;
  }

  function put(block: number, cell: number): void {
    lists.append(cell, block);
    cells[block] = cell;
    sizes[cell]++;
    firstPlace = Math.min(firstPlace, places[cell]);
  }

  function take(block: number): void {
    lists.remove(block);
    sizes[cells[block]]--;
    cells[block] = -1;
  }

  function rank(): void {
    const worth = model.estimate(sizes, ghostSizes);
    order.sort((a, b) => worth[a] - worth[b] || a - b);
    for (let place = 0; place < cellCount; place++) places[order[place]] = place;
    firstPlace = 0;
  }

  /** Moves blocks that have grown too old for their buckets; from old to young, so that each moves once. */
  function age(): void {
    for (let cell = cellCount - 1; cell >= 0; cell--) {
      const bucket = cell % AGE_BUCKETS;
      if (sizes[cell] === 0 || bucket === AGE_BUCKETS - 1) continue;
      const bound = model.bound(bucket + 1);
      for (let block = lists.first(cell); block !== -1; block = lists.first(cell)) {
        const blockAge = ageOf(lastUses[block]);
        if (blockAge < bound) break;
        take(block);
        put(block, cell - bucket + Math.max(bucket + 1, model.bucketOf(blockAge)));
      }
    }
  }

  function countSomeGhosts(): void {
    for (let i = 0; i < GHOSTS_PER_ACCESS; i++) {
      if (nextGhost === ghostCount) {
        [ghostSizes, ghostSizesInProgress] = [ghostSizesInProgress, ghostSizes];
        ghostSizesInProgress.fill(0);
        nextGhost = 0;
      }
      const ghost = nextGhost++;
      if (!ghosts.isUsed(ghost)) continue;
      const bucket = model.bucketOf(ageOf(ghostLastUses[ghost]));
      ghostSizesInProgress[classOf(ghostHistories[ghost]) * AGE_BUCKETS + bucket]++;
    }
  }

  function tick(): void {
    clock++;
    countSomeGhosts();
    if (clock >= nextAging) {
      nextAging = clock + model.unit / 2;
      age();
    }
    if (clock >= nextHalving) {
      nextHalving = clock + HALF_LIFE_POOLS * blockCount;
      model.halve();
    }
    if (clock >= nextEstimate) {
      nextEstimate = clock + estimateAccesses;
      rank();
    }
  }

  /** The history of content that is admitted: what its ghost knows, or a new one. */
  function recall(keyLow: number, keyHigh: number, parent: number): number {
    const ghost = ghosts.find(keyLow, keyHigh);
    if (ghost === -1) return makeHistory(0, parent === -1 ? 0 : nextRoundOf(histories[parent]));
    const history = ghostHistories[ghost];
    model.countHit(classOf(history), ageOf(ghostLastUses[ghost]));
    ghosts.remove(ghost);
    return makeHistory(reusesOf(history) + 1, roundOf(history));
  }

  return {
    get evictableCount() {
      return evictableCount;
    },
    bytes:
      model.bytes +
      lists.bytes +
      ghosts.bytes +
      sizes.byteLength +
      cells.byteLength +
      histories.byteLength +
      3 * lastUses.byteLength +
      ghostHistories.byteLength +
      ghostLastUses.byteLength +
      2 * ghostSizes.byteLength +
      order.byteLength +
      places.byteLength,
    admit(block, keyLow, keyHigh, _depth, parent) {
      tick();
      histories[block] = recall(keyLow, keyHigh, parent);
      if (parent !== -1) histories[parent] = withContinuation(histories[parent]);
      lastUses[block] = clock;
      keyLows[block] = keyLow;
      keyHighs[block] = keyHigh;
    },
    hit(block) {
      tick();
      model.countHit(classOf(histories[block]), ageOf(lastUses[block]));
      histories[block] = withReuse(histories[block]);
      lastUses[block] = clock;
    },
    hold(block) {
      take(block);
      evictableCount--;
    },
    release(block) {
      lastUses[block] = clock;
      put(block, classOf(histories[block]) * AGE_BUCKETS);
      evictableCount++;
    },
    forget(block) {
      if (cells[block] === -1) return;
      take(block);
      evictableCount--;
    },
    victim() {
      if (evictableCount === 0) return -1;
      while (sizes[order[firstPlace]] === 0) firstPlace++;
      return lists.first(order[firstPlace]);
    },
    evict(block) {
      take(block);
      evictableCount--;
      if (ghosts.isFull()) {
        const oldest = ghosts.oldest();
        model.countEnd(classOf(ghostHistories[oldest]), ageOf(ghostLastUses[oldest]));
      }
      const ghost = ghosts.add(keyLows[block], keyHighs[block]);
      ghostHistories[ghost] = histories[block];
      ghostLastUses[ghost] = lastUses[block];
    },
    evictable: () => Array.from({ length: cellCount }, (_, cell) => lists.blocks(cell)).flat(),
  };
}
