// What every backend has to pick from its rows: to the bit what the rule of picks.ts, as reference/picks.ts writes it, picks.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BackendError } from '../errors/errors.ts';
import { createProgramBuilder } from '../program/builder.ts';
import type { Program } from '../program/program.ts';
import { createRandom } from '../random/random.ts';
import type { Backend, Executable } from './backend.ts';
import type { LogitEdits, TokenPick } from './picks.ts';
import { pickToken } from './reference/picks.ts';
import { createMemoryWeights } from './testing/memory-weights.ts';
import { expectSameBits } from './testing/same-bits.ts';
import { bindStep } from './testing/step.ts';

/** Rows by what is hard about them. Each makes one logit from its id. */
const rows: Record<string, (id: number, random: () => number) => number> = {
  flat: (_id, random) => normal(random),
  peaked: (_id, random) => 8 * normal(random),
  'very peaked': (id, random) => (id === 4242 % 1031 ? 400 : 20 * normal(random)),
  'all equal': () => 1.5,
  'few values': (_id, random) => Math.floor(4 * random()),
  'masked but for three': (id) => ([7, 700, 701].includes(id) ? -id / 1000 : Number.NEGATIVE_INFINITY),
  'huge and tiny': (_id, random) => (random() < 0.5 ? 3e38 : -3e38) * random(),
  'with NaN': (_id, random) => (random() < 0.1 ? Number.NaN : normal(random)),
  'nothing finite': (id) => (id % 2 === 0 ? Number.NaN : Number.NEGATIVE_INFINITY),
  'an infinity': (id, random) => (id === 99 ? Number.POSITIVE_INFINITY : normal(random)),
  descending: (id) => -id / 64,
};
const rowNames = Object.keys(rows);

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

const plain = { temperature: 0, topK: 0, topP: 1, minP: 0, uniform: 0, topCount: null, edits: null } as const;
const settings: readonly Partial<TokenPick>[] = [
  {},
  { topCount: 0 },
  { topCount: 20 },
  { topCount: 256 },
  { temperature: 1 },
  { temperature: 0.7, topCount: 5 },
  { temperature: 2, topP: 0.9 },
  { temperature: 1, topP: 0.999 },
  { temperature: 0.01, topP: 0.5 },
  { temperature: 1, topP: 1e-9 },
  { temperature: 1, topK: 1 },
  { temperature: 1, topK: 3, topP: 0.6 },
  { temperature: 0.8, topK: 40, topP: 0.95 },
  { temperature: 1, topK: 300, topCount: 2 },
  { temperature: 1.3, topK: 900, topP: 0.7, minP: 1e-4 },
  { temperature: 1, minP: 0.05 },
  { temperature: 1, minP: 1 },
  { temperature: 1e-300 },
];

/** Picks for one output row: every setting with several draws and, on every third, edits. */
function picksFor(outputIndex: number, vocabSize: number, random: () => number): TokenPick[] {
  return settings.flatMap((setting, s) =>
    [0, 0.3, random(), 1 - 2 ** -53].map((uniform, u) => ({
      ...plain,
      ...setting,
      outputIndex,
      uniform,
      edits: (s + u) % 3 === 0 ? editsFor(vocabSize, random) : null,
    })),
  );
}

function editsFor(vocabSize: number, random: () => number): LogitEdits {
  const ids = [...new Set(Array.from({ length: 12 }, () => Math.floor(random() * vocabSize)))];
  return {
    count: ids.length,
    ids: Int32Array.from(ids),
    factors: Float64Array.from(ids, () => 0.5 + random()),
    offsets: Float64Array.from(ids, (_, i) => (i === 3 ? Number.NEGATIVE_INFINITY : 3 * normal(random))),
  };
}

/** Runs the suite; `create` makes the backend under test. */
export function describePickConformance(name: string, create: () => Backend): void {
  describe(`picks: ${name}`, () => {
    let backend: Backend;
    beforeAll(() => {
      backend = create();
    });
    afterAll(() => backend.close());

    /** Compiles a program without attention over f32 weights, for steps of up to `maxTokens` tokens. */
    function compileRowwise(program: Program, weights: Record<string, Float32Array>, maxTokens: number) {
      const { headSize } = program;
      return backend.compile(program, {
        weights: createMemoryWeights(
          Object.fromEntries(
            program.weights.map(({ name, rows, columns }) => {
              return [name, { dtype: 'f32', rows, columns, bytes: new Uint8Array(weights[name].buffer) }];
            }),
          ),
        ),
        kv: { layerCount: 1, kvHeadCount: 1, headSize, blockSize: 16, keyDType: 'f32', valueDType: 'f32' },
        blockCount: Math.ceil(maxTokens / 16),
        limits: { maxTokens, maxSequences: 1, maxOutputs: maxTokens, maxContextTokens: maxTokens },
      });
    }

    /** A model whose logits for token t are row t: an f32 embedding table of all the rows. */
    async function compileRows(vocabSize: number): Promise<{ executable: Executable; table: Float32Array }> {
      const b = createProgramBuilder({
        vocabSize,
        hiddenSize: vocabSize,
        layerCount: 1,
        kvHeadCount: 1,
        headSize: vocabSize,
      });
      const random = createRandom(vocabSize);
      const table = Float32Array.from({ length: rowNames.length * vocabSize }, (_, i) =>
        rows[rowNames[Math.floor(i / vocabSize)]](i % vocabSize, random),
      );
      const program = b.finish(b.selectOutputs(b.embed(b.weight('embedding', rowNames.length, vocabSize))));
      return { executable: await compileRowwise(program, { embedding: table }, 16), table };
    }

    it.each([1031, 300, 7, 5000])(
      'by the rule, with %i tokens, and leaves the logits as they were',
      async (vocabSize) => {
        const { executable, table } = await compileRows(vocabSize);
        const random = createRandom(3);
        const tokenIds = [...rowNames.keys()].filter((row) => row < vocabSize);
        const picks = tokenIds.flatMap((row) => picksFor(row, vocabSize, random));
        const step = { ...bindStep([{ tokenIds, firstPosition: 0, blocks: [0] }], 16), picks };
        const { logits, picked } = await executable.execute(step);
        expectSameBits(logits, table.subarray(0, tokenIds.length * vocabSize));
        picks.forEach((pick, i) => {
          const { outputIndex } = pick;
          const row = table.slice(outputIndex * vocabSize, (outputIndex + 1) * vocabSize);
          expect(picked[i], `${rowNames[outputIndex]}: ${JSON.stringify(pick)}`).toEqual(pickToken(row, pick));
        });
        await executable.close();
      },
    );

    // From 1 MiB of logits on, a backend may find the largest of them while it computes the product.
    it.each([1, 2])('by the rule from the sum of %i heads, of many rows and a large vocabulary', async (heads) => {
      const [vocabSize, columns, rowCount] = [4112, 32, 72];
      expect(vocabSize * rowCount * 4).toBeGreaterThan(2 ** 20);
      const random = createRandom(29);
      const head = Float32Array.from({ length: vocabSize * columns }, () => normal(random));
      // Of every row: a logit that is no number, in spans with and without the largest, and a whole span of them.
      for (const id of [5, 37, 300, 4111, ...Array.from({ length: 32 }, (_, i) => 1024 + i)]) {
        head[id * columns] = Number.NaN;
      }
      const table = Float32Array.from({ length: rowCount * columns }, () => normal(random));
      for (let column = 0; column < columns; column++) {
        table[3 * columns + column] = 0;
        table[7 * columns + column] = Number.NaN;
      }
      const b = createProgramBuilder({ vocabSize, hiddenSize: columns, layerCount: 1, kvHeadCount: 1, headSize: 1 });
      const logitsOfHead = () =>
        b.linear(
          b.selectOutputs(b.embed(b.weight('embedding', rowCount, columns))),
          b.weight('head', vocabSize, columns),
        );
      const sum = logitsOfHead();
      for (let i = 1; i < heads; i++) b.add(sum, logitsOfHead());
      const program = b.finish(sum);
      const executable = await compileRowwise(program, { embedding: table, head }, rowCount);
      const tokenIds = Array.from({ length: rowCount }, (_, i) => i);
      const picks = tokenIds.flatMap((row) =>
        [settings[row % settings.length], settings[(row + 5) % settings.length], {}].map((setting, i) => ({
          ...plain,
          ...setting,
          outputIndex: row,
          uniform: random(),
          edits: i === 1 ? editsFor(vocabSize, random) : null,
        })),
      );
      const step = { ...bindStep([{ tokenIds, firstPosition: 0, blocks: [0, 1, 2, 3, 4] }], 16), picks };
      const { logits, picked } = await executable.execute(step);
      picks.forEach((pick, i) => {
        const row = logits.slice(pick.outputIndex * vocabSize, (pick.outputIndex + 1) * vocabSize);
        expect(picked[i], `row ${pick.outputIndex}: ${JSON.stringify(pick)}`).toEqual(pickToken(row, pick));
      });
      await executable.close();
    });

    it('draws in proportion to the weights', async () => {
      const vocabSize = 300;
      const { executable, table } = await compileRows(vocabSize);
      const uniforms = Array.from({ length: 4000 }, (_, i) => (i + 0.5) / 4000);
      const picks = uniforms.map((uniform) => ({ ...plain, temperature: 1, outputIndex: 0, uniform }));
      const step = { ...bindStep([{ tokenIds: [0], firstPosition: 0, blocks: [0] }], 16), picks };
      const { picked } = await executable.execute(step);
      const row = table.slice(0, vocabSize);
      const total = row.reduce((sum, logit) => sum + Math.exp(logit), 0);
      row.forEach((logit, id) => {
        const count = picked.filter(({ tokenId }) => tokenId === id).length;
        expect(Math.abs(count - (4000 * Math.exp(logit)) / total)).toBeLessThan(1.01);
      });
      await executable.close();
    });

    it('refuses picks out of range and goes on', async () => {
      const { executable } = await compileRows(300);
      const step = bindStep([{ tokenIds: [0, 1], firstPosition: 0, blocks: [0] }], 16);
      const good: TokenPick = { ...plain, outputIndex: 1 };
      const edits = { count: 1, ids: Int32Array.of(300), factors: Float64Array.of(1), offsets: Float64Array.of(0) };
      const bad: TokenPick[][] = [
        [{ ...good, outputIndex: 2 }],
        [{ ...good, outputIndex: -1 }],
        [good, { ...good, outputIndex: 0 }],
        [{ ...good, topCount: 257 }],
        [{ ...good, temperature: Number.NaN }],
        [{ ...good, topP: 0 }],
        [{ ...good, uniform: 1 }],
        [{ ...good, edits }],
        [{ ...good, edits: { ...edits, ids: Int32Array.of(-1) } }],
        [{ ...good, edits: { ...edits, count: 2, ids: Int32Array.of(1, 2) } }],
      ];
      for (const [i, picks] of bad.entries()) {
        await expect(executable.execute({ ...step, picks }), `picks ${i}`).rejects.toBeInstanceOf(BackendError);
      }
      expect((await executable.execute({ ...step, picks: [good] })).picked).toHaveLength(1);
      expect((await executable.execute(step)).picked).toEqual([]);
      await executable.close();
    });
  });
}
