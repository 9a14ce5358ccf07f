// Products on the tiles of AMX give the bits of the vector kernels, whatever the number of rows and wherever a row lies.

import { afterAll, describe, expect, it } from 'vitest';
import { createRandom } from '../../random/random.ts';
import { type DType, dtypeGeometry, dtypeNames } from '../../tensor/index.ts';
import { randomWeight } from '../testing/memory-weights.ts';
import { expectSameBits } from '../testing/same-bits.ts';
import { needsQuantizedInput } from './encoding.ts';
import { availableInstructionSets, createCpuBackend } from './index.ts';
import { compileLinear } from './testing/linear-model.ts';

const hasAmx = availableInstructionSets().includes('amx');
const mostRows = 70;

describe.skipIf(!hasAmx)('products on AMX', () => {
  const made = hasAmx
    ? (['avx512', 'amx', 'amx'] as const).map((isa, i) => createCpuBackend({ threads: [1, 1, 3][i], isa }))
    : [];
  afterAll(async () => {
    for (const backend of made) await backend.close();
  });

  async function expectEqualBits(dtype: DType, rows: number, columns: number, rowCounts: readonly number[]) {
    const random = createRandom(rows * 7919 + columns);
    const weight = randomWeight(dtype, rows, columns, random);
    const table = randomWeight('f32', rows, columns, random, 2);
    const models = await Promise.all(made.map((backend) => compileLinear(backend, weight, table, mostRows)));
    for (const rowCount of rowCounts) {
      const tableRows = Array.from({ length: rowCount }, () => Math.floor(random() * rows));
      const [wanted, ...others] = await Promise.all(models.map((model) => model.run(tableRows)));
      expect(wanted.some((value) => value !== 0)).toBe(true);
      for (const outputs of others) {
        expectSameBits(outputs, wanted, `${rowCount} rows`);
      }
    }
    for (const model of models) await model.executable.close();
  }

  const quantized = dtypeNames.filter(needsQuantizedInput);
  const everyCount = Array.from({ length: mostRows }, (_, i) => i + 1);

  it.each(quantized)('%s: 1 to 70 rows have the bits of AVX-512', async (dtype) => {
    await expectEqualBits(dtype, 45, dtypeGeometry[dtype].blockElements === 256 ? 768 : 544, everyCount);
  });

  // Few and odd numbers of units, panels that are not full, several chunks of units, several panels at once.
  it.each(quantized)('%s: other shapes have the bits of AVX-512', async (dtype) => {
    const unit = dtypeGeometry[dtype].blockElements;
    for (const units of unit === 256 ? [1, 2, 5] : [1, 2, 3, 16, 17, 18, 28, 29, 33]) {
      for (const rows of [1, 32, 100, 300])
        await expectEqualBits(dtype, rows, units * unit, [9, 15, 16, 27, 32, 33, 48, 63]);
    }
  });
});
