// Products of every weight type: error against exact arithmetic, and bits that depend on nothing but the row.

import { afterAll, expect, it } from 'vitest';
import { createRandom } from '../../random/random.ts';
import { type DType, dequantizeRow, dtypeGeometry, dtypeNames, rowBytes } from '../../tensor/index.ts';
import type { Backend } from '../backend.ts';
import { type MemoryWeight, randomWeight } from '../testing/memory-weights.ts';
import { expectSameBits } from '../testing/same-bits.ts';
import { needsQuantizedInput, quantizationOf } from './encoding.ts';
import { createCpuBackend, type InstructionSet } from './index.ts';
import { describeInstructionSets } from './testing/instruction-sets.ts';
import { compileHead, compileLinear } from './testing/linear-model.ts';

function rowOf(weight: MemoryWeight, row: number): Float32Array {
  const bytes = rowBytes(weight.dtype, weight.columns);
  const values = new Float32Array(weight.columns);
  dequantizeRow(weight.dtype, weight.bytes.subarray(row * bytes, (row + 1) * bytes), values);
  return values;
}

/**
 * What rounding may add: half a step (largest / 127 / 2) for each activation of a block where activations are
 * quantised, and a few f32 roundings of the terms.
 */
function errorBound(dtype: DType, weights: Float32Array, inputs: Float32Array): number {
  const block = quantizationOf(dtype) === 'blocks' ? 256 : 32;
  let bound = 0;
  for (let first = 0; first < weights.length; first += block) {
    let largest = 0;
    let weightSum = 0;
    let termSum = 0;
    for (let i = first; i < Math.min(first + block, weights.length); i++) {
      largest = Math.max(largest, Math.abs(inputs[i]));
      weightSum += Math.abs(weights[i]);
      termSum += Math.abs(weights[i] * inputs[i]);
    }
    if (needsQuantizedInput(dtype)) bound += (largest / 254) * 1.0001 * weightSum;
    bound += 1e-6 * termSum;
  }
  return bound;
}

/** What rounding activations to bf16 adds: 2^-8 of each term, where BF16 weights are multiplied by pairs. */
function roundingBound(isa: InstructionSet, dtype: DType, weights: Float32Array, inputs: Float32Array): number {
  if (isa !== 'avx512bf16' || dtype !== 'bf16') return 0;
  return weights.reduce((sum, weight, i) => sum + Math.abs(weight * inputs[i]), 0) * 2 ** -8 * 1.01;
}

const backends: Backend[] = [];
function openBackend(threads: number, isa: InstructionSet): Backend {
  const backend = createCpuBackend({ threads, isa });
  backends.push(backend);
  return backend;
}
afterAll(async () => {
  for (const backend of backends) await backend.close();
});

describeInstructionSets('linear', (isa) => {
  const byThreads = [1, 2, 4].map((threads) => openBackend(threads, isa));

  it.each(dtypeNames)('%s stays within the rounding of its arithmetic', async (dtype) => {
    const { blockElements } = dtypeGeometry[dtype];
    const columns = blockElements === 256 ? 768 : blockElements === 32 ? 352 : 333;
    const random = createRandom(11);
    const weight = randomWeight(dtype, 45, columns, random);
    const table = randomWeight('f32', 45, columns, random, 3);
    const model = await compileLinear(byThreads[1], weight, table);
    const tableRows = Array.from({ length: 21 }, (_, i) => (i * 7) % 45);
    const actual = await model.run(tableRows);
    for (const [t, tableRow] of tableRows.entries()) {
      const inputs = rowOf(table, tableRow);
      for (let output = 0; output < weight.rows; output++) {
        const values = rowOf(weight, output);
        const exact = values.reduce((sum, value, i) => sum + value * inputs[i], 0);
        const error = Math.abs(actual[t * weight.rows + output] - exact);
        const bound = errorBound(dtype, values, inputs) + roundingBound(isa, dtype, values, inputs);
        expect(error, `row ${t}, output ${output}`).toBeLessThanOrEqual(bound);
      }
    }
    await model.executable.close();
  });

  it.each(dtypeNames)(
    '%s gives a row the same bits among 1 to 40 and 400 rows, at any offset, on 1, 2 and 4 threads',
    async (dtype) => {
      const { blockElements } = dtypeGeometry[dtype];
      const columns = blockElements === 256 ? 512 : blockElements === 32 ? 416 : 301;
      const random = createRandom(13);
      const weight = randomWeight(dtype, 75, columns, random);
      const table = randomWeight('f32', 75, columns, random);
      const models = await Promise.all(byThreads.map((backend) => compileLinear(backend, weight, table, 400)));
      const alone: Float32Array[] = [];
      for (let row = 0; row < table.rows; row++) alone.push(await models[0].run([row]));
      // The last: more tiles than take turns or are fetched for.
      for (const rowCount of [...Array.from({ length: 40 }, (_, i) => i + 1), 400]) {
        const tableRows = Array.from({ length: rowCount }, () => Math.floor(random() * table.rows));
        const outputs = await models[rowCount % models.length].run(tableRows);
        const wanted = tableRows.flatMap((row) => [...alone[row]]);
        expect([...outputs], `${rowCount} rows`).toEqual(wanted);
      }
      for (const model of models) await model.executable.close();
    },
  );

  // From 1 MiB on some sets store logits past the caches, but for a last panel that is not whole and rows that do not begin a line.
  it.each(['f32', 'f16', 'bf16', 'q8_0', 'q4_0', 'q6_k'] as const)(
    '%s gives a row the same logits among so many that they are stored another way',
    async (dtype) => {
      const random = createRandom(23);
      for (const outputs of [4112, 4099]) {
        const weight = randomWeight(dtype, outputs, 256, random);
        const table = randomWeight('f32', 16, 256, random);
        const models = await Promise.all(byThreads.map((backend) => compileHead(backend, weight, table, 80)));
        const tableRows = Array.from({ length: 80 }, (_, i) => (i * 5) % table.rows);
        expect(tableRows.length * outputs * 4).toBeGreaterThan(2 ** 20);
        const wanted: Float32Array[] = [];
        for (let row = 0; row < table.rows; row++) wanted.push(await models[0].run([row]));
        for (const model of models) {
          const logits = await model.run(tableRows);
          for (const [i, row] of tableRows.entries()) {
            expectSameBits(logits.subarray(i * outputs, (i + 1) * outputs), wanted[row], `row ${i} of ${outputs}`);
          }
          await model.executable.close();
        }
      }
    },
  );

  it('lets a value that is not finite reach every output of its row, and no other row', async () => {
    const random = createRandom(17);
    const weight = randomWeight('q8_0', 33, 64, random);
    const table = randomWeight('f32', 33, 64, random);
    new Float32Array(table.bytes.buffer)[64 * 2 + 40] = Number.POSITIVE_INFINITY;
    const model = await compileLinear(byThreads[1], weight, table);
    const outputs = await model.run([1, 2, 3]);
    expect(outputs.subarray(33, 66).some(Number.isFinite)).toBe(false);
    expect(outputs.subarray(0, 33).every(Number.isFinite)).toBe(true);
    expect(outputs.subarray(66).every(Number.isFinite)).toBe(true);
    await model.executable.close();
  });
});
