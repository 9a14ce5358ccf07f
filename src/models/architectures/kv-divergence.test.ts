// What a KV type costs: divergence of the bundled model's next-token distributions on held-out text from those with f16.

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend } from '../../backends/backend.ts';
import { cpuBackendForTests } from '../../backends/testing/cpu-backend.ts';
import { runSequence } from '../../backends/testing/run-sequence.ts';
import { agingProgram } from '../../program/aging.ts';
import type { KvDType } from '../../tensor/kv-dtype.ts';
import { type OpenedModel, openModel } from '../open-model.ts';
import { bundledModelPath } from '../testing/bundled-model.ts';
import { compareLogits } from '../testing/compare-logits.ts';

const cpu = cpuBackendForTests();
const documents = readFileSync(new URL('../../../test/fixtures/heldout/documents.jsonl', import.meta.url), 'utf8');

describe.skipIf(cpu.skipReason)('divergence of KV types from f16', () => {
  let model: OpenedModel;
  let backend: Backend;
  let texts: readonly (readonly number[])[];
  let wanted: Float32Array[];
  const measured: string[] = [];

  const logitsOf = (tokenIds: readonly number[], keyDType: KvDType, valueDType: KvDType) =>
    runSequence(backend, model.program, { weights: model.weights, tokenIds, keyDType, valueDType });

  beforeAll(async () => {
    model = await openModel(bundledModelPath());
    backend = cpu.create({ threads: 2 });
    const tokenizer = await model.createTokenizer();
    texts = documents
      .trim()
      .split('\n')
      .map((line) => tokenizer.encode((JSON.parse(line) as { text: string }).text));
    wanted = [];
    for (const tokenIds of texts) wanted.push(await logitsOf(tokenIds, 'f16', 'f16'));
  });
  afterAll(async () => {
    console.log(`divergence from f16 KV on held-out text\n${measured.join('\n')}`);
    await backend.close();
    await model.close();
  });

  /** Against f16, of next-token distributions over all texts. */
  async function measure(label: string, logits: (tokenIds: readonly number[]) => Promise<Float32Array>) {
    const { vocabSize } = model.program;
    let divergence = 0;
    let agreed = 0;
    let rows = 0;
    for (const [i, tokenIds] of texts.entries()) {
      const ours = await logits(tokenIds);
      const compared = compareLogits(wanted[i], ours, vocabSize);
      divergence += compared.divergenceSum;
      agreed += compared.agreed;
      rows += compared.rows;
    }
    measured.push(
      `${label}: mean KL ${(divergence / rows).toExponential(2)}, top-1 ${((100 * agreed) / rows).toFixed(2)} % of ${rows}`,
    );
    return { divergence: divergence / rows, agreement: agreed / rows };
  }

  it.each([16, 64, 128])('int8 but for the last %i tokens', async (recentTokens) => {
    const { layerCount } = model.program;
    const program = agingProgram(model.program, { recentTokens, sinkTokens: 4 });
    const { divergence, agreement } = await measure(`int8, f16 for ${recentTokens} recent tokens`, (tokenIds) =>
      runSequence(backend, program, {
        weights: model.weights,
        tokenIds,
        keyDType: 'int8',
        valueDType: 'int8',
        otherPools: [{ layerCount, keyDType: 'f16', valueDType: 'f16' }],
      }),
    );
    expect(divergence).toBeLessThan(1e-3);
    expect(agreement).toBeGreaterThan(0.99);
  });

  it.each<[KvDType, KvDType, number, number]>([
    ['f32', 'f32', 5e-4, 0.99],
    ['bf16', 'bf16', 5e-4, 0.99],
    ['int8', 'int8', 1e-3, 0.99],
    ['fp8_e4m3', 'fp8_e4m3', 2e-3, 0.985],
    ['fp8_e5m2', 'fp8_e5m2', 6e-3, 0.98],
    ['int8', 'int4', 4e-3, 0.98],
    ['int4', 'int4', 1.2e-2, 0.97],
  ])('%s/%s', async (keyDType, valueDType, mostDivergence, leastAgreement) => {
    const { divergence, agreement } = await measure(`${keyDType}/${valueDType}`, (tokenIds) =>
      logitsOf(tokenIds, keyDType, valueDType),
    );
    expect(divergence).toBeLessThan(mostDivergence);
    expect(agreement).toBeGreaterThan(leastAgreement);
  });
});
