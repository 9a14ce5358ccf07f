// An open-addressing hash table from pairs of token ids to their merge: rank and resulting id.

/** Merges of a BPE model, keyed by the pair of ids that they join. */
export interface PairTable {
  /** Slot of the pair, or -1. Read `ranks[slot]` and `mergedIds[slot]`. */
  find(left: number, right: number): number;
  /** Adds a pair; a later addition of the same pair replaces the earlier, as Hugging Face's loader does. */
  set(left: number, right: number, rank: number, mergedId: number): void;
  /** Lower merges first. */
  readonly ranks: Int32Array;
  readonly mergedIds: Int32Array;
}

/** A table with room for `pairCount` pairs, at most half full so that probes stay short. */
export function createPairTable(pairCount: number): PairTable {
  let slotCount = 16;
  while (slotCount < pairCount * 2) slotCount *= 2;
  const mask = slotCount - 1;
  const lefts = new Int32Array(slotCount).fill(-1);
  const rights = new Int32Array(slotCount);
  const ranks = new Int32Array(slotCount);
  const mergedIds = new Int32Array(slotCount);

  /** The pair's slot, or the empty slot where it belongs. */
  function probe(left: number, right: number): number {
    let hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
    hash ^= hash >>> 15;
    let slot = hash & mask;
    while (lefts[slot] !== -1 && (lefts[slot] !== left || rights[slot] !== right)) slot = (slot + 1) & mask;
    return slot;
  }

  return {
    ranks,
    mergedIds,
    find(left, right) {
      const slot = probe(left, right);
      return lefts[slot] === -1 ? -1 : slot;
    },
    set(left, right, rank, mergedId) {
      const slot = probe(left, right);
      lefts[slot] = left;
      rights[slot] = right;
      ranks[slot] = rank;
      mergedIds[slot] = mergedId;
    },
  };
}
