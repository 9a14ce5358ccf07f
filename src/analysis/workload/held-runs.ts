// Where sequences lie in the pool: runs of neighbouring blocks with how much of each is used, read from the memory manager.

import type { KvMemory, KvSequence } from '../../memory/index.ts';
import type { HeldRun } from '../charts/index.ts';

/** Every block of the sequences, as runs of slots: neighbours of one sequence whose blocks are full make one run. */
export function heldRuns(memory: KvMemory, sequences: readonly KvSequence[], colorCount = 8): HeldRun[] {
  const { blockSize } = memory;
  const runs: HeldRun[] = [];
  sequences.forEach((sequence, index) => {
    let open: { first: number; held: number; used: number } | null = null;
    const close = () => {
      if (open !== null) runs.push({ ...open, color: index % colorCount });
      open = null;
    };
    memory.blocksOf(sequence).forEach((block, at) => {
      if (block === -1) return;
      const used = Math.max(0, Math.min(blockSize, sequence.computedTokens - at * blockSize));
      // A run goes on only where what is used stays in front.
      if (open !== null && open.first + open.held === block * blockSize && (open.used === open.held || used === 0)) {
        open.held += blockSize;
        open.used += used;
      } else {
        close();
        open = { first: block * blockSize, held: blockSize, used };
      }
    });
    close();
  });
  return runs;
}
