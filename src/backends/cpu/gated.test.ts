// A gate, what it lets through and the activation that joins them give the same bits as one region as they give as three.

import { afterAll, expect, it } from 'vitest';
import { createRandom } from '../../random/random.ts';
import type { DType } from '../../tensor/index.ts';
import type { Backend } from '../backend.ts';
import { randomWeight } from '../testing/memory-weights.ts';
import { expectSameBits } from '../testing/same-bits.ts';
import { createCpuBackend } from './index.ts';
import { lowerProgram } from './lowering.ts';
import { compileGated, type GatedUse, type GatedWeights, gatedProgram } from './testing/gated-model.ts';
import { describeInstructionSets } from './testing/instruction-sets.ts';

const mostRows = 300;

function gatedWeights(gate: DType, down: DType, width: number): GatedWeights {
  const random = createRandom(width);
  return {
    table: randomWeight('f32', 64, 256, random),
    gate: randomWeight(gate, width, 256, random),
    up: randomWeight(gate, width, 256, random),
    down: randomWeight(down, 40, width, random),
  };
}

const backends: Backend[] = [];
afterAll(async () => {
  for (const backend of backends) await backend.close();
});

describeInstructionSets('gated products', (isa) => {
  const byThreads = [1, 3].map((threads) => createCpuBackend({ threads, isa }));
  backends.push(...byThreads);

  it.each<{ gate: DType; down: DType; width: number }>([
    { gate: 'q8_0', down: 'q8_0', width: 768 },
    { gate: 'q8_0', down: 'f32', width: 96 },
    { gate: 'q4_0', down: 'q4_0', width: 352 },
    { gate: 'q4_k', down: 'q6_k', width: 512 },
    { gate: 'q6_k', down: 'q8_0', width: 256 },
    { gate: 'f16', down: 'f16', width: 160 },
    { gate: 'bf16', down: 'bf16', width: 160 },
    { gate: 'bf16', down: 'q8_0', width: 64 },
    // Not whole panels: these are never one region.
    { gate: 'q8_0', down: 'f32', width: 80 },
  ])('$gate into $down at width $width', async ({ gate, down, width }) => {
    const weights = gatedWeights(gate, down, width);
    const whole = await compileGated(byThreads[0], weights, 'read', mostRows);
    const joined = await Promise.all(byThreads.map((backend) => compileGated(backend, weights, 'joined', mostRows)));
    const random = createRandom(5);
    for (const rowCount of [1, 2, 7, 9, 16, 17, 32, 33, 70, mostRows]) {
      const tableRows = Array.from({ length: rowCount }, () => Math.floor(random() * weights.table.rows));
      const wanted = await whole.run(tableRows);
      expect(wanted.every(Number.isFinite)).toBe(true);
      for (const model of joined) {
        const outputs = await model.run(tableRows);
        expectSameBits(outputs, wanted, `${rowCount} rows`);
      }
    }
    for (const model of [whole, ...joined]) await model.executable.close();
  });

  it('takes no products for a gate that lets itself through', async () => {
    const weights = gatedWeights('q8_0', 'q8_0', 96);
    const [itself, alone] = await Promise.all(
      (['itself', 'alone'] as const).map((use) => compileGated(byThreads[0], weights, use, mostRows)),
    );
    const outputs = await itself.run([1, 2, 3]);
    expectSameBits(outputs, await alone.run([1, 2, 3]));
    expect(outputs.every((value) => value !== 0)).toBe(true);
    for (const model of [itself, alone]) await model.executable.close();
  });

  it('lets a value that is not finite reach every output of its row, and no other row', async () => {
    const weights = gatedWeights('q8_0', 'q8_0', 96);
    new Float32Array(weights.table.bytes.buffer)[256 * 2 + 40] = Number.NaN;
    const model = await compileGated(byThreads[0], weights, 'joined', mostRows);
    const outputs = await model.run([1, 2, 3]);
    expect(outputs.subarray(40, 80).some(Number.isFinite)).toBe(false);
    expect(outputs.subarray(0, 40).every(Number.isFinite)).toBe(true);
    expect(outputs.subarray(80).every(Number.isFinite)).toBe(true);
    await model.executable.close();
  });
});

it('needs no room for the products of a gate that only its activation reads', () => {
  const arenaOf = (use: GatedUse, down: DType, splitParts: 1 | 2 | null = null) => {
    const limits = { maxTokens: 64, maxSequences: 1, maxOutputs: 64, maxContextTokens: 64 };
    const program = gatedProgram(gatedWeights('q8_0', down, 768), use);
    return lowerProgram(program, limits, [], (ref) => (ref.name === 'down' ? down : 'q8_0'), splitParts).arenaBytes;
  };
  // Two rows of 768 floats for the products; one where they stay, and their activation as well if it is quantised or split at once.
  expect(arenaOf('joined', 'f32')).toBeLessThanOrEqual(arenaOf('read', 'f32') - 64 * 768 * 4);
  expect(arenaOf('joined', 'q8_0')).toBeLessThanOrEqual(arenaOf('read', 'q8_0') - 2 * 64 * 768 * 4);
  for (const parts of [1, 2] as const) {
    expect(arenaOf('joined', 'bf16', parts)).toBeLessThanOrEqual(arenaOf('read', 'bf16', parts) - 2 * 64 * 768 * 4);
  }
});
