// A binary heap: the least first.

export interface Heap<T> {
  readonly size: number;
  readonly first: T | undefined;
  push(item: T): void;
  pop(): T | undefined;
}

/** `isBefore` is a strict order. */
export function createHeap<T>(isBefore: (a: T, b: T) => boolean): Heap<T> {
  const items: T[] = [];
  return {
    get size() {
      return items.length;
    },
    get first() {
      return items[0];
    },
    push(item) {
      let at = items.length;
      items.push(item);
      while (at > 0) {
        const parent = (at - 1) >> 1;
        if (!isBefore(item, items[parent])) break;
        items[at] = items[parent];
        at = parent;
      }
      items[at] = item;
    },
    pop() {
      const first = items[0];
      const last = items.pop();
      if (last === undefined || items.length === 0) return first;
      let at = 0;
      for (;;) {
        let child = 2 * at + 1;
        if (child >= items.length) break;
        if (child + 1 < items.length && isBefore(items[child + 1], items[child])) child++;
        if (!isBefore(items[child], last)) break;
        items[at] = items[child];
        at = child;
      }
      items[at] = last;
      return first;
    },
  };
}
