// Doubly linked lists of blocks through typed arrays.

/** A fixed number of lists of block ids. A block is in one list at most. All operations but `blocks` are O(1). */
export interface BlockLists {
  readonly bytes: number;
  /** Adds a block that is in no list at the end (youngest) of a list. */
  append(list: number, block: number): void;
  /** Takes a block out of the list that it is in. */
  remove(block: number): void;
  /** The oldest block of a list, or -1. */
  first(list: number): number;
  isListed(block: number): boolean;
  /** A list from oldest to youngest: for checks. */
  blocks(list: number): number[];
}

export function createBlockLists(blockCount: number, listCount: number): BlockLists {
  // List l is a ring closed by a sentinel at index blockCount + l. A block in no list has next -1.
  const next = new Int32Array(blockCount + listCount).fill(-1);
  const previous = new Int32Array(blockCount + listCount).fill(-1);
  for (let node = blockCount; node < blockCount + listCount; node++) {
    next[node] = node;
    previous[node] = node;
  }

  return {
    bytes: next.byteLength + previous.byteLength,
    append(list, block) {
      const sentinel = blockCount + list;
      const before = previous[sentinel];
      next[before] = block;
      previous[block] = before;
      next[block] = sentinel;
      previous[sentinel] = block;
    },
    remove(block) {
      const before = previous[block];
      const after = next[block];
      next[before] = after;
      previous[after] = before;
      next[block] = -1;
      previous[block] = -1;
    },
    first(list) {
      const block = next[blockCount + list];
      return block < blockCount ? block : -1;
    },
    isListed: (block) => next[block] !== -1,
    blocks(list) {
      const blocks: number[] = [];
      for (let block = next[blockCount + list]; block < blockCount; block = next[block]) blocks.push(block);
      return blocks;
    },
  };
}
