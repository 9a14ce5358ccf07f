// A program of one linear over embedded rows, for tests of products: token t's output is weight times row t of a table.

import { createProgramBuilder } from '../../../program/builder.ts';
import type { Backend, Executable } from '../../backend.ts';
import { createMemoryWeights, type MemoryWeight } from '../../testing/memory-weights.ts';
import { bindStep } from '../../testing/step.ts';

export interface LinearModel {
  readonly executable: Executable;
  /** Outputs of the given rows of the table, [rows, outputs]. */
  run(tableRows: readonly number[]): Promise<Float32Array>;
}

/** `table` is f32 of [weight.rows, weight.columns]; at most `maxRows` rows run at a time. */
export async function compileLinear(
  backend: Backend,
  weight: MemoryWeight,
  table: MemoryWeight,
  maxRows = 64,
): Promise<LinearModel> {
  const b = createProgramBuilder({
    vocabSize: weight.rows,
    hiddenSize: weight.columns,
    layerCount: 1,
    kvHeadCount: 1,
    headSize: 1,
  });
  const input = b.embed(b.weight('table', table.rows, table.columns));
  const program = b.finish(b.selectOutputs(b.linear(input, b.weight('weight', weight.rows, weight.columns))));
  const blocks = Array.from({ length: Math.ceil(maxRows / 16) }, (_, i) => i);
  const executable = await backend.compile(program, {
    weights: createMemoryWeights({ table, weight }),
    kv: { layerCount: 1, kvHeadCount: 1, headSize: 1, blockSize: 16, keyDType: 'f32', valueDType: 'f32' },
    blockCount: blocks.length,
    limits: { maxTokens: maxRows, maxSequences: 1, maxOutputs: maxRows, maxContextTokens: maxRows },
  });
  return {
    executable,
    async run(tableRows) {
      const step = bindStep([{ tokenIds: tableRows, firstPosition: 0, blocks }], 16);
      return (await executable.execute(step)).logits.slice();
    },
  };
}
