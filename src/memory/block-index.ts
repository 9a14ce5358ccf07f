// A hash index over blocks as chains through typed arrays: fixed size, no allocation per entry.

/** A multimap from 32-bit keys to block ids. A block is in it at most once; the caller compares full keys. */
export interface BlockIndex {
  readonly size: number;
  readonly bytes: number;
  insert(key: number, block: number): void;
  /** Removes a block that is in the index under `key`. */
  remove(key: number, block: number): void;
  /** Puts `to`, which is not in the index, in the place of `from`, which is in it under `key`. */
  replace(key: number, from: number, to: number): void;
  /** The most recently inserted block in the chain of `key`, or -1. Blocks of other keys share the chain. */
  first(key: number): number;
  /** The block after `block` in its chain, or -1. */
  next(block: number): number;
}

/**
 * An index for blocks 0 to `blockCount` - 1: 8 bytes a block plus 4 for each of the chains (as many, rounded up to a
 * power of two). Chains are doubly linked: many blocks may have one key, and removal has to stay O(1).
 */
export function createBlockIndex(blockCount: number): BlockIndex {
  const chainCount = 2 ** Math.ceil(Math.log2(Math.max(2, blockCount)));
  const mask = chainCount - 1;
  const heads = new Int32Array(chainCount).fill(-1);
  const nexts = new Int32Array(blockCount).fill(-1);
  const previouses = new Int32Array(blockCount).fill(-1);
  let size = 0;
  return {
    get size() {
      return size;
    },
    bytes: heads.byteLength + nexts.byteLength + previouses.byteLength,
    insert(key, block) {
      const chain = key & mask;
      const after = heads[chain];
      nexts[block] = after;
      previouses[block] = -1;
      if (after !== -1) previouses[after] = block;
      heads[chain] = block;
      size++;
    },
    remove(key, block) {
      const after = nexts[block];
      const before = previouses[block];
      if (before === -1) heads[key & mask] = after;
      else nexts[before] = after;
      if (after !== -1) previouses[after] = before;
      nexts[block] = -1;
      previouses[block] = -1;
      size--;
    },
    replace(key, from, to) {
      const after = nexts[from];
      const before = previouses[from];
      nexts[to] = after;
      previouses[to] = before;
      if (before === -1) heads[key & mask] = to;
      else nexts[before] = to;
      if (after !== -1) previouses[after] = to;
      nexts[from] = -1;
      previouses[from] = -1;
    },
    first: (key) => heads[key & mask],
    next: (block) => nexts[block],
  };
}
