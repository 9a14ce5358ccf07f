// Prefixes that stay in the pool for a while whatever else comes: pins with a budget and a lease.

import { InvalidRequestError } from '../errors/errors.ts';
import { fillsOf, type KvMemory } from '../memory/index.ts';

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

/** Share of the pool of each cache group that pins may hold together, each counted whole. */
const budgetShare = 1 / 4;
const longestLeaseMs = 24 * 3_600_000;

export interface PrefixPinOptions {
  readonly memory: KvMemory;
  /** Calls `action` after that many milliseconds unless what it returns is called before. */
  readonly schedule: (ms: number, action: () => void) => () => void;
  /** Blocks were given back. */
  readonly onRelease: () => void;
}

export function createPrefixPins({ memory, schedule, onRelease }: PrefixPinOptions): PrefixPins {
  const releases = new Set<() => void>();
  const otherCounts = memory.otherGroups?.map((group) => group.memory.usage().blockCount) ?? [];
  const firstCount = otherCounts.reduce((left, count) => left - count, memory.usage().blockCount);
  /** By cache group. */
  const budgets = [firstCount, ...otherCounts].map((count) => Math.floor(count * budgetShare));
  const pinned = budgets.map(() => 0);

  return {
    get pinnedBlocks() {
      return pinned.reduce((sum, blocks) => sum + blocks, 0);
    },
    pin(tokenIds, salt, leaseMs) {
      if (!(leaseMs > 0 && leaseMs <= longestLeaseMs)) {
        throw new InvalidRequestError(
          `leaseMs must be over 0 and at most ${longestLeaseMs}, got ${leaseMs}`,
          'leaseMs',
          leaseMs,
        );
      }
      const hold = memory.holdPrefix(memory.open(tokenIds, salt));
      const blocks = fillsOf(hold).map(({ cachedBlocks }) => cachedBlocks.length);
      const full = blocks.findIndex((count, group) => pinned[group] + count > budgets[group]);
      if (full !== -1) {
        memory.endFill(hold, 0);
        const of = budgets.length === 1 ? '' : ` of cache group ${full}`;
        throw new InvalidRequestError(
          `a pin of ${blocks[full]} blocks${of} does not fit beside the ${pinned[full]} that are pinned: pins may hold ${budgets[full]} together`,
          'pin',
          blocks[full],
        );
      }
      for (const [group, count] of blocks.entries()) pinned[group] += count;
      const release = (): void => {
        if (!releases.delete(release)) return;
        cancel();
        for (const [group, count] of blocks.entries()) pinned[group] -= count;
        memory.endFill(hold, 0);
        onRelease();
      };
      const cancel = schedule(leaseMs, release);
      releases.add(release);
      // With a window, what no later token attends to is not held.
      return { pinnedTokens: hold.endBlock * memory.blockSize, release };
    },
    releaseAll() {
      for (const release of [...releases]) release();
    },
  };
}
