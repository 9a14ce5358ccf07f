// What it takes to give a sequence its memory while others come and go: one run, first fit, against blocks from a free list.

import { createMemory, type KvSequence, type MemoryMode } from '../../../src/memory/index.ts';
import { percentile } from '../../../src/simulation/percentile.ts';
import { createRandom } from '../../common/random.ts';
import { lengthSampler } from '../../memory/lengths.ts';

export interface AllocationCost {
  readonly mode: MemoryMode;
  /** Microseconds to admit a sequence (its run, or the blocks of its prompt), P50 and P99. */
  readonly admitP50Us: number;
  readonly admitP99Us: number;
  /** Microseconds to take one more token. */
  readonly extendP99Us: number;
  readonly releaseP99Us: number;
  /** Admissions that found no room with enough slots free in all: external fragmentation. */
  readonly failedAdmissions: number;
  readonly admissions: number;
}

/** Churn on a pool of `poolTokens`: sequences join, grow by a few tokens a round, and leave. */
export function measureAllocation(mode: MemoryMode, poolTokens: number, rounds: number, seed: number): AllocationCost {
  const random = createRandom(seed);
  const blockSize = 16;
  const maxTokens = 4096;
  const memory = createMemory(mode, {
    blockCount: poolTokens / blockSize,
    blockSize,
    maxNumSeqs: 1024,
    maxBlocksPerSequence: maxTokens / blockSize,
    enablePrefixCaching: false,
  });
  const input = lengthSampler(161, 1.1, maxTokens / 2, random);
  const output = lengthSampler(338, 0.7, maxTokens / 2, random);
  const live: { sequence: KvSequence; tokenIds: number[]; left: number }[] = [];
  const admit: number[] = [];
  const extend: number[] = [];
  const release: number[] = [];
  let failedAdmissions = 0;
  const timed = <T>(into: number[], action: () => T): T => {
    const startedMs = performance.now();
    const value = action();
    into.push((performance.now() - startedMs) * 1000);
    return value;
  };
  for (let round = 0; round < rounds; round++) {
    for (let tries = 0; tries < 4; tries++) {
      const tokenIds = Array.from({ length: input() }, (_, i) => i);
      const left = output();
      const sequence = memory.open(tokenIds, '', tokenIds.length + left);
      const match = memory.match(sequence, tokenIds.length - 1);
      if (timed(admit, () => memory.reserve(sequence, tokenIds.length, match))) live.push({ sequence, tokenIds, left });
      else if (memory.usage().freeBlocks >= Math.ceil((tokenIds.length + left) / blockSize)) failedAdmissions++;
    }
    memory.commit();
    for (const it of live) {
      it.tokenIds.push(round);
      // One that finds no block waits for a round, as a scheduler would have it.
      if (timed(extend, () => memory.reserve(it.sequence, 1))) it.left--;
      else it.tokenIds.pop();
    }
    memory.commit();
    for (let i = live.length - 1; i >= 0; i--) {
      if (live[i].left > 0 && random() > 0.02) continue;
      timed(release, () => memory.release(live[i].sequence));
      live.splice(i, 1);
    }
  }
  return {
    mode,
    admitP50Us: percentile(admit, 0.5),
    admitP99Us: percentile(admit, 0.99),
    extendP99Us: percentile(extend, 0.99),
    releaseP99Us: percentile(release, 0.99),
    failedAdmissions,
    admissions: admit.length,
  };
}
