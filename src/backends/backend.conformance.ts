// The suite that every backend passes: each operation with odd shapes against the reference backend, bit-identical
// results however a sequence is run, and refusal of what is out of range.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BackendError, OctavoError } from '../errors/errors.ts';
import { createProgramBuilder, type ProgramBuilder } from '../program/builder.ts';
import type { Program, RopeLayout, RopeParameters, Value } from '../program/program.ts';
import { createRandom } from '../random/random.ts';
import { type DType, dtypeNames } from '../tensor/dtype.ts';
import { kvDTypeNames } from '../tensor/kv-dtype.ts';
import type { Backend, Executable, KvDType, StepLimits } from './backend.ts';
import { kvBlockBytes } from './backend.ts';
import { createReferenceBackend } from './reference/index.ts';
import { type AttentionCase, attentionCases } from './testing/attention-cases.ts';
import { computedOnce } from './testing/computed-once.ts';
import { createMemoryWeights, type MemoryWeight, randomWeight } from './testing/memory-weights.ts';
import { expectSameBits } from './testing/same-bits.ts';
import { bindStep, type TestSequence } from './testing/step.ts';

export interface ConformanceOptions {
  readonly name: string;
  readonly create: () => Backend;
  /** Largest |difference| over the largest |value|, for f32 arithmetic and for products with quantised activations. */
  readonly tolerance: { readonly f32: number; readonly quantized: number };
  /** Dtypes whose products this backend computes on quantised activations. */
  readonly quantizedProducts: readonly DType[];
}

interface Geometry {
  readonly width: number;
  readonly layerCount?: number;
  readonly kvHeadCount?: number;
  readonly headSize?: number;
}

interface Case {
  readonly program: Program;
  readonly tensors: Record<string, MemoryWeight>;
}

function sinkRope(headSize: number): RopeParameters {
  const inverseFrequencies = Float64Array.from({ length: headSize / 2 }, (_, i) => 100 ** ((-2 * i) / headSize));
  return { layout: 'half', rotaryDim: headSize, inverseFrequencies, attentionFactor: 1 };
}

/** What one code that is rounded the other way may change, of the largest value. */
const codeSteps: Readonly<Record<KvDType, number>> = {
  f32: 0,
  f16: 2e-3,
  bf16: 8e-3,
  fp8_e4m3: 4e-2,
  fp8_e5m2: 6e-2,
  int8: 8e-3,
  int4: 8e-2,
};

const limits: StepLimits = { maxTokens: 96, maxSequences: 8, maxOutputs: 96, maxContextTokens: 160 };

/** A program that embeds tokens, applies `body`, and returns every row; tokens are rows of a random f32 table. */
function buildCase(
  geometry: Geometry,
  tensors: Record<string, MemoryWeight>,
  inputWidth: number,
  body: (b: ProgramBuilder, input: Value, table: (name: string) => ReturnType<ProgramBuilder['weight']>) => Value,
): Case {
  const { width, layerCount = 1, kvHeadCount = 1, headSize = inputWidth } = geometry;
  const all: Record<string, MemoryWeight> = { ...tensors };
  all.embedding ??= randomWeight('f32', width, inputWidth, createRandom(width * 31 + inputWidth));
  const b = createProgramBuilder({ vocabSize: width, hiddenSize: inputWidth, layerCount, kvHeadCount, headSize });
  const weight = (name: string) => b.weight(name, all[name].rows, all[name].columns);
  const input = b.embed(weight('embedding'));
  const program = b.finish(b.selectOutputs(body(b, input, weight)));
  return { program, tensors: all };
}

/** What the reference makes of each case. */
const attentionResults = computedOnce<AttentionCase, Float32Array>();

export function describeBackendConformance(options: ConformanceOptions): void {
  describe(`backend conformance: ${options.name}`, () => {
    let backend: Backend;
    const reference = createReferenceBackend();
    const open: Executable[] = [];

    beforeAll(() => {
      backend = options.create();
    });
    afterAll(async () => {
      for (const executable of open) await executable.close();
      await backend.close();
    });

    async function compile(
      target: Backend,
      made: Case,
      blockSize = 16,
      keyDType: KvDType = 'f32',
      valueDType: KvDType = 'f32',
      blockCount = 24,
    ): Promise<Executable> {
      const { program } = made;
      const executable = await target.compile(program, {
        weights: createMemoryWeights(made.tensors),
        kv: {
          layerCount: program.layerCount,
          kvHeadCount: program.kvHeadCount,
          headSize: program.headSize,
          blockSize,
          keyDType,
          valueDType,
        },
        blockCount,
        limits,
      });
      open.push(executable);
      return executable;
    }
    async function run(
      executable: Executable,
      sequences: readonly TestSequence[],
      blockSize = 16,
    ): Promise<Float32Array> {
      return (await executable.execute(bindStep(sequences, blockSize))).logits.slice();
    }
    /** `floor` is a magnitude that the values are expected to reach: few values may all cancel to near zero. */
    function expectClose(
      actual: Float32Array,
      wanted: Float32Array,
      tolerance: number,
      label: string,
      floor = 0,
    ): void {
      expect(actual.length, label).toBe(wanted.length);
      let largest = floor;
      let difference = 0;
      for (let i = 0; i < wanted.length; i++) {
        largest = Math.max(largest, Math.abs(wanted[i]));
        difference = Math.max(difference, Math.abs(actual[i] - wanted[i]));
        if (!Number.isFinite(actual[i])) difference = Number.POSITIVE_INFINITY;
      }
      expect(difference / (largest || 1), label).toBeLessThanOrEqual(tolerance);
    }
    /** Runs rows of random tokens on both backends, then each row alone: close to the reference, identical alone. */
    async function checkRowwise(
      made: Case,
      tolerance: number,
      label: string,
      rowCounts: readonly number[] = [1, 2, 3, 7, 17, 33],
      floor = 0,
    ): Promise<void> {
      const ours = await compile(backend, made);
      const theirs = await compile(reference, made);
      const random = createRandom(7);
      const width = made.program.vocabSize;
      for (const rowCount of rowCounts) {
        const tokenIds = Array.from({ length: rowCount }, () => Math.floor(random() * width));
        const sequence = { tokenIds, firstPosition: 0, blocks: [0, 1, 2, 3, 4, 5] };
        const together = await run(ours, [sequence]);
        expectClose(together, await run(theirs, [sequence]), tolerance, `${label}, ${rowCount} rows`, floor);
        const picked = Math.floor(random() * rowCount);
        const alone = await run(ours, [
          { tokenIds: [tokenIds[picked]], firstPosition: picked, blocks: [0, 1, 2, 3, 4, 5] },
        ]);
        const beside = together.subarray(picked * width, (picked + 1) * width);
        expectSameBits(alone, beside, `${label}: row ${picked} of ${rowCount} alone`);
      }
    }

    describe.each(dtypeNames)('weights of %s', (dtype) => {
      const unit = ['q2_k', 'q3_k', 'q4_k', 'q5_k', 'q6_k'].includes(dtype)
        ? 256
        : ['f32', 'f16', 'bf16'].includes(dtype)
          ? 1
          : 32;

      it('embeds rows exactly', async () => {
        const width = unit === 1 ? 37 : unit;
        const made = buildCase(
          { width },
          { embedding: randomWeight(dtype, width, width, createRandom(1)) },
          width,
          (b, x) => {
            void b;
            return x;
          },
        );
        const sequence = { tokenIds: [0, width - 1, 5, 5, 17], firstPosition: 0, blocks: [0] };
        expect(await run(await compile(backend, made), [sequence])).toEqual(
          await run(await compile(reference, made), [sequence]),
        );
      });

      it.each([
        { rows: 1, units: 1 },
        { rows: 7, units: 2 },
        { rows: 33, units: 3 },
        { rows: 130, units: 1 },
      ])('multiplies by [$rows, $units units]', async ({ rows, units }) => {
        const columns = unit === 1 ? 19 * units : unit * units;
        const random = createRandom(rows * 100 + units);
        const tensors = { w: randomWeight(dtype, rows, columns, random), bias: randomWeight('f32', 1, rows, random) };
        const tolerance = options.quantizedProducts.includes(dtype)
          ? options.tolerance.quantized
          : options.tolerance.f32;
        for (const biased of [false, true]) {
          const made = buildCase({ width: rows }, tensors, columns, (b, x, weight) =>
            b.linear(x, weight('w'), biased ? weight('bias') : null),
          );
          await checkRowwise(
            made,
            tolerance,
            `${dtype} ${rows}x${columns}${biased ? ' biased' : ''}`,
            biased ? [3] : undefined,
            // A sum of `columns` products of values spread over (-1, 1) is about this large.
            Math.sqrt(columns) / 3,
          );
        }
      });

      it('ties one matrix to embedding and logits', async () => {
        const rows = 48;
        const columns = unit === 1 ? 40 : unit;
        const tensors = { embedding: randomWeight(dtype, rows, columns, createRandom(3)) };
        const made = buildCase({ width: rows }, tensors, columns, (b, x, weight) => b.linear(x, weight('embedding')));
        const tolerance = options.quantizedProducts.includes(dtype)
          ? options.tolerance.quantized
          : options.tolerance.f32;
        await checkRowwise(made, tolerance, `${dtype} tied`, [5]);
      });
    });

    it.each([
      { width: 1, slice: 1 },
      { width: 33, slice: 33 },
      { width: 96, slice: 24 },
      { width: 576, slice: 64 },
    ])('normalises width $width in slices of $slice', async ({ width, slice }) => {
      const made = buildCase(
        { width },
        { norm: randomWeight('f32', 1, slice, createRandom(5)) },
        width,
        (b, x, weight) => b.rmsNorm(x, weight('norm'), 1e-5),
      );
      await checkRowwise(made, options.tolerance.f32, `rmsNorm ${width}/${slice}`);
    });

    it.each<{ layout: RopeLayout; headSize: number; rotaryDim: number; heads: number }>([
      { layout: 'half', headSize: 8, rotaryDim: 8, heads: 3 },
      { layout: 'interleaved', headSize: 8, rotaryDim: 8, heads: 3 },
      { layout: 'half', headSize: 20, rotaryDim: 12, heads: 1 },
      { layout: 'interleaved', headSize: 64, rotaryDim: 32, heads: 2 },
    ])('rotates $layout, $rotaryDim of $headSize', async ({ layout, headSize, rotaryDim, heads }) => {
      const width = headSize * heads;
      const inverseFrequencies = Float64Array.from(
        { length: rotaryDim / 2 },
        (_, i) => 10000 ** ((-2 * i) / rotaryDim),
      );
      const made = buildCase({ width, headSize }, {}, width, (b, x) => {
        b.rope(x, { layout, rotaryDim, inverseFrequencies, attentionFactor: 1.25 });
        return x;
      });
      await checkRowwise(made, options.tolerance.f32, `rope ${layout}`);
    });

    it.each([1, 31, 200])('gates and adds at width %i', async (width) => {
      const tensors = { up: randomWeight('f32', width, width, createRandom(8), 4) };
      const made = buildCase({ width }, tensors, width, (b, x, weight) => {
        const up = b.linear(x, weight('up'));
        const gated = b.gatedActivation(up, x);
        b.add(gated, x);
        return gated;
      });
      await checkRowwise(made, options.tolerance.f32, `gated ${width}`);
    });

    describe.each(attentionCases)(
      'attention, $heads heads over $kvHeads of $headSize, window $window, sinks $sinks, $keyDType/$valueDType',
      (attentionCase) => {
        const { heads, kvHeads, headSize, window, sinks, keyDType, valueDType } = attentionCase;
        // A code that is rounded the other way is one step of its type.
        const tolerance = Math.max(options.tolerance.f32, codeSteps[keyDType], codeSteps[valueDType]);
        const width = heads * headSize;
        const random = createRandom(width);
        const embedding = randomWeight('f32', width, width, random, 0.5);
        const tensors = {
          embedding,
          k: randomWeight('f32', kvHeads * headSize, width, random, 3 / Math.sqrt(width)),
          v: randomWeight('f32', kvHeads * headSize, width, random, 3 / Math.sqrt(width)),
        };
        const made = buildCase(
          { width, layerCount: 2, kvHeadCount: kvHeads, headSize },
          tensors,
          width,
          (b, x, weight) => {
            let hidden = x;
            for (const layer of [0, 1]) {
              b.writeKv(b.linear(hidden, weight('k')), b.linear(hidden, weight('v')), layer);
              const attended = b.pagedAttention(hidden, {
                layer,
                headCount: heads,
                scale: 1 / Math.sqrt(headSize),
                window,
                // The second layer asks as if its queries had not been rotated.
                sinks: sinks === undefined ? null : { tokens: sinks, rope: layer === 0 ? sinkRope(headSize) : null },
              });
              b.add(attended, x);
              hidden = attended;
            }
            return hidden;
          },
        );
        const ids = (count: number, seed: number) => {
          const r = createRandom(seed);
          return Array.from({ length: count }, () => Math.floor(r() * width));
        };

        it('agrees with the reference and does not depend on block size', async () => {
          const tokenIds = ids(70, 1);
          let first: Float32Array | null = null;
          for (const blockSize of [16, 1, 3, 8, 32, 100]) {
            const blocks = Array.from({ length: Math.ceil(70 / blockSize) }, (_, i) => i).reverse();
            const sequence = { tokenIds, firstPosition: 0, blocks };
            const actual = await run(
              await compile(backend, made, blockSize, keyDType, valueDType, 72),
              [sequence],
              blockSize,
            );
            if (first === null) {
              const wanted = await attentionResults(attentionCase, async () =>
                run(await compile(reference, made, blockSize, keyDType, valueDType, 72), [sequence], blockSize),
              );
              expectClose(actual, wanted, tolerance, 'attention');
              first = actual;
            } else expectSameBits(actual, first, `block size ${blockSize}`);
          }
        });

        it('does not depend on chunks, batch or block placement', async () => {
          const executable = await compile(backend, made, 8, keyDType, valueDType, 64);
          const tokenIds = ids(61, 2);
          const whole = await run(executable, [{ tokenIds, firstPosition: 0, blocks: [0, 1, 2, 3, 4, 5, 6, 7] }], 8);
          const blocks = [40, 13, 22, 31, 17, 50, 8, 9];
          const chunks: Float32Array[] = [];
          let at = 0;
          for (const size of [1, 13, 2, 30, 1, 14]) {
            const other = { tokenIds: ids(5 + size / 2, size), firstPosition: 0, blocks: [60, 61, 62] };
            const mine = { tokenIds: tokenIds.slice(at, at + size), firstPosition: at, blocks };
            const outputs = at % 2 === 0 ? [mine, other] : [other, mine];
            const result = await run(executable, outputs, 8);
            const start = at % 2 === 0 ? 0 : other.tokenIds.length * width;
            chunks.push(result.slice(start, start + size * width));
            at += size;
          }
          const joined = Float32Array.from(chunks.flatMap((chunk) => [...chunk]));
          expectSameBits(joined, whole);
        });

        it.skipIf(window === null)('needs the blocks that its window and its sinks reach, and no others', async () => {
          const executable = await compile(backend, made, 8, keyDType, valueDType, 64);
          const tokenIds = ids(61, 2);
          const blocks = [0, 1, 2, 3, 4, 5, 6, 7];
          const whole = await run(executable, [{ tokenIds, firstPosition: 0, blocks }], 8);
          const last = (table: number[]) =>
            executable.execute(bindStep([{ tokenIds: tokenIds.slice(60), firstPosition: 60, blocks: table }], 8));
          const isReached = (index: number) => index * 8 < (sinks ?? 0) || (index + 1) * 8 > 61 - window!;
          const reached = blocks.map((block, index) => (isReached(index) ? block : -1));
          expectSameBits((await last(reached)).logits, whole.subarray(60 * width));
          for (const index of blocks.filter(isReached)) {
            await expect(last(reached.with(index, -1)), `without block ${index}`).rejects.toBeInstanceOf(BackendError);
          }
        });

        it('copies blocks before the step and moves them in and out', async () => {
          const executable = await compile(backend, made, 8, keyDType, valueDType, 16);
          const tokenIds = ids(20, 3);
          const whole = await run(executable, [{ tokenIds, firstPosition: 0, blocks: [0, 1, 2] }], 8);
          const last = bindStep([{ tokenIds: tokenIds.slice(18), firstPosition: 18, blocks: [0, 1, 5] }], 8, [[2, 5]]);
          expectSameBits((await executable.execute(last)).logits, whole.subarray(18 * width));
          const layout = { layerCount: 2, kvHeadCount: kvHeads, headSize, blockSize: 8, keyDType, valueDType };
          const blockBytes = kvBlockBytes(layout);
          for (const id of [0, 1, 2]) {
            const bytes = new Uint8Array(blockBytes);
            executable.readBlock(id, bytes);
            executable.writeBlock(id + 10, bytes);
          }
          const moved = { tokenIds: tokenIds.slice(19), firstPosition: 19, blocks: [10, 11, 12] };
          expectSameBits(await run(executable, [moved], 8), whole.subarray(19 * width));
        });
      },
    );

    it.each(kvDTypeNames.flatMap((key, i) => [[key, key] as const, [key, kvDTypeNames[(i + 3) % 7]] as const]))(
      'decodes %s keys and %s values to what they were rounded to',
      async (keyDType, valueDType) => {
        // K and V are rows of the embedding, so that both backends round the same numbers.
        for (const headSize of [64, 33, 16]) {
          const width = 2 * headSize;
          const embedding = randomWeight('f32', width, width, createRandom(width), 2);
          const made = buildCase({ width, kvHeadCount: 2, headSize }, { embedding }, width, (b, x) => {
            b.writeKv(x, x, 0);
            return b.pagedAttention(x, { layer: 0, headCount: 2, scale: 1 / Math.sqrt(headSize), window: null });
          });
          for (const blockSize of [16, 5]) {
            const tokenIds = Array.from({ length: 80 }, (_, i) => (i * 37) % width);
            const sequence = { tokenIds, firstPosition: 0, blocks: Array.from({ length: 16 }, (_, i) => i) };
            const ours = await run(
              await compile(backend, made, blockSize, keyDType, valueDType),
              [sequence],
              blockSize,
            );
            const theirs = await run(
              await compile(reference, made, blockSize, keyDType, valueDType),
              [sequence],
              blockSize,
            );
            expectClose(ours, theirs, options.tolerance.f32, `head size ${headSize}, block size ${blockSize}`);
          }
        }
      },
    );

    it.each(kvDTypeNames)('keeps what is no number apart from numbers in %s', async (dtype) => {
      const width = 16;
      const values = Float32Array.from({ length: width * width }, (_, i) => Math.sin(i));
      values[3 * width + 5] = Number.NaN;
      values[4 * width + 6] = Number.NEGATIVE_INFINITY;
      const embedding = { dtype: 'f32' as const, rows: width, columns: width, bytes: new Uint8Array(values.buffer) };
      const made = buildCase({ width }, { embedding }, width, (b, x) => {
        b.writeKv(x, x, 0);
        return b.pagedAttention(x, { layer: 0, headCount: 1, scale: 0.25, window: null });
      });
      const executable = await compile(backend, made, 16, dtype, dtype);
      for (const bad of [3, 4]) {
        const sequence = { tokenIds: [1, 2, bad, 5, 6], firstPosition: 0, blocks: [0] };
        const rows = await run(executable, [sequence]);
        expect(rows.subarray(0, 2 * width).every(Number.isFinite)).toBe(true);
        for (let row = 2; row < 5; row++) {
          expect(rows.subarray(row * width, (row + 1) * width).every(Number.isFinite), `row ${row}`).toBe(false);
        }
      }
    });

    it('returns only the rows asked for, in the order asked', async () => {
      const made = buildCase({ width: 11 }, {}, 11, (_b, x) => x);
      const executable = await compile(backend, made);
      const all = await run(executable, [{ tokenIds: [3, 1, 4, 1, 5], firstPosition: 0, blocks: [0] }]);
      const some = await run(executable, [
        { tokenIds: [3, 1, 4, 1, 5], firstPosition: 0, blocks: [0], outputs: [4, 0] },
      ]);
      expect([...some]).toEqual([...all.slice(44), ...all.slice(0, 11)]);
      expect(await run(executable, [{ tokenIds: [3], firstPosition: 0, blocks: [0], outputs: [] }])).toEqual(
        new Float32Array(0),
      );
    });

    it('reads its bindings before it returns', async () => {
      const made = buildCase({ width: 11 }, {}, 11, (_b, x) => x);
      const executable = await compile(backend, made);
      const step = bindStep([{ tokenIds: [3, 1, 4], firstPosition: 0, blocks: [0] }], 16);
      const wanted = (await executable.execute(step)).logits.slice();
      const pending = executable.execute(step);
      for (const array of [step.tokenIds, step.positions, step.slotMapping, step.outputRows, step.blockTables])
        array.fill(0);
      expectSameBits((await pending).logits, wanted);
    });

    it('refuses steps out of range and goes on', async () => {
      const made = buildCase({ width: 11 }, {}, 11, (_b, x) => x);
      const executable = await compile(backend, made);
      const good = bindStep([{ tokenIds: [3, 1], firstPosition: 0, blocks: [0] }], 16);
      const bad = [
        { ...good, tokenIds: Int32Array.of(3, 11) },
        { ...good, tokenIds: Int32Array.of(-1, 1) },
        { ...good, tokenIds: Int32Array.of(1) },
        { ...good, positions: Int32Array.of(0, 2) },
        { ...good, positions: Int32Array.of(0, 100000) },
        { ...good, slotMapping: Int32Array.of(0, 24 * 16) },
        { ...good, slotMapping: Int32Array.of(0, -5) },
        { ...good, outputRows: Int32Array.of(0, 2) },
        { ...good, blockTables: Int32Array.of(24) },
        { ...good, blockTables: Int32Array.of(-1) },
        { ...good, tableRows: Int32Array.of(1) },
        { ...good, contextLengths: Int32Array.of(17) },
        { ...good, queryStarts: Int32Array.of(0, 1) },
        { ...good, tokenCount: 97 },
        { ...good, tokenCount: 0 },
        { ...good, copyCount: 1, blockCopies: Int32Array.of(0, 24) },
      ];
      for (const [index, step] of bad.entries()) {
        await expect(executable.execute(step), `step ${index}`).rejects.toBeInstanceOf(BackendError);
      }
      expect((await executable.execute(good)).logits.length).toBe(22);
      expect(() => executable.readBlock(24, new Uint8Array(16))).toThrow(BackendError);
      expect(() => executable.writeBlock(0, new Uint8Array(3))).toThrow(BackendError);
    });

    it('refuses weights that are missing or of another shape', async () => {
      const made = buildCase({ width: 11 }, { w: randomWeight('f32', 11, 11, createRandom(1)) }, 11, (b, x, weight) =>
        b.linear(x, weight('w')),
      );
      await expect(
        compile(backend, { ...made, tensors: { embedding: made.tensors.embedding } }),
      ).rejects.toBeInstanceOf(OctavoError);
      await expect(
        compile(backend, { ...made, tensors: { ...made.tensors, w: randomWeight('f32', 11, 10, createRandom(1)) } }),
      ).rejects.toBeInstanceOf(OctavoError);
    });

    it('refuses to run when closed, and closes twice', async () => {
      const made = buildCase({ width: 11 }, {}, 11, (_b, x) => x);
      const executable = await compile(backend, made);
      await executable.close();
      await executable.close();
      await expect(
        executable.execute(bindStep([{ tokenIds: [3], firstPosition: 0, blocks: [0] }], 16)),
      ).rejects.toBeInstanceOf(BackendError);
    });
  });
}
