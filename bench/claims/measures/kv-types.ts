// What 8-bit KV costs and saves, on held-out text and the bundled model.

import { readFileSync } from 'node:fs';
import { createCpuBackend } from '../../../src/backends/cpu/index.ts';
import { runSequence } from '../../../src/backends/testing/run-sequence.ts';
import { openModel } from '../../../src/models/open-model.ts';
import { compareLogits } from '../../../src/models/testing/compare-logits.ts';
import type { KvDType } from '../../../src/tensor/kv-dtype.ts';
import { progress } from '../../common/progress.ts';

export interface KvTypeCost {
  readonly dtype: KvDType;
  /** Mean KL divergence from f16, nats. */
  readonly divergence: number;
  /** Share of positions whose likeliest token is f16's. */
  readonly agreement: number;
  readonly positions: number;
}

export async function measureKvTypes(modelPath: string, dtypes: readonly KvDType[]): Promise<KvTypeCost[]> {
  const documents = readFileSync(new URL('../../../test/fixtures/heldout/documents.jsonl', import.meta.url), 'utf8');
  const model = await openModel(modelPath);
  const backend = createCpuBackend({ threads: 2 });
  try {
    const { program, weights } = model;
    const tokenizer = await model.createTokenizer();
    const texts = documents
      .trim()
      .split('\n')
      .map((line) => tokenizer.encode((JSON.parse(line) as { text: string }).text));
    const costs: KvTypeCost[] = [];
    for (const dtype of dtypes) {
      progress(`KV types: ${dtype}`);
      let divergence = 0;
      let agreed = 0;
      let positions = 0;
      for (const tokenIds of texts) {
        const wanted = await runSequence(backend, program, { weights, tokenIds, keyDType: 'f16', valueDType: 'f16' });
        const ours = await runSequence(backend, program, { weights, tokenIds, keyDType: dtype, valueDType: dtype });
        const compared = compareLogits(wanted, ours, program.vocabSize);
        divergence += compared.divergenceSum;
        agreed += compared.agreed;
        positions += compared.rows;
      }
      costs.push({ dtype, divergence: divergence / positions, agreement: agreed / positions, positions });
    }
    return costs;
  } finally {
    await backend.close();
    await model.close();
  }
}
