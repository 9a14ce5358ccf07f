// A tier that may fail, kept from doing harm: taken out after repeated failures or while it hangs, and tried again later.

import type { BuffersInUse, Tier, TierClock, TierCounters, TierEventHandler, TierState } from './tier.ts';

export interface GuardOptions {
  readonly clock: TierClock;
  /** Calls `action` after that many milliseconds of the clock. Without it writes are waited for however long they take. */
  readonly after?: (ms: number, action: () => void) => void;
  /**
   * A write that takes longer is given up, by callers who can leave its buffers alone: its pages count as failed, and the tier is out until
   * it ends. Defaults to 2 s.
   */
  readonly writeLimitMs?: number;
  /** Failed operations in a row that take the tier out. Defaults to 3. */
  readonly failureLimit?: number;
  /** An operation that takes longer takes the tier out; it comes back after the operation ends. Defaults to 10 s. */
  readonly slowMs?: number;
  /** The first wait before it is tried again; doubled each time up to the limit. Defaults to 1 s and 60 s. */
  readonly backoffMs?: number;
  readonly backoffLimitMs?: number;
  readonly onEvent?: TierEventHandler;
}

/**
 * While suspended, the tier has nothing (`has` is false), takes nothing and gives nothing, at once and without an operation. When the
 * wait is over, the next operation is the trial: if it fails, the tier is out for twice as long.
 */
export function guardTier(tier: Tier, options: GuardOptions): Tier {
  const { clock, failureLimit = 3, slowMs = 10_000, backoffMs = 1000, backoffLimitMs = 60_000, onEvent } = options;
  const { after, writeLimitMs = 2000 } = options;
  /** Writes that were given up and have not ended. */
  let abandonedCount = 0;
  const startedMs = new Map<object, number>();
  let failuresInRow = 0;
  let isOut = false;
  let isOnTrial = false;
  let waitMs = backoffMs;
  let againMs = 0;

  function takeOut(reason: string): void {
    if (isOut) waitMs = Math.min(backoffLimitMs, waitMs * 2);
    isOut = true;
    isOnTrial = false;
    againMs = clock.now() + waitMs;
    onEvent?.({ tier: tier.name, kind: 'suspended', message: `${reason}; tried again in ${waitMs} ms` });
  }

  function hangs(): boolean {
    // Insertion order: the first one is the oldest.
    const [oldestMs] = startedMs.values();
    return oldestMs !== undefined && clock.now() - oldestMs > slowMs;
  }

  /** Whether operations may go through now. No effect but to notice that one hangs. */
  function isOpen(): boolean {
    if (!isOut && hangs()) takeOut(`an operation has taken more than ${slowMs} ms`);
    if (!isOut) return true;
    return !isOnTrial && abandonedCount === 0 && clock.now() >= againMs && !hangs();
  }

  function end(hasFailed: boolean, tookMs: number): void {
    isOnTrial = false;
    if (!hasFailed && tookMs <= slowMs) {
      failuresInRow = 0;
      waitMs = backoffMs;
      if (isOut) {
        isOut = false;
        onEvent?.({ tier: tier.name, kind: 'resumed', message: 'an operation succeeded' });
      }
      return;
    }
    failuresInRow++;
    if (isOut) {
      if (clock.now() >= againMs) takeOut('the trial failed');
    } else if (failuresInRow >= failureLimit) takeOut(`${failuresInRow} operations in a row failed`);
    else if (tookMs > slowMs) takeOut(`an operation took more than ${slowMs} ms`);
  }

  /** `inUse` gets what ends with a write that is given up; without it no operation is. */
  async function run<T extends string>(
    work: () => Promise<T[]>,
    refused: () => T[],
    inUse?: BuffersInUse,
  ): Promise<T[]> {
    if (!isOpen()) return refused();
    isOnTrial = isOut;
    const operation = {};
    const beganMs = clock.now();
    startedMs.set(operation, beganMs);
    let isAbandoned = false;
    const ended = (async () => {
      let results: T[];
      try {
        results = await work();
      } catch {
        // A tier must not reject; one that does has failed.
        results = refused();
      }
      startedMs.delete(operation);
      if (isAbandoned) abandonedCount--;
      else end(results.includes('failed' as T), clock.now() - beganMs);
      return results;
    })();
    if (after === undefined || inUse === undefined) return ended;
    const tooLong = new Promise<null>((resolve) => after(writeLimitMs, () => resolve(null)));
    const inTime = await Promise.race([ended, tooLong]);
    if (inTime !== null) return inTime;
    isAbandoned = true;
    abandonedCount++;
    inUse.push(ended);
    takeOut(`a write has taken more than ${writeLimitMs} ms`);
    return refused();
  }

  return {
    name: tier.name,
    pageBytes: tier.pageBytes,
    capacityPages: tier.capacityPages,
    isLossy: tier.isLossy,
    outlivesProcess: tier.outlivesProcess,
    counters: tier.counters,
    get usage() {
      return tier.usage;
    },
    get state(): TierState {
      return tier.state === 'ready' && !isOpen() ? 'suspended' : tier.state;
    },
    has: (key) => isOpen() && tier.has(key),
    async put(pages, inUse) {
      const given = inUse?.length;
      const results = await run(
        () => tier.put(pages),
        () => pages.map(() => 'failed' as const),
        inUse,
      );
      if (inUse?.length !== given) (tier.counters as TierCounters).abandonedWrites += pages.length;
      return results;
    },
    get: (keys, into) =>
      run(
        () => tier.get(keys, into),
        () => keys.map(() => 'failed'),
      ),
    delete: (keys) => tier.delete(keys),
    pin: (key) => isOpen() && tier.pin(key),
    unpin: (key) => tier.unpin(key),
    touch: (key) => tier.touch(key),
    flush: () => tier.flush(),
    close: () => tier.close(),
  };
}
