// A program of one linear over embedded rows, for tests of products: token t's output is weight times row t of a table.

import { createProgramBuilder, type ProgramBuilder } from '../../../program/builder.ts';
import type { Value, WeightRef } from '../../../program/program.ts';
import type { Backend } from '../../backend.ts';
import type { MemoryWeight } from '../../testing/memory-weights.ts';
import { compileRows, type RowModel } from './row-model.ts';

/** `table` is f32 of [rows, weight.columns]; at most `maxRows` rows run at a time. */
export function compileLinear(
  backend: Backend,
  weight: MemoryWeight,
  table: MemoryWeight,
  maxRows = 64,
): Promise<RowModel> {
  return compileProduct(backend, weight, table, maxRows, (b, input, it) => b.selectOutputs(b.linear(input, it)));
}

/** The same of the rows whose outputs are wanted, straight into the logits, as the head of a model is. */
export function compileHead(
  backend: Backend,
  weight: MemoryWeight,
  table: MemoryWeight,
  maxRows: number,
): Promise<RowModel> {
  return compileProduct(backend, weight, table, maxRows, (b, input, it) => b.linear(b.selectOutputs(input), it));
}

function compileProduct(
  backend: Backend,
  weight: MemoryWeight,
  table: MemoryWeight,
  maxRows: number,
  logitsOf: (b: ProgramBuilder, input: Value, weight: WeightRef) => Value,
): Promise<RowModel> {
  const b = createProgramBuilder({
    vocabSize: weight.rows,
    hiddenSize: weight.columns,
    layerCount: 1,
    kvHeadCount: 1,
    headSize: 1,
  });
  const input = b.embed(b.weight('table', table.rows, table.columns));
  const program = b.finish(logitsOf(b, input, b.weight('weight', weight.rows, weight.columns)));
  return compileRows(backend, program, { table, weight }, maxRows);
}
