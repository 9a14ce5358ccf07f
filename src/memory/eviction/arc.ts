// ARC, the adaptive replacement cache (Megiddo and Modha, FAST 2003): recency and frequency, balanced by what their ghosts are asked for.

import { createBlockLists } from './block-lists.ts';
import { createGhostList } from './ghost-list.ts';
import type { EvictionPolicy, EvictionPolicyOptions } from './policy.ts';

/** T1 and B1 of the paper: blocks accessed once, and their ghosts; T2 and B2: more than once. */
const RECENT = 0;
const FREQUENT = 1;

/**
 * As published, but for two things: a victim is wanted before it is known what for, so a ghost hit of B2 does not bias the choice; and held
 * blocks count for the list that they return to.
 */
export function createArc({ blockCount }: EvictionPolicyOptions): EvictionPolicy {
  const lists = createBlockLists(blockCount, 2);
  const ghosts = [createGhostList(2 * blockCount), createGhostList(2 * blockCount)];
  const homes = new Uint8Array(blockCount);
  const keyLows = new Uint32Array(blockCount);
  const keyHighs = new Uint32Array(blockCount);
  /** Blocks of each list, held ones included. */
  const counts = [0, 0];
  /** Blocks that RECENT should have: p of the paper. */
  let target = 0;
  let evictableCount = 0;

  function leave(block: number): void {
    if (lists.isListed(block)) {
      lists.remove(block);
      evictableCount--;
    }
    counts[homes[block]]--;
  }

  function trimGhosts(): void {
    const [recent, frequent] = ghosts;
    while (recent.size > 0 && counts[RECENT] + recent.size > blockCount) recent.remove(recent.oldest());
    while (frequent.size > 0 && counts[RECENT] + counts[FREQUENT] + recent.size + frequent.size > 2 * blockCount) {
      frequent.remove(frequent.oldest());
    }
  }

  /** Whether a key is among the ghosts of a list; if so it is taken out, and the target moves towards that list. */
  function recall(list: number, keyLow: number, keyHigh: number): boolean {
    const entry = ghosts[list].find(keyLow, keyHigh);
    if (entry === -1) return false;
    const step = Math.max(1, ghosts[1 - list].size / ghosts[list].size);
    target = list === RECENT ? Math.min(blockCount, target + step) : Math.max(0, target - step);
    ghosts[list].remove(entry);
    return true;
  }

  return {
    get evictableCount() {
      return evictableCount;
    },
    bytes: lists.bytes + ghosts[0].bytes + ghosts[1].bytes + homes.byteLength + 2 * keyLows.byteLength,
    admit(block, keyLow, keyHigh) {
      const known = recall(RECENT, keyLow, keyHigh) || recall(FREQUENT, keyLow, keyHigh);
      homes[block] = known ? FREQUENT : RECENT;
      counts[homes[block]]++;
      keyLows[block] = keyLow;
      keyHighs[block] = keyHigh;
      trimGhosts();
    },
    hit(block) {
      if (homes[block] === FREQUENT) return;
      counts[RECENT]--;
      counts[FREQUENT]++;
      homes[block] = FREQUENT;
      if (!lists.isListed(block)) return;
      lists.remove(block);
      lists.append(FREQUENT, block);
    },
    hold(block) {
      lists.remove(block);
      evictableCount--;
    },
    release(block) {
      lists.append(homes[block], block);
      evictableCount++;
    },
    forget: leave,
    victim() {
      const recent = lists.first(RECENT);
      const frequent = lists.first(FREQUENT);
      if (recent === -1 || frequent === -1) return recent === -1 ? frequent : recent;
      return counts[RECENT] > target ? recent : frequent;
    },
    evict(block) {
      leave(block);
      ghosts[homes[block]].add(keyLows[block], keyHighs[block]);
      trimGhosts();
    },
    evictable: () => [...lists.blocks(RECENT), ...lists.blocks(FREQUENT)],
  };
}
