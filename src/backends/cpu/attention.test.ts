// Attention over contexts of several pieces: bits that depend on nothing but the sequence, and closeness to the reference.

import { afterAll, expect, it } from 'vitest';
import { createProgramBuilder } from '../../program/builder.ts';
import type { Program, RopeLayout } from '../../program/program.ts';
import { createRandom } from '../../random/random.ts';
import type { Backend, KvDType } from '../backend.ts';
import { createReferenceBackend } from '../reference/index.ts';
import { computedOnce } from '../testing/computed-once.ts';
import { createMemoryWeights, type MemoryWeight, randomWeight } from '../testing/memory-weights.ts';
import { relativeError } from '../testing/relative-error.ts';
import { expectSameBits } from '../testing/same-bits.ts';
import { bindStep, type TestSequence } from '../testing/step.ts';
import { createCpuBackend } from './index.ts';
import { describeAttentionSets } from './testing/instruction-sets.ts';

interface Shape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly window: number | null;
  /** Sinks, with a query that was rotated in this layout or not at all. */
  readonly sinks?: { readonly tokens: number; readonly layout: RopeLayout | null };
  readonly keyDType: KvDType;
  readonly valueDType: KvDType;
  /** Largest difference from the reference, of the largest value. */
  readonly tolerance: number;
}

const shapes: Shape[] = [
  { heads: 3, kvHeads: 1, headSize: 16, window: null, keyDType: 'f16', valueDType: 'f16', tolerance: 2e-3 },
  { heads: 2, kvHeads: 2, headSize: 24, window: null, keyDType: 'f32', valueDType: 'f32', tolerance: 2e-5 },
  { heads: 20, kvHeads: 1, headSize: 8, window: 270, keyDType: 'f32', valueDType: 'f32', tolerance: 2e-5 },
  {
    heads: 4,
    kvHeads: 2,
    headSize: 16,
    window: 270,
    sinks: { tokens: 4, layout: 'half' },
    keyDType: 'f32',
    valueDType: 'f32',
    tolerance: 2e-5,
  },
  {
    heads: 6,
    kvHeads: 1,
    headSize: 24,
    window: 100,
    sinks: { tokens: 130, layout: 'interleaved' },
    keyDType: 'f16',
    valueDType: 'int8',
    tolerance: 5e-3,
  },
  {
    heads: 2,
    kvHeads: 2,
    headSize: 8,
    window: 17,
    sinks: { tokens: 1, layout: null },
    keyDType: 'f32',
    valueDType: 'f32',
    tolerance: 2e-5,
  },
  { heads: 5, kvHeads: 1, headSize: 40, window: null, keyDType: 'int8', valueDType: 'int8', tolerance: 5e-3 },
  { heads: 2, kvHeads: 1, headSize: 18, window: 300, keyDType: 'int4', valueDType: 'int4', tolerance: 8e-2 },
  { heads: 13, kvHeads: 1, headSize: 10, window: null, keyDType: 'fp8_e4m3', valueDType: 'fp8_e5m2', tolerance: 6e-2 },
  { heads: 4, kvHeads: 2, headSize: 64, window: null, keyDType: 'fp8_e5m2', valueDType: 'fp8_e4m3', tolerance: 6e-2 },
  { heads: 2, kvHeads: 1, headSize: 32, window: null, keyDType: 'bf16', valueDType: 'int8', tolerance: 1e-2 },
];
/** Longer than two pieces of 256, and ending inside one. */
const contextTokens = 600;
const vocabSize = 40;

function attentionModel({ heads, kvHeads, headSize, window, sinks }: Shape) {
  const width = heads * headSize;
  const random = createRandom(width);
  const tensors: Record<string, MemoryWeight> = {
    embedding: randomWeight('f32', vocabSize, width, random, 2),
    k: randomWeight('f32', kvHeads * headSize, width, random, 3 / Math.sqrt(width)),
    v: randomWeight('f32', kvHeads * headSize, width, random, 3 / Math.sqrt(width)),
    head: randomWeight('f32', vocabSize, width, random),
  };
  const b = createProgramBuilder({ vocabSize, hiddenSize: width, layerCount: 1, kvHeadCount: kvHeads, headSize });
  const weight = (name: string) => b.weight(name, tensors[name].rows, tensors[name].columns);
  const x = b.embed(weight('embedding'));
  const inverseFrequencies = Float64Array.from({ length: headSize / 2 }, (_, i) => 10000 ** ((-2 * i) / headSize));
  const key = b.linear(x, weight('k'));
  b.rope(key, { layout: 'half', rotaryDim: headSize, inverseFrequencies, attentionFactor: 1 });
  b.writeKv(key, b.linear(x, weight('v')), 0);
  const layout = sinks?.layout ?? null;
  const rope = layout === null ? null : { layout, rotaryDim: headSize, inverseFrequencies, attentionFactor: 1 };
  const attended = b.pagedAttention(x, {
    layer: 0,
    headCount: heads,
    scale: 1 / Math.sqrt(headSize),
    window,
    sinks: sinks === undefined ? null : { tokens: sinks.tokens, rope },
  });
  return { program: b.finish(b.selectOutputs(b.linear(attended, weight('head')))), tensors };
}

async function compile(
  backend: Backend,
  shape: Shape,
  program: Program,
  tensors: Record<string, MemoryWeight>,
  blockSize: number,
) {
  const { keyDType, valueDType } = shape;
  return backend.compile(program, {
    weights: createMemoryWeights(tensors),
    kv: { layerCount: 1, kvHeadCount: shape.kvHeads, headSize: shape.headSize, blockSize, keyDType, valueDType },
    blockCount: Math.ceil(contextTokens / blockSize) + 160,
    limits: { maxTokens: 620, maxSequences: 4, maxOutputs: 620, maxContextTokens: 640 },
  });
}

const backends: Backend[] = [];
afterAll(async () => {
  for (const backend of backends) await backend.close();
});

/** What the reference makes of a shape. */
const wantedOf = computedOnce<Shape, Float32Array>();

describeAttentionSets('attention', (isa) => {
  const byThreads = [1, 2, 4].map((threads) => createCpuBackend({ threads, isa }));
  backends.push(...byThreads);

  it.each(shapes)(
    'of $heads heads over $kvHeads, window $window, $keyDType/$valueDType, does not depend on how it is run',
    async (shape) => {
      const { program, tensors } = attentionModel(shape);
      const random = createRandom(3);
      const tokenIds = Array.from({ length: contextTokens }, () => Math.floor(random() * vocabSize));
      let whole: Float32Array | null = null;
      for (const [i, blockSize] of [16, 1, 3, 8, 32, 256].entries()) {
        const executable = await compile(byThreads[i % 3], shape, program, tensors, blockSize);
        const blockCount = Math.ceil(contextTokens / blockSize);
        const blocks = Array.from({ length: blockCount }, (_, block) => blockCount - 1 - block);
        const together = await executable.execute(bindStep([{ tokenIds, firstPosition: 0, blocks }], blockSize));
        if (whole === null) {
          whole = together.logits.slice();
          const wanted = await wantedOf(shape, async () => {
            const reference = await compile(createReferenceBackend(), shape, program, tensors, blockSize);
            const { logits } = await reference.execute(bindStep([{ tokenIds, firstPosition: 0, blocks }], blockSize));
            await reference.close();
            return logits;
          });
          expect(relativeError(whole, wanted)).toBeLessThan(shape.tolerance);
        } else expectSameBits(together.logits, whole, `block size ${blockSize}, whole`);

        // In chunks, beside another sequence, which decodes over blocks of its own.
        const otherBlocks = Array.from({ length: Math.ceil(120 / blockSize) }, (_, block) => blockCount + block);
        for (let first = 0, turn = 0; first < contextTokens; turn++) {
          const size = Math.min(contextTokens - first, [1, 255, 2, 13, 1, 100, 1, 1, 290][turn % 9]);
          // What the windows of the chunk have left behind may be anybody's.
          const left = blocks.map((block, index) => {
            const isSink = index * blockSize < (shape.sinks?.tokens ?? 0);
            return isSink || (index + 1) * blockSize > first + 1 - (shape.window ?? contextTokens) ? block : -1;
          });
          const mine: TestSequence = {
            tokenIds: tokenIds.slice(first, first + size),
            firstPosition: first,
            blocks: left,
          };
          const other: TestSequence = { tokenIds: [turn % vocabSize], firstPosition: turn, blocks: otherBlocks };
          const sequences = turn % 3 === 0 ? [mine] : turn % 3 === 1 ? [mine, other] : [other, mine];
          const { logits } = await executable.execute(bindStep(sequences, blockSize));
          const start = turn % 3 === 2 ? vocabSize : 0;
          const rows = logits.subarray(start, start + size * vocabSize);
          const wanted = whole.subarray(first * vocabSize, (first + size) * vocabSize);
          expectSameBits(rows, wanted, `block size ${blockSize}, ${size} tokens from ${first}`);
          first += size;
        }
        await executable.close();
      }
    },
  );

  it('ignores what lies in slots that it has not written', async () => {
    const shape = shapes[1];
    const { program, tensors } = attentionModel(shape);
    const executable = await compile(byThreads[0], shape, program, tensors, 16);
    const tokenIds = Array.from({ length: 30 }, (_, i) => i);
    const blocks = [0, 1];
    const before = (await executable.execute(bindStep([{ tokenIds, firstPosition: 0, blocks }], 16))).logits.slice();
    // The last two slots of block 1 stay as they are: not a number.
    const poison = new Float32Array(executable.memory.kvBytes / 4 / (Math.ceil(contextTokens / 16) + 160)).fill(
      Number.NaN,
    );
    for (const block of blocks) executable.writeBlock(block, new Uint8Array(poison.buffer));
    const after = (await executable.execute(bindStep([{ tokenIds, firstPosition: 0, blocks }], 16))).logits;
    expectSameBits(after, before);
    await executable.close();
  });
});
