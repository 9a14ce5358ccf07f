// What allocated memory is used for, measured after every step and weighted by the time that it lasts.

import type { KvMemory, KvSequence } from '../memory/index.ts';

/** Averages over simulated time. */
export interface Occupancy {
  readonly seconds: number;
  /** Slots of allocated blocks that hold a computed token / slots of allocated blocks. */
  readonly slotUse: number;
  /** Slots that hold a computed token / slots of the pool; what only the prefix cache holds does not count. */
  readonly poolUse: number;
  readonly requestsInFlight: number;
}

export interface OccupancyMeter {
  /** Memory is as it is for `seconds`, with these sequences running. */
  add(running: Iterable<KvSequence>, seconds: number): void;
  /** Null before any time has passed. */
  result(): Occupancy | null;
}

export function createOccupancyMeter(memory: KvMemory): OccupancyMeter {
  const { blockSize } = memory;
  const poolSlots = memory.usage().blockCount * blockSize;
  let total = 0;
  let usedSlotSeconds = 0;
  let allocatedSlotSeconds = 0;
  let requestSeconds = 0;
  return {
    add(running, seconds) {
      const allocated = memory.usage().referencedBlocks * blockSize;
      let unused = 0;
      let count = 0;
      for (const { blockCount, computedTokens } of running) {
        // Shared blocks are full, so what is unused is a sequence's own.
        unused += blockCount * blockSize - computedTokens;
        count++;
      }
      total += seconds;
      allocatedSlotSeconds += allocated * seconds;
      usedSlotSeconds += (allocated - unused) * seconds;
      requestSeconds += count * seconds;
    },
    result() {
      if (total === 0) return null;
      return {
        seconds: total,
        slotUse: allocatedSlotSeconds === 0 ? 0 : usedSlotSeconds / allocatedSlotSeconds,
        poolUse: usedSlotSeconds / total / poolSlots,
        requestsInFlight: requestSeconds / total,
      };
    },
  };
}
