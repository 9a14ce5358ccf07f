// Weights that want the same input in different forms (in floats, quantised for 32 columns, with sums of 16, or for blocks of 256) each get their own.

import { afterAll, expect, it } from 'vitest';
import { createProgramBuilder } from '../../program/builder.ts';
import { createRandom } from '../../random/random.ts';
import type { DType } from '../../tensor/index.ts';
import { randomWeight } from '../testing/memory-weights.ts';
import { expectSameBits } from '../testing/same-bits.ts';
import { createCpuBackend } from './index.ts';
import { describeInstructionSets } from './testing/instruction-sets.ts';
import { compileLinear } from './testing/linear-model.ts';
import { compileRows } from './testing/row-model.ts';

const outputs = 40;
const columns = 512;
const tableRows = [3, 1, 39, 17, 5, 5, 22, 8, 30, 2, 11, 38, 0, 27, 19, 6, 33, 21];

describeInstructionSets('forms of an input', (isa) => {
  const backend = createCpuBackend({ threads: 2, isa });
  afterAll(() => backend.close());

  it.each<{ dtypes: DType[] }>([
    { dtypes: ['q4_k', 'q4_k', 'q6_k'] },
    { dtypes: ['q6_k', 'q2_k', 'q3_k', 'q4_0'] },
    { dtypes: ['f32', 'q3_k', 'bf16', 'q8_0'] },
  ])('$dtypes over one input have the bits that each has alone', async ({ dtypes }) => {
    const random = createRandom(dtypes.length);
    const table = randomWeight('f32', outputs, columns, random);
    const weights = dtypes.map((dtype) => randomWeight(dtype, outputs, columns, random));

    const sum = new Float32Array(tableRows.length * outputs);
    for (const weight of weights) {
      const alone = await compileLinear(backend, weight, table);
      (await alone.run(tableRows)).forEach((value, i) => {
        sum[i] += value;
      });
      await alone.executable.close();
    }

    const b = createProgramBuilder({
      vocabSize: outputs,
      hiddenSize: columns,
      layerCount: 1,
      kvHeadCount: 1,
      headSize: 1,
    });
    const input = b.embed(b.weight('table', outputs, columns));
    const [first, ...others] = weights.map((_, i) => b.linear(input, b.weight(`weight${i}`, outputs, columns)));
    for (const other of others) b.add(first, other);
    const named = Object.fromEntries(weights.map((weight, i) => [`weight${i}`, weight]));
    const together = await compileRows(backend, b.finish(b.selectOutputs(first)), { table, ...named }, 32);
    const actual = await together.run(tableRows);
    expect(actual.some((value) => value !== 0)).toBe(true);
    expectSameBits(actual, sum);
    await together.executable.close();
  });
});
