// Byte-pair merging of one word: repeatedly joins the adjacent pair of lowest rank, leftmost first, in O(n log n).

import type { PairTable } from './pair-table.ts';

/** Room for the position in a heap key, so that keys order by rank, then by position. */
const POSITION_LIMIT = 2 ** 30;

/** Heap pops between two pauses of `mergeSymbols`: about a millisecond of work. */
const POPS_PER_PAUSE = 8192;

/**
 * Joins symbols by the merges in `pairs` and returns the number of symbols left at the front of `symbols`.
 *
 * The pairs wait in a binary heap ordered by (rank, position); a popped entry whose pair has changed since is
 * dropped. Yields between slices of work, so that a caller can give way to the event loop.
 */
export function* mergeSymbols(symbols: Int32Array, count: number, pairs: PairTable): Generator<void, number> {
  if (count < 2) return count;
  const next = new Int32Array(count);
  const previous = new Int32Array(count);
  const heap = createHeap(count + 16);

  const offer = (position: number): void => {
    const slot = pairs.find(symbols[position], symbols[next[position]]);
    if (slot >= 0) heap.push(pairs.ranks[slot] * POSITION_LIMIT + position);
  };

  for (let position = 0; position < count; position++) {
    next[position] = position + 1 < count ? position + 1 : -1;
    previous[position] = position - 1;
  }
  for (let position = 0; position + 1 < count; position++) {
    offer(position);
    if ((position + 1) % POPS_PER_PAUSE === 0) yield;
  }

  let pops = 0;
  while (heap.size() > 0) {
    const key = heap.pop();
    if (++pops % POPS_PER_PAUSE === 0) yield;
    const rank = Math.floor(key / POSITION_LIMIT);
    const position = key - rank * POSITION_LIMIT;
    const right = next[position];
    // A symbol that was joined to its left neighbour is marked -1.
    if (symbols[position] < 0 || right < 0) continue;
    const slot = pairs.find(symbols[position], symbols[right]);
    if (slot < 0 || pairs.ranks[slot] !== rank) continue;
    symbols[position] = pairs.mergedIds[slot];
    symbols[right] = -1;
    next[position] = next[right];
    if (next[right] >= 0) previous[next[right]] = position;
    if (next[position] >= 0) offer(position);
    if (previous[position] >= 0) offer(previous[position]);
  }

  let length = 0;
  for (let position = 0; position >= 0; position = next[position]) symbols[length++] = symbols[position];
  return length;
}

interface Heap {
  size(): number;
  push(key: number): void;
  /** Removes and returns the lowest key. Only for a heap that is not empty. */
  pop(): number;
}

function createHeap(capacity: number): Heap {
  let keys = new Float64Array(capacity);
  let size = 0;
  return {
    size: () => size,
    push(key) {
      if (size === keys.length) {
        const larger = new Float64Array(size * 2);
        larger.set(keys);
        keys = larger;
      }
      let index = size++;
      while (index > 0) {
        const parent = (index - 1) >> 1;
        if (keys[parent] <= key) break;
        keys[index] = keys[parent];
        index = parent;
      }
      keys[index] = key;
    },
    pop() {
      const lowest = keys[0];
      const key = keys[--size];
      let index = 0;
      for (;;) {
        let child = index * 2 + 1;
        if (child >= size) break;
        if (child + 1 < size && keys[child + 1] < keys[child]) child++;
        if (keys[child] >= key) break;
        keys[index] = keys[child];
        index = child;
      }
      keys[index] = key;
      return lowest;
    },
  };
}
