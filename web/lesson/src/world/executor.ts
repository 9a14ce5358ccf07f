// A toy in place of a model: a slot holds one number, made from a token and its position, and the next token follows from all numbers
// that a sequence attends to. It reads them through the block table, as a kernel does, so a wrong table would change what is said.

import type { BlockBytes } from '../../../../src/memory/pager.ts';
import type { StepPlan } from '../../../../src/scheduler/types.ts';

export interface ToyExecutor {
  readonly bytes: BlockBytes;
  /** Runs a step; the next token of each sequence that samples. Throws where a slot does not hold what was written for its position. */
  execute(plan: StepPlan, tokenIdsOf: (id: number) => readonly number[]): Map<number, number>;
}

export const TOY_VOCABULARY = 1000;

/** What the slot of a token at a position holds. */
function contentOf(tokenId: number, position: number): number {
  return Math.imul(Math.imul(tokenId + 1, 0x9e3779b1) ^ (position + 1), 0x85ebca6b) | 0;
}

export function createToyExecutor(blockCount: number, blockSize: number): ToyExecutor {
  const pool = new Int32Array(blockCount * blockSize);
  const block = (id: number): Int32Array => pool.subarray(id * blockSize, (id + 1) * blockSize);
  const pageBytes = blockSize * 4;

  return {
    bytes: {
      pageBytes,
      read(id, into) {
        into.set(new Uint8Array(pool.buffer, id * pageBytes, pageBytes));
      },
      write(id, from) {
        new Uint8Array(pool.buffer, id * pageBytes, pageBytes).set(from);
      },
    },
    execute({ sequences, bindings }, tokenIdsOf) {
      const { blockCopies, copyCount, tokenCount, tokenIds, positions, slotMapping } = bindings;
      for (let i = 0; i < copyCount; i++) block(blockCopies[2 * i + 1]).set(block(blockCopies[2 * i]));
      for (let i = 0; i < tokenCount; i++) pool[slotMapping[i]] = contentOf(tokenIds[i], positions[i]);
      const next = new Map<number, number>();
      for (const [s, { id, samples }] of sequences.entries()) {
        const row = bindings.tableRows[s] * bindings.blockTableStride;
        const known = tokenIdsOf(id);
        let state = 0x811c9dc5 | 0;
        for (let position = 0; position < bindings.contextLengths[s]; position++) {
          const table = bindings.blockTables[row + Math.floor(position / blockSize)];
          const content = pool[table * blockSize + (position % blockSize)];
          if (content !== contentOf(known[position], position)) {
            throw new Error(`position ${position} of sequence ${id} does not hold what was written for it`);
          }
          state = Math.imul(state ^ content, 0x01000193);
        }
        if (samples) next.set(id, (state >>> 0) % TOY_VOCABULARY);
      }
      return next;
    },
  };
}
