// Programs over embedded rows of a table, without attention, for tests of products.

import type { Program } from '../../../program/program.ts';
import type { Backend, Executable } from '../../backend.ts';
import { createMemoryWeights, type MemoryWeight } from '../../testing/memory-weights.ts';
import { bindStep } from '../../testing/step.ts';

export interface RowModel {
  readonly executable: Executable;
  /** What the program makes of the given rows of the table, [rows, outputs]. */
  run(tableRows: readonly number[]): Promise<Float32Array>;
}

/** At most `maxRows` rows run at a time. */
export async function compileRows(
  backend: Backend,
  program: Program,
  weights: Readonly<Record<string, MemoryWeight>>,
  maxRows: number,
): Promise<RowModel> {
  const blocks = Array.from({ length: Math.ceil(maxRows / 16) }, (_, i) => i);
  const executable = await backend.compile(program, {
    weights: createMemoryWeights(weights),
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
