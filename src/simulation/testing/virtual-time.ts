// Time that passes only from event to event, in an order that depends on nothing but when events are due and when they were asked for.

export interface VirtualTime {
  /** Milliseconds since the start. */
  readonly nowMs: number;
  readonly eventCount: number;
  after(delayMs: number, action: () => void): void;
  sleep(delayMs: number): Promise<void>;
  /** Runs the next event, and all that follows from it before the one after it. False if there is none. */
  runNext(): Promise<boolean>;
  /** Runs events until `work` settles. Throws if none is left and it has not. */
  runUntil<T>(work: Promise<T>, what: string): Promise<T>;
}

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly action: () => void;
}

const isBefore = (a: Event, b: Event): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

/** All promise callbacks that can run have run: nothing else is in the queues of the process. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export function createVirtualTime(): VirtualTime {
  /** A binary heap, the earliest first. */
  const heap: Event[] = [];
  let nowMs = 0;
  let ordered = 0;
  let eventCount = 0;

  function push(event: Event): void {
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent])) break;
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = event;
  }

  function pop(): Event | undefined {
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child++;
      if (!isBefore(heap[child], last)) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = last;
    return first;
  }

  function after(delayMs: number, action: () => void): void {
    push({ atMs: nowMs + Math.max(0, delayMs), order: ordered++, action });
  }

  async function runNext(): Promise<boolean> {
    const event = pop();
    if (event === undefined) return false;
    nowMs = event.atMs;
    eventCount++;
    event.action();
    await settle();
    return true;
  }

  return {
    get nowMs() {
      return nowMs;
    },
    get eventCount() {
      return eventCount;
    },
    after,
    sleep: (delayMs) => new Promise((resolve) => after(delayMs, resolve)),
    runNext,
    async runUntil(work, what) {
      let isSettled = false;
      const settled = () => {
        isSettled = true;
      };
      work.then(settled, settled);
      await settle();
      while (!isSettled) {
        if (!(await runNext())) throw new Error(`${what} waits for something that will never happen`);
      }
      return work;
    },
  };
}
