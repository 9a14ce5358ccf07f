// Tokens that threads take of their own through an attention and the rows beside it: when that is done, and that no bit shows it.

import { expect, it } from 'vitest';
import { createProgramBuilder } from '../../program/builder.ts';
import { createRandom } from '../../random/random.ts';
import { createMemoryWeights, type MemoryWeight, randomWeight } from '../testing/memory-weights.ts';
import { expectSameBits } from '../testing/same-bits.ts';
import { bindStep, type TestSequence } from '../testing/step.ts';
import type { CpuExecutable } from './cpu-backend.ts';
import { createCpuBackend, type InstructionSet } from './index.ts';
import { describeAttentionSets } from './testing/instruction-sets.ts';

const vocabSize = 64;
const heads = 4;
const kvHeads = 2;
const headSize = 32;
const width = heads * headSize;
const layers = 3;
const blockSize = 16;
const maxContextTokens = 1600;
const limits = { maxTokens: 512, maxSequences: 32, maxOutputs: 512, maxContextTokens };
const blockCount = 1200;

function createModel() {
  const random = createRandom(11);
  const tensors: Record<string, MemoryWeight> = {
    embedding: randomWeight('f32', vocabSize, width, random),
    norm: randomWeight('f32', 1, width, random),
    q: randomWeight('q8_0', width, width, random, 0.3),
    k: randomWeight('q8_0', kvHeads * headSize, width, random, 0.3),
    v: randomWeight('q8_0', kvHeads * headSize, width, random, 0.3),
    output: randomWeight('q8_0', width, width, random, 0.3),
  };
  const b = createProgramBuilder({ vocabSize, hiddenSize: width, layerCount: layers, kvHeadCount: kvHeads, headSize });
  const weight = (name: string) => b.weight(name, tensors[name].rows, tensors[name].columns);
  const rope = {
    layout: 'half',
    rotaryDim: headSize,
    inverseFrequencies: Float64Array.from({ length: headSize / 2 }, (_, i) => 10000 ** ((-2 * i) / headSize)),
    attentionFactor: 1,
  } as const;
  const x = b.embed(weight('embedding'));
  for (let layer = 0; layer < layers; layer++) {
    const hidden = b.rmsNorm(x, weight('norm'), 1e-5);
    const query = b.linear(hidden, weight('q'));
    const key = b.linear(hidden, weight('k'));
    b.rope(query, rope);
    b.rope(key, rope);
    b.writeKv(key, b.linear(hidden, weight('v')), layer);
    const options = { layer, headCount: heads, scale: 1 / Math.sqrt(headSize), window: null };
    b.add(b.linear(b.pagedAttention(query, options), weight('output')), x);
  }
  return {
    program: b.finish(b.selectOutputs(b.linear(x, weight('embedding')))),
    weights: createMemoryWeights(tensors),
  };
}

async function withExecutables(
  isa: InstructionSet,
  threads: readonly number[],
  body: (executables: CpuExecutable[]) => Promise<void>,
): Promise<void> {
  const backends = threads.map((count) => createCpuBackend({ threads: count, isa, timesRegions: true }));
  try {
    const executables = [];
    for (const backend of backends) {
      const { program, weights } = createModel();
      const kv = {
        layerCount: layers,
        kvHeadCount: kvHeads,
        headSize,
        blockSize,
        keyDType: 'f16',
        valueDType: 'f16',
      } as const;
      executables.push(await backend.compile(program, { weights, kv, blockCount, limits }));
    }
    await body(executables);
  } finally {
    for (const backend of backends) await backend.close();
  }
}

/** Sequences with blocks of their own, all of them but their last token computed. */
async function fill(executable: CpuExecutable, contexts: readonly number[]): Promise<TestSequence[]> {
  const random = createRandom(5);
  let nextBlock = 0;
  const batch: TestSequence[] = [];
  for (const context of contexts) {
    const blocks = Array.from({ length: Math.ceil(context / blockSize) }, () => nextBlock++);
    const tokenIds = Array.from({ length: context }, () => Math.floor(random() * vocabSize));
    for (let first = 0; first < context - 1; first += 512) {
      const chunk = tokenIds.slice(first, Math.min(context - 1, first + 512));
      await executable.execute(bindStep([{ tokenIds: chunk, firstPosition: first, blocks, outputs: [] }], blockSize));
    }
    batch.push({ tokenIds: tokenIds.slice(-1), firstPosition: context - 1, blocks });
  }
  return batch;
}

async function logitsOf(executable: CpuExecutable, batch: readonly TestSequence[]): Promise<Float32Array> {
  return (await executable.execute(bindStep(batch, blockSize))).logits.slice();
}

/** Whether threads went through the regions around attention in the last step without meeting. */
function dealt(executable: CpuExecutable): boolean {
  const times = executable.regionTimes();
  const attentions = times.flatMap(({ kind }, i) => (kind === 'attention' ? [i] : []));
  const meets = attentions.map((i) => times[i - 1].waitMs > 0 || times[i].waitMs > 0);
  expect(attentions).toHaveLength(layers);
  expect(new Set(meets).size).toBe(1);
  expect(times[attentions[0] + 1].instructions).toEqual(['quantize']);
  return !meets[0];
}

const even = Array.from({ length: 9 }, (_, i) => 40 + 3 * i);

describeAttentionSets('tokens of threads', (isa) => {
  it('are dealt out where sequences decode, and give the bits of one thread', async () => {
    await withExecutables(isa, [1, 2, 3, 4], async (executables) => {
      const logits = [];
      for (const executable of executables) logits.push(await logitsOf(executable, await fill(executable, even)));
      for (const other of logits) expectSameBits(other, logits[0]);
      // Nine of one cost among four threads: one of them would take three where two and a quarter are its share.
      expect(executables.map(dealt)).toEqual([false, true, true, false]);
    });
  });

  it('are shared out piece by piece where one costs much more, where several of a sequence are computed, and where there are few', async () => {
    await withExecutables(isa, [1, 2], async ([alone, both]) => {
      const cases: (readonly [readonly number[], (batch: TestSequence[]) => TestSequence[]])[] = [
        [[1500, 20, 20, 20], (batch) => batch],
        [
          even,
          (batch) => [...batch.slice(1), { ...batch[0], tokenIds: [3, 4], firstPosition: batch[0].firstPosition - 1 }],
        ],
        [even, (batch) => batch.slice(0, 1)],
      ];
      for (const [contexts, change] of cases) {
        const batch = change(await fill(alone, contexts));
        await fill(both, contexts);
        expectSameBits(await logitsOf(both, batch), await logitsOf(alone, batch));
        expect(dealt(both)).toBe(false);
      }
    });
  });

  it('are not where a sequence reads what another one writes in the same step', async () => {
    await withExecutables(isa, [1, 2], async ([alone, both]) => {
      // The first sixteen write last what the long ones, a few for the other thread, would read first.
      const contexts = [...new Array<number>(16).fill(blockSize), ...new Array<number>(3).fill(1400)];
      const batch = await fill(alone, contexts);
      await fill(both, contexts);
      const shared = batch.map((it, i) =>
        i < 16 ? it : { ...it, blocks: [batch[15].blocks[0], ...it.blocks.slice(1)] },
      );
      const wanted = await logitsOf(alone, shared);
      for (let i = 0; i < 20; i++) {
        // What a reader that comes too early finds.
        const fresh = { ...shared[15], tokenIds: [(shared[15].tokenIds[0] + 1) % vocabSize] };
        await logitsOf(both, [fresh]);
        expectSameBits(await logitsOf(both, shared), wanted);
        expect(dealt(both)).toBe(false);
      }
      await logitsOf(both, batch);
      expect(dealt(both)).toBe(true);
    });
  });
});
