// Executes step plans over content instead of K and V, and checks everything that a step reads.

import { createContentPool, type ModelSequence } from '../../memory/testing/content.ts';
import type { StepPlan } from '../types.ts';

export interface FakePool {
  /** Copies and writes as a backend would, then checks that every context position of every scheduled token holds the right content. */
  execute(plan: StepPlan, sequences: ReadonlyMap<number, ModelSequence>): void;
  /** A step that failed half way: whatever it may write is garbage. */
  fail(plan: StepPlan): void;
  /** Makes the content of a block garbage: nothing may depend on it. */
  poison(block: number): void;
}

/** With a window, a token reads its last `windowTokens` positions and the `sinkTokens` first ones. */
export function createFakePool(
  blockCount: number,
  blockSize: number,
  windowTokens: number | null = null,
  sinkTokens = 0,
): FakePool {
  const pool = createContentPool(blockCount, blockSize);
  return {
    poison: pool.poison,
    fail({ bindings }) {
      for (let i = 0; i < bindings.copyCount; i++) pool.poison(bindings.blockCopies[i * 2 + 1]);
      for (let row = 0; row < bindings.tokenCount; row++) pool.poisonSlot(bindings.slotMapping[row]);
    },
    execute({ bindings, sequences, stepIndex }, models) {
      pool.copy(bindings.blockCopies, bindings.copyCount);
      sequences.forEach(({ id }, s) => {
        const model = models.get(id)!;
        for (let row = bindings.queryStarts[s]; row < bindings.queryStarts[s + 1]; row++) {
          const position = bindings.positions[row];
          if (bindings.tokenIds[row] !== model.tokenIds[position]) {
            throw new Error(`step ${stepIndex}: sequence ${id} runs token ${bindings.tokenIds[row]} at ${position}`);
          }
          pool.write(bindings.slotMapping[row], position, model.chain[position]);
        }
      });
      sequences.forEach(({ id }, s) => {
        const model = models.get(id)!;
        const table = bindings.tableRows[s] * bindings.blockTableStride;
        const windowStart = windowTokens === null ? 0 : bindings.positions[bindings.queryStarts[s]] + 1 - windowTokens;
        for (let position = 0; position < bindings.contextLengths[s]; position++) {
          if (position >= sinkTokens && position < windowStart) continue;
          const block = bindings.blockTables[table + Math.floor(position / blockSize)];
          if (!pool.holds(block * blockSize + (position % blockSize), position, model.chain[position])) {
            throw new Error(
              `step ${stepIndex}: sequence ${id} reads wrong content at position ${position}, block ${block}`,
            );
          }
        }
      });
    },
  };
}
