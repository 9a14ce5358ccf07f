// An indexed binary heap of blocks: the lowest priority first, of equal ones the block that was added first.

/** Each block is in it at most once. `add` and `remove` are O(log blocks). */
export interface BlockHeap {
  readonly size: number;
  readonly bytes: number;
  add(block: number, priority: number): void;
  remove(block: number): void;
  has(block: number): boolean;
  /** The block of the lowest priority, or -1. */
  first(): number;
  /** In no particular order: for checks. */
  blocks(): number[];
}

export function createBlockHeap(blockCount: number): BlockHeap {
  const heap = new Int32Array(blockCount);
  const places = new Int32Array(blockCount).fill(-1);
  const priorities = new Float64Array(blockCount);
  const orders = new Float64Array(blockCount);
  let size = 0;
  let added = 0;

  const isBefore = (a: number, b: number): boolean =>
    priorities[a] < priorities[b] || (priorities[a] === priorities[b] && orders[a] < orders[b]);

  function place(block: number, at: number): void {
    heap[at] = block;
    places[block] = at;
  }

  /** Moves `block` from the hole at `at` to where it belongs. */
  function settle(block: number, from: number): void {
    let at = from;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!isBefore(block, heap[above])) break;
      place(heap[above], at);
      at = above;
    }
    for (;;) {
      let below = 2 * at + 1;
      if (below >= size) break;
      if (below + 1 < size && isBefore(heap[below + 1], heap[below])) below++;
      if (!isBefore(heap[below], block)) break;
      place(heap[below], at);
      at = below;
    }
    place(block, at);
  }

  return {
    get size() {
      return size;
    },
    bytes: heap.byteLength + places.byteLength + priorities.byteLength + orders.byteLength,
    add(block, priority) {
      priorities[block] = priority;
      orders[block] = added++;
      settle(block, size++);
    },
    remove(block) {
      const at = places[block];
      const moved = heap[--size];
      if (at < size) settle(moved, at);
      places[block] = -1;
    },
    has: (block) => places[block] !== -1,
    first: () => (size === 0 ? -1 : heap[0]),
    blocks: () => Array.from(heap.subarray(0, size)),
  };
}
