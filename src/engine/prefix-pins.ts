// Prefixes that stay in the pool for a while whatever else comes: pins with a budget and a lease.

import { InvalidRequestError } from '../errors/errors.ts';
import type { BlockFill, KvMemory } from '../memory/index.ts';

export interface PrefixPin {
  /** Leading tokens that are held: whole blocks of what was cached when the pin was made. */
  readonly pinnedTokens: number;
  /** Ends the lease now; later calls do nothing. */
  release(): void;
}

export interface PrefixPins {
  readonly pinnedBlocks: number;
  pin(tokenIds: readonly number[], salt: string, leaseMs: number): PrefixPin;
  releaseAll(): void;
}

/** Share of the pool that pins may hold together, each counted whole. */
const budgetShare = 1 / 4;
const longestLeaseMs = 24 * 3_600_000;

/** `onRelease` is called when blocks were given back. */
export function createPrefixPins(memory: KvMemory, onRelease: () => void): PrefixPins {
  const releases = new Set<() => void>();
  const budgetBlocks = Math.floor(memory.usage().blockCount * budgetShare);
  let pinnedBlocks = 0;

  return {
    get pinnedBlocks() {
      return pinnedBlocks;
    },
    pin(tokenIds, salt, leaseMs) {
      if (!(leaseMs > 0 && leaseMs <= longestLeaseMs)) {
        throw new InvalidRequestError(
          `leaseMs must be over 0 and at most ${longestLeaseMs}, got ${leaseMs}`,
          'leaseMs',
          leaseMs,
        );
      }
      const hold: BlockFill = memory.holdPrefix(memory.open(tokenIds, salt));
      const blocks = hold.cachedBlocks.length;
      if (pinnedBlocks + blocks > budgetBlocks) {
        memory.endFill(hold, 0);
        throw new InvalidRequestError(
          `a pin of ${blocks} blocks does not fit beside the ${pinnedBlocks} that are pinned: pins may hold ${budgetBlocks} together`,
          'pin',
          blocks,
        );
      }
      pinnedBlocks += blocks;
      const release = (): void => {
        if (!releases.delete(release)) return;
        clearTimeout(timer);
        pinnedBlocks -= blocks;
        memory.endFill(hold, 0);
        onRelease();
      };
      const timer = setTimeout(release, leaseMs);
      timer.unref();
      releases.add(release);
      // With a window, what no later token attends to is not held.
      return { pinnedTokens: ((hold.cachedIndices.at(-1) ?? -1) + 1) * memory.blockSize, release };
    },
    releaseAll() {
      for (const release of [...releases]) release();
    },
  };
}
