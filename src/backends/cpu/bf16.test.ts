// Products of BF16 weights by pairs, with vdpbf16ps those of rounded activations and on AMX those of split ones: the same bits whatever the number of rows, and rows
// of paired panels as they were stored.

import { afterAll, describe, expect, it } from 'vitest';
import { createRandom } from '../../random/random.ts';
import { bf16ToNumber, dequantizeRow, numberToBf16, rowBytes } from '../../tensor/index.ts';
import { type MemoryWeight, randomWeight } from '../testing/memory-weights.ts';
import { expectSameBits } from '../testing/same-bits.ts';
import { loadAddon } from './addon.ts';
import { availableInstructionSets, createCpuBackend } from './index.ts';
import { compileLinear } from './testing/linear-model.ts';

const available = availableInstructionSets();
const rounded = (value: number) => bf16ToNumber(numberToBf16(value));
/** What activations become, and the largest error beside that, relative to the sum of all terms' absolute values. */
const ways = [
  { isa: 'avx512bf16', taken: rounded, error: 1e-6 },
  { isa: 'amx', taken: (value: number) => value, error: 2 ** -16 },
] as const;

function rowOf({ dtype, columns, bytes }: MemoryWeight, row: number): Float32Array {
  const values = new Float32Array(columns);
  const stride = rowBytes(dtype, columns);
  dequantizeRow(dtype, bytes.subarray(row * stride, (row + 1) * stride), values);
  return values;
}

describe.each(ways)('products of BF16 weights in pairs, $isa', ({ isa, taken, error }) => {
  const isThere = available.includes(isa);
  const backends = isThere ? [1, 2, 3].map((threads) => createCpuBackend({ threads, isa })) : [];
  afterAll(async () => {
    for (const backend of backends) await backend.close();
  });

  // Odd columns, several pieces of columns, panels that are not full, and activations that are BF16 in paired panels themselves.
  it.skipIf(!isThere).each([
    [1, 1, 'f32'],
    [33, 17, 'f32'],
    [45, 333, 'f32'],
    [64, 512, 'f32'],
    [100, 770, 'bf16'],
    [70, 31, 'bf16'],
  ] as const)('%i x %i, activations from %s', async (rows, columns, dtype) => {
    const random = createRandom(rows * 7919 + columns);
    const weight = randomWeight('bf16', rows, columns, random);
    const table = randomWeight(dtype, rows, columns, random, 3);
    const models = await Promise.all(backends.map((backend) => compileLinear(backend, weight, table, 70)));
    const single: Float32Array[] = [];
    for (let row = 0; row < rows; row++) single.push(await models[0].run([row]));
    for (const [row, outputs] of single.entries()) {
      const inputs = rowOf(table, row).map(taken);
      for (let output = 0; output < rows; output++) {
        let exact = 0;
        let terms = 0;
        for (const [i, value] of rowOf(weight, output).entries()) {
          exact += value * inputs[i];
          terms += Math.abs(value * inputs[i]);
        }
        expect(Math.abs(outputs[output] - exact), `row ${row}, output ${output}`).toBeLessThanOrEqual(error * terms);
      }
    }
    for (const count of [2, 5, 11, 12, 13, 24, 25, 37, 70]) {
      const tableRows = Array.from({ length: count }, (_, i) => (i * 7 + count) % rows);
      const wanted = Buffer.concat(tableRows.map((row) => Buffer.from(single[row].buffer)));
      for (const model of models) {
        expectSameBits(new Uint8Array((await model.run(tableRows)).buffer), wanted, `${count} rows`);
      }
    }
    for (const model of models) await model.executable.close();
  });

  it.skipIf(!isThere)('show an activation that is not finite in every output', async () => {
    const [rows, columns] = [40, 70];
    const weight = randomWeight('bf16', rows, columns, createRandom(1));
    const table = randomWeight('f32', rows, columns, createRandom(2));
    const values = new Float32Array(table.bytes.buffer, table.bytes.byteOffset, rows * columns);
    values[3 * columns + 69] = Number.POSITIVE_INFINITY;
    values[4 * columns] = Number.NaN;
    const model = await compileLinear(backends[0], weight, table, 8);
    const outputs = await model.run([2, 3, 4, 5]);
    for (const [i, value] of outputs.entries()) {
      expect(Number.isFinite(value), `output ${i}`).toBe(i < rows || i >= 3 * rows);
    }
    await model.executable.close();
  });
});

it('rounds activations unasked only where the processor is known to be faster at that', async () => {
  const backend = createCpuBackend({ threads: 1 });
  const isChosen = backend.description.includes('avx512bf16');
  expect(isChosen).toBe(loadAddon().prefersBf16Dots() && !available.includes('amx'));
  await backend.close();
});
