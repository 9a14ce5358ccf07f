// Products on the tiles of AMX: what they compute, and bits that do not depend on the number of rows or where a row lies.

import { afterAll, describe, expect, it } from 'vitest';
import { createRandom } from '../../random/random.ts';
import { type DType, dtypeGeometry, dtypeNames } from '../../tensor/index.ts';
import { randomWeight, weightRow } from '../testing/memory-weights.ts';
import { isQuantized } from './encoding.ts';
import { availableInstructionSets, createCpuBackend } from './index.ts';
import { compileLinear } from './testing/linear-model.ts';

const hasAmx = availableInstructionSets().includes('amx');
const mostRows = 70;
/** Their weights are rounded to f32 twice, and so now and then to the neighbour of the nearest bf16. */
const withMinimum: readonly DType[] = ['q4_1', 'q5_1', 'q2_k', 'q4_k', 'q5_k'];

/** To the nearest bf16, ties to even. */
function toBf16(values: Float32Array): Float32Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const rounded = bits.map((it) => (it + 0x7fff + ((it >>> 16) & 1)) & 0xffff0000);
  return new Float32Array(rounded.buffer);
}

describe.skipIf(!hasAmx)('products on AMX', () => {
  const made = hasAmx ? [1, 3].map((threads) => createCpuBackend({ threads, isa: 'amx' })) : [];
  afterAll(async () => {
    for (const backend of made) await backend.close();
  });

  async function expectEqualBits(dtype: DType, rows: number, columns: number, rowCounts: readonly number[]) {
    const random = createRandom(rows * 7919 + columns);
    const weight = randomWeight(dtype, rows, columns, random);
    const table = randomWeight('f32', rows, columns, random, 2);
    const models = await Promise.all(made.map((backend) => compileLinear(backend, weight, table, mostRows)));
    const alone: Float32Array[] = [];
    for (let row = 0; row < rows; row++) alone.push(await models[0].run([row]));
    expect(alone.every((outputs) => outputs.some((value) => value !== 0))).toBe(true);
    for (const rowCount of rowCounts) {
      const tableRows = Array.from({ length: rowCount }, () => Math.floor(random() * rows));
      for (const model of models) {
        const outputs = await model.run(tableRows);
        for (const [t, tableRow] of tableRows.entries()) {
          const own = outputs.slice(t * rows, (t + 1) * rows);
          expect(Buffer.from(own.buffer).equals(Buffer.from(alone[tableRow].buffer)), `row ${t} of ${rowCount}`).toBe(
            true,
          );
        }
      }
    }
    for (const model of models) await model.executable.close();
  }

  const quantized = dtypeNames.filter(isQuantized);
  const everyCount = Array.from({ length: mostRows }, (_, i) => i + 1);

  it.each(quantized)('%s: a row has the same bits among 1 to 70', async (dtype) => {
    await expectEqualBits(dtype, 45, dtypeGeometry[dtype].blockElements === 256 ? 768 : 544, everyCount);
  });

  // Few and odd numbers of units, panels that are not full, several blocks of units.
  it.each(quantized)('%s: a row has the same bits in other shapes', async (dtype) => {
    const unit = dtypeGeometry[dtype].blockElements;
    for (const units of unit === 256 ? [1, 2, 5] : [1, 2, 3, 16, 33]) {
      for (const rows of [1, 32, 100])
        await expectEqualBits(dtype, rows, units * unit, [9, 15, 16, 17, 31, 33, 48, 63]);
    }
  });

  it.each(quantized)('%s: products are those of weights and rows rounded to bf16', async (dtype) => {
    const columns = 768;
    const random = createRandom(23);
    const weight = randomWeight(dtype, 40, columns, random);
    const table = randomWeight('f32', 40, columns, random, 3);
    const model = await compileLinear(made[1], weight, table, mostRows);
    const tableRows = Array.from({ length: 37 }, (_, i) => i);
    const actual = await model.run(tableRows);
    for (const tableRow of tableRows) {
      const inputs = toBf16(weightRow(table, tableRow));
      for (let output = 0; output < weight.rows; output++) {
        const weights = toBf16(weightRow(weight, output));
        let exact = 0;
        let termSum = 0;
        let largest = 0;
        for (let i = 0; i < columns; i++) {
          const term = weights[i] * inputs[i];
          exact += term;
          termSum += Math.abs(term);
          largest = Math.max(largest, Math.abs(term));
        }
        const bound = 1e-6 * termSum + (withMinimum.includes(dtype) ? 4 * largest * 2 ** -7 : 0);
        const error = Math.abs(actual[tableRow * weight.rows + output] - exact);
        expect(error, `row ${tableRow}, output ${output}`).toBeLessThanOrEqual(bound);
      }
    }
    await model.executable.close();
  });
});
