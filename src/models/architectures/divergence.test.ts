// What quantised arithmetic costs: divergence of the CPU backend's next-token distributions from the reference backend
// on the dequantised weights, for every dtype.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WeightSource } from '../../backends/backend.ts';
import { createReferenceBackend } from '../../backends/reference/index.ts';
import { cpuBackendForTests } from '../../backends/testing/cpu-backend.ts';
import { createMemoryWeights, type MemoryWeight, randomWeight } from '../../backends/testing/memory-weights.ts';
import { runSequence } from '../../backends/testing/run-sequence.ts';
import type { Program } from '../../program/program.ts';
import { createRandom } from '../../random/random.ts';
import { dtypeNames } from '../../tensor/index.ts';
import { openModel } from '../open-model.ts';
import { synthesizeGguf } from '../synth/index.ts';
import { bundledModelPath } from '../testing/bundled-model.ts';
import { compareLogits } from '../testing/compare-logits.ts';

const tokenIds = Array.from({ length: 96 }, (_, i) => (i * 131) % 500);
const cpu = cpuBackendForTests();

/** Mean over positions of KL(reference || ours), natural logarithm. */
function meanDivergence(reference: Float32Array, ours: Float32Array, vocabSize: number): number {
  const { divergenceSum, rows } = compareLogits(reference, ours, vocabSize);
  return divergenceSum / rows;
}

describe.skipIf(cpu.skipReason)('divergence of the CPU backend', () => {
  let folder: string;
  let program: Program;
  let norms: WeightSource;
  const measured: string[] = [];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'octavo-divergence-'));
    const path = join(folder, 'tiny.gguf');
    await synthesizeGguf({ shape: 'tiny-llama', dtype: 'f32', path, seed: 1 });
    const model = await openModel(path);
    program = model.program;
    norms = model.weights;
  });
  afterAll(async () => {
    console.log(`mean KL divergence from the reference on the dequantised weights\n${measured.join('\n')}`);
    await norms.close();
    await rm(folder, { recursive: true });
  });

  it.each(dtypeNames)('%s stays under 1e-3', async (dtype) => {
    const random = createRandom(21);
    const tensors: Record<string, MemoryWeight> = {};
    for (const { name, rows, columns } of program.weights) {
      if (rows === 1) {
        const bytes = new Uint8Array(columns * 4);
        await norms.read(name, 0, bytes);
        tensors[name] = { dtype: 'f32', rows, columns, bytes };
      } else tensors[name] = randomWeight(dtype, rows, columns, random, 3 / Math.sqrt(columns));
    }
    const weights = createMemoryWeights(tensors);
    const reference = await runSequence(createReferenceBackend(), program, { weights, tokenIds });
    const backend = cpu.create({ threads: 2 });
    try {
      const ours = await runSequence(backend, program, { weights, tokenIds });
      const divergence = meanDivergence(reference, ours, program.vocabSize);
      measured.push(`${dtype} ${divergence.toExponential(2)}`);
      expect(divergence).toBeLessThan(1e-3);
    } finally {
      await backend.close();
    }
  });

  it('the bundled model stays under 1e-3 on its own kind of text', async () => {
    const model = await openModel(bundledModelPath());
    const backend = cpu.create({ threads: 2 });
    try {
      const { program, weights } = model;
      const story =
        'Once upon a time, there was a little girl named Anna. One morning, she went to the river with her dog. ';
      const ids = (await model.createTokenizer()).encode(story.repeat(2));
      const reference = await runSequence(createReferenceBackend(), program, { weights, tokenIds: ids });
      const ours = await runSequence(backend, program, { weights, tokenIds: ids });
      const divergence = meanDivergence(reference, ours, program.vocabSize);
      measured.push(`bundled model, Q8_0 ${divergence.toExponential(2)}`);
      expect(divergence).toBeLessThan(1e-3);
    } finally {
      await backend.close();
      await model.close();
    }
  });
});
