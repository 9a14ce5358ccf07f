// A gated block over embedded rows, for tests of the region that joins a gate with what it lets through.

import { createProgramBuilder } from '../../../program/builder.ts';
import type { Program } from '../../../program/program.ts';
import type { Backend } from '../../backend.ts';
import type { MemoryWeight } from '../../testing/memory-weights.ts';
import { compileRows, type RowModel } from './row-model.ts';

export interface GatedWeights {
  /** f32, [any, columns]. */
  readonly table: MemoryWeight;
  /** [width, columns]. */
  readonly gate: MemoryWeight;
  readonly up: MemoryWeight;
  /** [outputs, width]. */
  readonly down: MemoryWeight;
}

/**
 * What becomes of the products: `joined` by their activation alone; the gate's are `read` by something else too, so that they have to be left whole; or the gate lets
 * `itself` through, with the other products made in vain, or `alone`, without them.
 */
export type GatedUse = 'joined' | 'read' | 'itself' | 'alone';

export function gatedProgram(weights: GatedWeights, use: GatedUse): Program {
  const { table, gate, up, down } = weights;
  const b = createProgramBuilder({
    vocabSize: down.rows,
    hiddenSize: gate.columns,
    layerCount: 1,
    kvHeadCount: 1,
    headSize: 1,
  });
  const input = b.embed(b.weight('table', table.rows, table.columns));
  const gateProducts = b.linear(input, b.weight('gate', gate.rows, gate.columns));
  const upProducts = use === 'alone' ? gateProducts : b.linear(input, b.weight('up', up.rows, up.columns));
  const gated = b.gatedActivation(gateProducts, use === 'itself' ? gateProducts : upProducts);
  if (use === 'read') b.selectOutputs(gateProducts);
  return b.finish(b.selectOutputs(b.linear(gated, b.weight('down', down.rows, down.columns))));
}

/** down * (SiLU(gate * x) * (up * x)) of rows x of the table. */
export function compileGated(
  backend: Backend,
  weights: GatedWeights,
  use: GatedUse,
  maxRows: number,
): Promise<RowModel> {
  return compileRows(backend, gatedProgram(weights, use), { ...weights }, maxRows);
}
