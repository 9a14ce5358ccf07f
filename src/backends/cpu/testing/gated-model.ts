// A gated block over embedded rows, for tests of the region that joins a gate with what it lets through.

import { createProgramBuilder } from '../../../program/builder.ts';
import type { Program } from '../../../program/program.ts';
import type { Backend, Executable } from '../../backend.ts';
import { createMemoryWeights, type MemoryWeight } from '../../testing/memory-weights.ts';
import { bindStep } from '../../testing/step.ts';

export interface GatedWeights {
  /** f32, [any, columns]. */
  readonly table: MemoryWeight;
  /** [width, columns]. */
  readonly gate: MemoryWeight;
  readonly up: MemoryWeight;
  /** [outputs, width]. */
  readonly down: MemoryWeight;
}

export interface GatedModel {
  readonly executable: Executable;
  /** down * (SiLU(gate * x) * (up * x)) of the given rows of the table, [rows, outputs]. */
  run(tableRows: readonly number[]): Promise<Float32Array>;
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

export async function compileGated(
  backend: Backend,
  weights: GatedWeights,
  use: GatedUse,
  maxRows: number,
): Promise<GatedModel> {
  const blocks = Array.from({ length: Math.ceil(maxRows / 16) }, (_, i) => i);
  const executable = await backend.compile(gatedProgram(weights, use), {
    weights: createMemoryWeights({ ...weights }),
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
