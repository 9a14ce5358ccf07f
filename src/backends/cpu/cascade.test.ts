// Sequences that share leading blocks: the same bits with cascade and without, whatever the batch, and as each sequence alone.

import { afterAll, expect, it } from 'vitest';
import { createProgramBuilder } from '../../program/builder.ts';
import { createRandom } from '../../random/random.ts';
import type { Backend, Executable, KvDType } from '../backend.ts';
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
  /** Of the second layer; the first sees everything. */
  readonly window: number | null;
  readonly keyDType: KvDType;
  readonly valueDType: KvDType;
  readonly blockSize: number;
}

const shapes: Shape[] = [
  { heads: 3, kvHeads: 1, headSize: 16, window: null, keyDType: 'f16', valueDType: 'f16', blockSize: 16 },
  { heads: 8, kvHeads: 2, headSize: 24, window: 300, keyDType: 'f32', valueDType: 'f32', blockSize: 32 },
  { heads: 7, kvHeads: 7, headSize: 8, window: 700, keyDType: 'f16', valueDType: 'f16', blockSize: 12 },
  { heads: 6, kvHeads: 2, headSize: 40, window: 500, keyDType: 'int8', valueDType: 'fp8_e4m3', blockSize: 16 },
  { heads: 4, kvHeads: 1, headSize: 24, window: null, keyDType: 'fp8_e5m2', valueDType: 'int4', blockSize: 48 },
  { heads: 2, kvHeads: 1, headSize: 10, window: null, keyDType: 'int4', valueDType: 'int8', blockSize: 5 },
];
const vocabSize = 40;
const maxContextTokens = 1300;
const limits = { maxTokens: 700, maxSequences: 24, maxOutputs: 700, maxContextTokens };

function modelOf({ heads, kvHeads, headSize, window }: Shape) {
  const width = heads * headSize;
  const random = createRandom(width);
  const tensors: Record<string, MemoryWeight> = {
    embedding: randomWeight('f32', vocabSize, width, random, 2),
    k: randomWeight('f32', kvHeads * headSize, width, random, 3 / Math.sqrt(width)),
    v: randomWeight('f32', kvHeads * headSize, width, random, 3 / Math.sqrt(width)),
    head: randomWeight('f32', vocabSize, width, random),
  };
  const b = createProgramBuilder({ vocabSize, hiddenSize: width, layerCount: 2, kvHeadCount: kvHeads, headSize });
  const weight = (name: string) => b.weight(name, tensors[name].rows, tensors[name].columns);
  const inverseFrequencies = Float64Array.from({ length: headSize / 2 }, (_, i) => 10000 ** ((-2 * i) / headSize));
  const x = b.embed(weight('embedding'));
  let hidden = x;
  for (const layer of [0, 1]) {
    const key = b.linear(hidden, weight('k'));
    b.rope(key, { layout: 'half', rotaryDim: headSize, inverseFrequencies, attentionFactor: 1 });
    b.writeKv(key, b.linear(hidden, weight('v')), layer);
    const options = { layer, headCount: heads, scale: 1 / Math.sqrt(headSize), window: layer === 1 ? window : null };
    const attended = b.pagedAttention(hidden, options);
    b.add(attended, x);
    hidden = attended;
  }
  return { program: b.finish(b.selectOutputs(b.linear(hidden, weight('head')))), tensors };
}

interface Member {
  readonly tokenIds: readonly number[];
  readonly blocks: readonly number[];
}

/**
 * A random tree of sequences: each grows from a random prefix of an earlier one, shares the whole blocks of it, and copies the
 * part of a block that it continues (as a fork does). Blocks are handed out in random order.
 */
function growTree(shape: Shape, count: number, random: () => number, blockCount: number) {
  const { blockSize } = shape;
  const free = Array.from({ length: blockCount }, (_, id) => id).sort(() => random() - 0.5);
  const members: (Member & { readonly computed: number; readonly copy: readonly [number, number] | null })[] = [];
  for (let i = 0; i < count; i++) {
    const parent = i > 0 && random() < 0.85 ? members[Math.floor(random() * i)] : null;
    // A fork point near the parent's end, most often: common runs of several pieces.
    const kept = parent === null ? 0 : Math.floor(parent.tokenIds.length * (1 - random() ** 2));
    const room = maxContextTokens - kept;
    const length = kept + 1 + Math.floor(random() * Math.min(room, parent === null ? 1200 : 400) * 0.95);
    const tokenIds = [
      ...(parent?.tokenIds.slice(0, kept) ?? []),
      ...Array.from({ length: length - kept }, () => Math.floor(random() * vocabSize)),
    ];
    const whole = Math.floor(kept / blockSize);
    const blocks = [...(parent?.blocks.slice(0, whole) ?? [])];
    while (blocks.length < Math.ceil(length / blockSize)) blocks.push(free.pop()!);
    const copy = kept % blockSize === 0 ? null : ([parent!.blocks[whole], blocks[whole]] as const);
    members.push({ tokenIds, blocks, computed: kept, copy });
  }
  return members;
}

const backends: Backend[] = [];
afterAll(async () => {
  for (const backend of backends) await backend.close();
});

async function compile(backend: Backend, shape: Shape, blockCount: number): Promise<Executable> {
  const { program, tensors } = modelOf(shape);
  return backend.compile(program, {
    weights: createMemoryWeights(tensors),
    kv: {
      layerCount: 2,
      kvHeadCount: shape.kvHeads,
      headSize: shape.headSize,
      blockSize: shape.blockSize,
      keyDType: shape.keyDType,
      valueDType: shape.valueDType,
    },
    blockCount,
    limits,
  });
}

/** Computes every member's tokens but its last `held`, chunk by chunk. */
async function fill(executable: Executable, members: ReturnType<typeof growTree>, blockSize: number, held: number[]) {
  for (const [i, { tokenIds, blocks, computed, copy }] of members.entries()) {
    let first = computed;
    const last = Math.max(computed, tokenIds.length - held[i]);
    // The copy must be made even where nothing is left to compute before the batch: a token of the parent again, then.
    if (copy !== null && first === last) first = last - 1;
    for (let copies = copy === null ? [] : [copy]; first < last; copies = []) {
      const chunk = tokenIds.slice(first, Math.min(last, first + 600));
      await executable.execute(
        bindStep([{ tokenIds: chunk, firstPosition: first, blocks, outputs: [] }], blockSize, copies),
      );
      first += chunk.length;
    }
  }
}

function batchOf(members: readonly Member[], held: readonly number[]): TestSequence[] {
  return members.map(({ tokenIds, blocks }, i) => {
    const count = Math.min(held[i], tokenIds.length);
    return { tokenIds: tokenIds.slice(tokenIds.length - count), firstPosition: tokenIds.length - count, blocks };
  });
}

/** What the reference makes of a shape. */
const wantedOf = computedOnce<Shape, Float32Array>();

describeAttentionSets('shared leading blocks', (isa) => {
  const settings = [
    { threads: 1, cascade: false },
    { threads: 1, cascade: true },
    { threads: 2, cascade: true },
    { threads: 3, cascade: true },
    { threads: 3, cascade: false },
  ];
  const made = settings.map((it) => createCpuBackend({ ...it, isa }));
  backends.push(...made);

  it.each(shapes)('are invisible: $heads heads over $kvHeads, window $window, blocks of $blockSize', async (shape) => {
    const blockCount = Math.ceil((maxContextTokens * 24) / shape.blockSize) + 24;
    const executables = await Promise.all(made.map((backend) => compile(backend, shape, blockCount)));
    for (let seed = 1; seed <= 3; seed++) {
      const random = createRandom(seed * 100 + shape.heads);
      const members = growTree(shape, seed === 1 ? 2 : 20, random, blockCount);
      // Mostly decoding, some with a few tokens, some with enough to be left out of the sharing.
      const held = members.map(() => (random() < 0.7 ? 1 : random() < 0.7 ? 2 + Math.floor(random() * 5) : 60));
      for (const [i, { tokenIds, computed }] of members.entries()) {
        held[i] = Math.min(held[i], tokenIds.length - computed);
      }
      const batch = batchOf(members, held);
      const wanted: Float32Array[] = [];
      for (const [e, executable] of executables.entries()) {
        await fill(executable, members, shape.blockSize, held);
        const together = (await executable.execute(bindStep(batch, shape.blockSize))).logits.slice();
        wanted.push(together);
        expectSameBits(together, wanted[0], `seed ${seed}, setting ${JSON.stringify(settings[e])}`);
      }
      // The same batch in another order, and each sequence alone.
      const order = [...batch.keys()].sort(() => random() - 0.5);
      const turned = (
        await executables[2].execute(
          bindStep(
            order.map((i) => batch[i]),
            shape.blockSize,
          ),
        )
      ).logits.slice();
      const starts = [0];
      for (const { tokenIds } of batch) starts.push(starts.at(-1)! + tokenIds.length * vocabSize);
      let at = 0;
      for (const i of order) {
        const rows = wanted[0].subarray(starts[i], starts[i + 1]);
        expectSameBits(turned.subarray(at, at + rows.length), rows, `seed ${seed}, sequence ${i} in another order`);
        at += rows.length;
        const alone = (await executables[1].execute(bindStep([batch[i]], shape.blockSize))).logits;
        expectSameBits(alone, rows, `seed ${seed}, sequence ${i} alone`);
      }
    }
    for (const executable of executables) await executable.close();
  });

  it('agree with the reference', async () => {
    const shape = shapes[1];
    const blockCount = Math.ceil((maxContextTokens * 24) / shape.blockSize) + 24;
    const members = growTree(shape, 4, createRandom(5), blockCount);
    const held = members.map(() => 1);
    const run = async (backend: Backend) => {
      const executable = await compile(backend, shape, blockCount);
      await fill(executable, members, shape.blockSize, held);
      const logits = (await executable.execute(bindStep(batchOf(members, held), shape.blockSize))).logits.slice();
      await executable.close();
      return logits;
    };
    const actual = await run(made[2]);
    const wanted = await wantedOf(shape, () => run(createReferenceBackend()));
    expect(relativeError(actual, wanted)).toBeLessThan(2e-5);
  });
});
