// At most so many operations at once; the others wait in order.

export interface IoLimit {
  run<T>(work: () => Promise<T>): Promise<T>;
}

export function createIoLimit(inFlightLimit: number): IoLimit {
  const waiting: (() => void)[] = [];
  let inFlight = 0;
  return {
    async run(work) {
      if (inFlight >= inFlightLimit) await new Promise<void>((resolve) => waiting.push(resolve));
      else inFlight++;
      try {
        return await work();
      } finally {
        // The place goes from hand to hand, so that nobody overtakes.
        const next = waiting.shift();
        if (next === undefined) inFlight--;
        else next();
      }
    },
  };
}
