// Executes step plans over content instead of K and V, and checks everything that a step reads.

import { type ContentPool, createContentPool, type ModelSequence } from '../../memory/testing/content.ts';
import type { StepPlan } from '../types.ts';

export interface FakePool {
  /**
   * Copies and writes as a backend would, then checks that every context position of every scheduled token holds the right content. A sequence without a model
   * has ended since the step was planned: what it writes is garbage.
   */
  execute(plan: StepPlan, sequences: ReadonlyMap<number, ModelSequence>): void;
  /** A step that failed half way: whatever it may write is garbage. */
  fail(plan: StepPlan): void;
  /** Makes the content of a block garbage: nothing may depend on it. Blocks of several pools are numbered one pool after the other. */
  poison(block: number): void;
}

/** With a window, a token reads its last `windowTokens` positions and the `sinkTokens` first ones. */
export interface FakePoolOptions {
  readonly blockCount: number;
  readonly windowTokens?: number | null;
  readonly sinkTokens?: number;
}

/** One pool for each cache group. */
export function createFakePool(blockSize: number, groups: readonly FakePoolOptions[]): FakePool {
  const pools = groups.map(({ blockCount }) => createContentPool(blockCount, blockSize));
  const boundOf = ({ bindings }: StepPlan) => [bindings, ...(bindings.otherPools ?? [])];

  function write(plan: StepPlan, models: ReadonlyMap<number, ModelSequence>): void {
    const { bindings, sequences, stepIndex } = plan;
    sequences.forEach(({ id }, s) => {
      const model = models.get(id);
      for (let row = bindings.queryStarts[s]; row < bindings.queryStarts[s + 1]; row++) {
        const position = bindings.positions[row];
        if (model === undefined) {
          for (const [p, { slotMapping }] of boundOf(plan).entries()) pools[p].poisonSlot(slotMapping[row]);
          continue;
        }
        if (bindings.tokenIds[row] !== model.tokenIds[position]) {
          throw new Error(`step ${stepIndex}: sequence ${id} runs token ${bindings.tokenIds[row]} at ${position}`);
        }
        for (const [p, { slotMapping }] of boundOf(plan).entries()) {
          pools[p].write(slotMapping[row], position, model.chain[position]);
        }
      }
    });
  }

  function read(plan: StepPlan, models: ReadonlyMap<number, ModelSequence>, p: number, pool: ContentPool): void {
    const { bindings, sequences, stepIndex } = plan;
    const { tableRows, blockTables, blockTableStride } = boundOf(plan)[p];
    const { windowTokens = null, sinkTokens = 0 } = groups[p];
    sequences.forEach(({ id }, s) => {
      const model = models.get(id);
      if (model === undefined) return;
      const table = tableRows[s] * blockTableStride;
      const windowStart = windowTokens === null ? 0 : bindings.positions[bindings.queryStarts[s]] + 1 - windowTokens;
      for (let position = 0; position < bindings.contextLengths[s]; position++) {
        if (position >= sinkTokens && position < windowStart) continue;
        const block = blockTables[table + Math.floor(position / blockSize)];
        if (!pool.holds(block * blockSize + (position % blockSize), position, model.chain[position])) {
          throw new Error(
            `step ${stepIndex}: sequence ${id} reads wrong content at position ${position}, block ${block} of pool ${p}`,
          );
        }
      }
    });
  }

  return {
    poison(block) {
      let within = block;
      for (const [p, { blockCount }] of groups.entries()) {
        if (within < blockCount) return pools[p].poison(within);
        within -= blockCount;
      }
    },
    fail(plan) {
      for (const [p, { copyCount, blockCopies, slotMapping }] of boundOf(plan).entries()) {
        for (let i = 0; i < copyCount; i++) pools[p].poison(blockCopies[i * 2 + 1]);
        for (let row = 0; row < plan.bindings.tokenCount; row++) pools[p].poisonSlot(slotMapping[row]);
      }
    },
    execute(plan, models) {
      for (const [p, { copyCount, blockCopies }] of boundOf(plan).entries()) pools[p].copy(blockCopies, copyCount);
      write(plan, models);
      for (const [p, pool] of pools.entries()) read(plan, models, p, pool);
    },
  };
}
