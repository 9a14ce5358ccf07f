// The clock of a run with things that happen while its steps run.

import { createHeap } from './heap.ts';
import type { RunClock } from './serving-run.ts';

export interface EventClock extends RunClock {
  after(delayMs: number, action: () => void): void;
  until(atMs: number): Promise<void>;
  /** When the next event is due, or null. */
  readonly nextMs: number | null;
  /** Runs what is due by now, each at its time and with all that follows from it. */
  runDue(): Promise<void>;
}

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly action: () => void;
}

/** All promise callbacks that can run have run. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export function createEventClock(): EventClock {
  const events = createHeap<Event>((a, b) => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order));
  let order = 0;
  const clock: EventClock = {
    nowMs: 0,
    get nextMs() {
      return events.first?.atMs ?? null;
    },
    after(delayMs, action) {
      events.push({ atMs: clock.nowMs + Math.max(0, delayMs), order: order++, action });
    },
    until: (atMs) => new Promise((resolve) => events.push({ atMs, order: order++, action: resolve })),
    async runDue() {
      await settle();
      const { nowMs } = clock;
      while (events.first !== undefined && events.first.atMs <= nowMs) {
        const event = events.pop()!;
        clock.nowMs = event.atMs;
        event.action();
        await settle();
      }
      clock.nowMs = nowMs;
    },
  };
  return clock;
}
