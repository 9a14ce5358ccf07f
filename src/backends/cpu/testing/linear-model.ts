// A program of one linear over embedded rows, for tests of products: token t's output is weight times row t of a table.

import { createProgramBuilder } from '../../../program/builder.ts';
import type { Backend } from '../../backend.ts';
import type { MemoryWeight } from '../../testing/memory-weights.ts';
import { compileRows, type RowModel } from './row-model.ts';

/** `table` is f32 of [weight.rows, weight.columns]; at most `maxRows` rows run at a time. */
export async function compileLinear(
  backend: Backend,
  weight: MemoryWeight,
  table: MemoryWeight,
  maxRows = 64,
): Promise<RowModel> {
  const b = createProgramBuilder({
    vocabSize: weight.rows,
    hiddenSize: weight.columns,
    layerCount: 1,
    kvHeadCount: 1,
    headSize: 1,
  });
  const input = b.embed(b.weight('table', table.rows, table.columns));
  const program = b.finish(b.selectOutputs(b.linear(input, b.weight('weight', weight.rows, weight.columns))));
  return compileRows(backend, program, { table, weight }, maxRows);
}
