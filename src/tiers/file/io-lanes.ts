// At most so many operations at once, each in a lane of its own; the others wait in order.

export interface IoLanes {
  readonly laneCount: number;
  /** Runs `work` when a lane is free; no other work has the lane meanwhile. */
  run<T>(work: (lane: number) => Promise<T>): Promise<T>;
}

export function createIoLanes(laneCount: number): IoLanes {
  const free = Array.from({ length: laneCount }, (_, i) => laneCount - 1 - i);
  const waiting: ((lane: number) => void)[] = [];
  return {
    laneCount,
    async run(work) {
      const lane = free.pop() ?? (await new Promise<number>((resolve) => waiting.push(resolve)));
      try {
        return await work(lane);
      } finally {
        // The lane goes from hand to hand, so that nobody overtakes.
        const next = waiting.shift();
        if (next === undefined) free.push(lane);
        else next(lane);
      }
    },
  };
}
