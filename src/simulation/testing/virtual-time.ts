// Time that passes only from event to event, in an order that depends on nothing but when events are due and when they were asked for.

import { createHeap } from '../heap.ts';

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
  const events = createHeap(isBefore);
  let nowMs = 0;
  let ordered = 0;
  let eventCount = 0;

  function after(delayMs: number, action: () => void): void {
    events.push({ atMs: nowMs + Math.max(0, delayMs), order: ordered++, action });
  }

  async function runNext(): Promise<boolean> {
    const event = events.pop();
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
