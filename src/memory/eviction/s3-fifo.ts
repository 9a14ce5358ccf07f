// S3-FIFO (Yang et al., SOSP 2023): a small queue on probation, a main queue, and ghosts of what left the small one.

import { createBlockLists } from './block-lists.ts';
import { createGhostList } from './ghost-list.ts';
import type { EvictionPolicy, EvictionPolicyOptions } from './policy.ts';

const SMALL = 0;
const MAIN = 1;
/** Share of the blocks that are on probation. */
const SMALL_SHARE = 0.1;
/** Hits on probation that lead to the main queue. */
const PROMOTING_HITS = 1;
/** Hits that are counted: times that a block goes round the main queue. */
const MAX_HITS = 3;

/** Held blocks that are met at the front of a queue leave it, and come back at its end when they are released. */
export function createS3Fifo({ blockCount }: EvictionPolicyOptions): EvictionPolicy {
  const queues = createBlockLists(blockCount, 2);
  const ghostLimit = Math.max(1, Math.round(blockCount * (1 - SMALL_SHARE)));
  const ghosts = createGhostList(2 * ghostLimit, ghostLimit);
  const smallLimit = Math.max(1, Math.round(blockCount * SMALL_SHARE));
  const homes = new Uint8Array(blockCount);
  const hits = new Uint8Array(blockCount);
  const held = new Uint8Array(blockCount);
  const keyLows = new Uint32Array(blockCount);
  const keyHighs = new Uint32Array(blockCount);
  let evictableCount = 0;
  /** Blocks of the small queue, held ones included. */
  let smallCount = 0;

  function leave(block: number): void {
    if (queues.isListed(block)) queues.remove(block);
    if (homes[block] === SMALL) smallCount--;
    if (held[block] === 0) evictableCount--;
  }

  function nextQueue(): number {
    const preferred = smallCount >= smallLimit ? SMALL : MAIN;
    return queues.first(preferred) === -1 ? 1 - preferred : preferred;
  }

  return {
    get evictableCount() {
      return evictableCount;
    },
    bytes: queues.bytes + ghosts.bytes + homes.byteLength + hits.byteLength + held.byteLength + 2 * keyLows.byteLength,
    admit(block, keyLow, keyHigh) {
      const ghost = ghosts.find(keyLow, keyHigh);
      if (ghost !== -1) ghosts.remove(ghost);
      homes[block] = ghost === -1 ? SMALL : MAIN;
      if (ghost === -1) smallCount++;
      keyLows[block] = keyLow;
      keyHighs[block] = keyHigh;
      hits[block] = 0;
      held[block] = 1;
      queues.append(homes[block], block);
    },
    hit(block) {
      if (hits[block] < MAX_HITS) hits[block]++;
    },
    hold(block) {
      held[block] = 1;
      evictableCount--;
    },
    release(block) {
      held[block] = 0;
      evictableCount++;
      if (!queues.isListed(block)) queues.append(homes[block], block);
    },
    forget: leave,
    victim() {
      if (evictableCount === 0) return -1;
      for (;;) {
        const queue = nextQueue();
        const block = queues.first(queue);
        if (held[block] === 1) {
          queues.remove(block);
        } else if (queue === SMALL && hits[block] >= PROMOTING_HITS) {
          queues.remove(block);
          homes[block] = MAIN;
          smallCount--;
          hits[block] = 0;
          queues.append(MAIN, block);
        } else if (queue === MAIN && hits[block] > 0) {
          hits[block]--;
          queues.remove(block);
          queues.append(MAIN, block);
        } else {
          return block;
        }
      }
    },
    evict(block) {
      leave(block);
      if (homes[block] === SMALL) ghosts.add(keyLows[block], keyHighs[block]);
    },
    evictable: () => [...queues.blocks(SMALL), ...queues.blocks(MAIN)].filter((block) => held[block] === 0),
  };
}
