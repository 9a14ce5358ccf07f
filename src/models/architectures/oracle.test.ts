// Every architecture against Hugging Face transformers: logits of tiny random models, from both file formats, on every backend.

import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend } from '../../backends/backend.ts';
import { availableInstructionSets, createCpuBackend } from '../../backends/cpu/index.ts';
import { createReferenceBackend } from '../../backends/reference/index.ts';
import { relativeError } from '../../backends/testing/relative-error.ts';
import { runSequence } from '../../backends/testing/run-sequence.ts';
import type { ModelConfig } from '../model.ts';
import { openModel } from '../open-model.ts';
import { architectures, buildProgram } from './index.ts';

const fixtures = fileURLToPath(new URL('../../../test/fixtures/oracle/', import.meta.url));
const cases = readdirSync(fixtures)
  .filter((name) => existsSync(`${fixtures}${name}/expected.json`))
  .sort();

/** Largest |difference| allowed, relative to the largest |logit|: what the project promises is 1e-4. */
const tolerance = 2e-5;
/** Where activations are rounded to bf16 beside BF16 weights: as much as int8 activations may cost (backend.conformance.ts). */
const roundedTolerance = 2e-2;

/** Formats in which a case is there: GGUF cannot say every configuration. */
function formatsOf(name: string): readonly ('gguf' | 'safetensors')[] {
  return existsSync(`${fixtures}${name}/model.gguf`) ? ['gguf', 'safetensors'] : ['safetensors'];
}

function pathOf(name: string, format = formatsOf(name)[0]): string {
  return `${fixtures}${name}${format === 'gguf' ? '/model.gguf' : ''}`;
}

interface Expected {
  readonly architecture: string;
  readonly vocabSize: number;
  readonly tokenIds: readonly number[];
  readonly positions: readonly number[];
}

async function readExpected(name: string): Promise<Expected & { readonly logits: Float32Array }> {
  const expected = JSON.parse(await readFile(`${fixtures}${name}/expected.json`, 'utf8')) as Expected;
  const bytes = await readFile(`${fixtures}${name}/logits.f32`);
  const logits = Float32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(i * 4));
  return { ...expected, logits };
}

const measured: string[] = [];
afterAll(() => {
  console.log(`largest relative error of logits against transformers\n${measured.join('\n')}`);
});

function oracleSuite(backendName: string, createBackend: () => Backend | Promise<Backend>): void {
  describe(`logits on the ${backendName} backend`, () => {
    let backend: Backend;
    beforeAll(async () => {
      backend = await createBackend();
    });
    afterAll(() => backend.close());

    it.each(cases)('are the same bits for %s in chunks and blocks of any size', async (name) => {
      const { tokenIds, positions } = await readExpected(name);
      const model = await openModel(pathOf(name));
      try {
        const run = { weights: model.weights, tokenIds, outputs: positions };
        const whole = await runSequence(backend, model.program, run);
        for (const [chunkTokens, blockSize] of [
          [1, 16],
          [7, 4],
          [20, 32],
        ]) {
          const chunked = await runSequence(backend, model.program, { ...run, chunkTokens, blockSize });
          expect(Buffer.from(chunked.buffer).equals(Buffer.from(whole.buffer))).toBe(true);
        }
      } finally {
        await model.close();
      }
    });

    for (const name of cases) {
      for (const format of formatsOf(name)) {
        it(`equal transformers' for ${name} from ${format}`, async () => {
          const expected = await readExpected(name);
          const model = await openModel(pathOf(name, format));
          try {
            expect(model).toMatchObject({
              format,
              config: { architecture: expected.architecture, vocabSize: expected.vocabSize },
            });
            const logits = await runSequence(backend, model.program, {
              weights: model.weights,
              tokenIds: expected.tokenIds,
              outputs: expected.positions,
            });
            const error = relativeError(logits, expected.logits);
            measured.push(`${backendName} ${name} ${format} ${error.toExponential(2)}`);
            const isRounded = backendName.includes('avx512bf16') && name === 'llama-linear-half';
            expect(error).toBeLessThan(isRounded ? roundedTolerance : tolerance);
          } finally {
            await model.close();
          }
        });
      }
    }
  });
}

oracleSuite('reference', createReferenceBackend);

const instructionSets = availableInstructionSets();
for (const isa of instructionSets) oracleSuite(`cpu ${isa}`, () => createCpuBackend({ threads: 2, isa }));
if (instructionSets.length === 0) {
  describe('logits on the cpu backend', () => {
    it.skip('are not compared: the native addon is not built', () => {});
  });
}

/** What a careless reader of each model would get wrong. */
const mistakes: readonly [string, string, Partial<ModelConfig>][] = [
  ['the other rope layout', 'llama2', { ropeLayout: 'half' }],
  ['the other rope layout', 'qwen2', { ropeLayout: 'interleaved' }],
  ['no rope scaling', 'llama3', { ropeScaling: { kind: 'none' } }],
  ['no rope scaling', 'llama-linear-half', { ropeScaling: { kind: 'none' } }],
  ['tied embeddings', 'llama2', { tiedEmbeddings: true }],
  ['no window', 'mistral', { slidingWindow: null }],
  ['a window one longer', 'mistral', { slidingWindow: 14 }],
  ['a window in every layer', 'qwen2-hybrid', { fullAttentionLayers: [] }],
  ['a window in other layers', 'qwen2-hybrid', { fullAttentionLayers: [1] }],
  ['no window', 'qwen2-hybrid', { slidingWindow: null }],
  ['the window in the other layers', 'qwen3-hybrid', { fullAttentionLayers: [0, 2] }],
  ['rope in every layer', 'smollm3', { noRopeLayers: [] }],
  ['no q and k norms', 'qwen3', { architecture: 'llama' }],
  ['another epsilon', 'qwen3', { normEpsilon: 1e-3 }],
];

describe('the oracle', () => {
  it('has a model of every architecture', async () => {
    const covered = await Promise.all(cases.map(readExpected));
    const names = architectures.map(({ name }) => name);
    expect(new Set(covered.map(({ architecture }) => architecture))).toEqual(new Set(names));
  });

  it.each(mistakes)('notices %s in %s', async (_, name, change) => {
    const expected = await readExpected(name);
    const model = await openModel(pathOf(name));
    try {
      const logits = await runSequence(createReferenceBackend(), buildProgram({ ...model.config, ...change }), {
        weights: model.weights,
        tokenIds: expected.tokenIds,
        outputs: expected.positions,
      });
      expect(relativeError(logits, expected.logits)).toBeGreaterThan(100 * tolerance);
    } finally {
      await model.close();
    }
  });
});
