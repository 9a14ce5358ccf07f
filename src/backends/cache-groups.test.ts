// Programs whose layers lie in several pools: attention by layer with a window or without, and two copies of K and V.

import { afterAll, describe, expect, it } from 'vitest';
import { BackendError } from '../errors/errors.ts';
import { agingProgram, recentStart, recentWindow } from '../program/aging.ts';
import { createProgramBuilder } from '../program/builder.ts';
import { cacheGroupsOf } from '../program/cache-groups.ts';
import type { Program } from '../program/program.ts';
import { createRandom } from '../random/random.ts';
import { type Backend, type Executable, type KvDType, kvBlockBytes, type PoolOptions } from './backend.ts';
import { availableInstructionSets, createCpuBackend } from './cpu/index.ts';
import { createReferenceBackend } from './reference/index.ts';
import { createMemoryWeights, randomWeight } from './testing/memory-weights.ts';
import { relativeError } from './testing/relative-error.ts';
import { expectSameBits } from './testing/same-bits.ts';
import { bindStep } from './testing/step.ts';

const heads = 4;
const kvHeadCount = 2;
const headSize = 16;
const width = heads * headSize;
const random = createRandom(5);
const tensors = {
  embedding: randomWeight('f32', width, width, random, 1),
  k: randomWeight('f32', kvHeadCount * headSize, width, random, 3 / Math.sqrt(width)),
  v: randomWeight('f32', kvHeadCount * headSize, width, random, 3 / Math.sqrt(width)),
};
const weights = createMemoryWeights(tensors);
const scale = 1 / Math.sqrt(headSize);

/** Each layer adds attention with its window to the embeddings. */
function programOf(windows: readonly (number | null)[]): Program {
  const b = createProgramBuilder({
    vocabSize: width,
    hiddenSize: width,
    layerCount: windows.length,
    kvHeadCount,
    headSize,
  });
  const weight = (name: keyof typeof tensors) => b.weight(name, tensors[name].rows, tensors[name].columns);
  const input = b.embed(weight('embedding'));
  let hidden = input;
  for (const [layer, window] of windows.entries()) {
    b.writeKv(b.linear(hidden, weight('k')), b.linear(hidden, weight('v')), layer);
    const attended = b.pagedAttention(hidden, { layer, headCount: heads, scale, window });
    b.add(attended, input);
    hidden = attended;
  }
  return b.finish(b.selectOutputs(hidden));
}

/** The same in double precision, without a cache. */
function denseRows(tokenIds: readonly number[], windows: readonly (number | null)[]): number[] {
  const floats = (name: keyof typeof tensors) => new Float32Array(tensors[name].bytes.buffer);
  const project = (x: readonly number[], name: 'k' | 'v') =>
    Array.from({ length: kvHeadCount * headSize }, (_, n) =>
      x.reduce((sum, value, i) => sum + value * floats(name)[n * width + i], 0),
    );
  const input = tokenIds.map((id) => Array.from(floats('embedding').subarray(id * width, (id + 1) * width)));
  let hidden = input;
  for (const window of windows) {
    const keys = hidden.map((x) => project(x, 'k'));
    const values = hidden.map((x) => project(x, 'v'));
    hidden = hidden.map((query, p) => {
      const out = [...input[p]];
      const first = window === null ? 0 : Math.max(0, p + 1 - window);
      for (let head = 0; head < heads; head++) {
        const at = Math.floor(head / (heads / kvHeadCount)) * headSize;
        const dots = Array.from({ length: p + 1 - first }, (_, j) => {
          let dot = 0;
          for (let i = 0; i < headSize; i++) dot += query[head * headSize + i] * keys[first + j][at + i];
          return Math.exp(dot * scale);
        });
        const total = dots.reduce((sum, value) => sum + value, 0);
        for (let i = 0; i < headSize; i++) {
          for (const [j, dot] of dots.entries()) out[head * headSize + i] += (dot / total) * values[first + j][at + i];
        }
      }
      return out;
    });
  }
  return hidden.flat();
}

interface Run {
  readonly blockSize?: number;
  readonly chunk?: number;
  readonly types?: readonly KvDType[];
  /** All layers in one pool. */
  readonly shared?: boolean;
  /** Leave out blocks that the windows do not reach. */
  readonly sparse?: boolean;
}

const backends: Backend[] = [];
const made = (backend: Backend): Backend => {
  backends.push(backend);
  return backend;
};
afterAll(async () => {
  for (const backend of backends) await backend.close();
});

const tokenIds = Array.from({ length: 620 }, (_, i) => (i * 37 + (i >> 3)) % width);

/** Rows of every token, computed in chunks; each pool has its blocks in an order of its own. */
async function run(backend: Backend, program: Program, count: number, options: Run = {}): Promise<Float32Array> {
  const { blockSize = 16, chunk = count, types = ['f32'], shared = false, sparse = false } = options;
  const groups = shared ? [null] : cacheGroupsOf(program);
  const blockCount = Math.ceil(count / blockSize) + 2;
  const [first, ...otherPools] = groups.map((group, i): PoolOptions => {
    const dtype = types[i % types.length];
    const layerCount = group?.layers.length ?? program.layerCount;
    return { kv: { layerCount, kvHeadCount, headSize, blockSize, keyDType: dtype, valueDType: dtype }, blockCount };
  });
  const limits = { maxTokens: chunk, maxSequences: 2, maxOutputs: chunk, maxContextTokens: count };
  const executable: Executable = await backend.compile(program, { weights, ...first, otherPools, limits });
  const rows = new Float32Array(count * width);
  for (let at = 0; at < count; at += chunk) {
    const ids = tokenIds.slice(at, Math.min(count, at + chunk));
    const [bound, ...others] = groups.map((group, g) => {
      const blocks = Array.from({ length: blockCount - 2 }, (_, i) => (g % 2 === 0 ? i : blockCount - 1 - i));
      const step = bindStep([{ tokenIds: ids, firstPosition: at, blocks }], blockSize);
      if (sparse && group?.windowTokens != null) {
        const reached = Math.floor(Math.max(0, at + 1 - group.windowTokens) / blockSize);
        step.blockTables.fill(
          -1,
          Math.ceil(group.sinkTokens / blockSize),
          Math.max(Math.ceil(group.sinkTokens / blockSize), reached),
        );
      }
      return step;
    });
    const { logits } = await executable.execute({ ...bound, otherPools: others });
    rows.set(logits.subarray(0, ids.length * width), at * width);
  }
  await executable.close();
  return rows;
}

const reference = made(createReferenceBackend());
const subjects: readonly [string, (threads: number) => Backend][] = [
  ['reference', () => reference],
  ...availableInstructionSets().map((isa): [string, (threads: number) => Backend] => [
    `cpu ${isa}`,
    (threads) => made(createCpuBackend({ threads, isa })),
  ]),
];

describe.each(subjects)('cache groups on %s', (_name, create) => {
  const backend = create(1);
  const windows = [9, null, 40, null, 9];
  const program = programOf(windows);

  it('are one for each window', () => {
    expect(cacheGroupsOf(program)).toEqual([
      { layers: [1, 3], windowTokens: null, sinkTokens: 0 },
      { layers: [2], windowTokens: 40, sinkTokens: 0 },
      { layers: [0, 4], windowTokens: 9, sinkTokens: 0 },
    ]);
  });

  it('compute what dense attention does, to the bit what one pool does', async () => {
    const shared = await run(backend, program, 90, { shared: true });
    expect(relativeError(shared, denseRows(tokenIds.slice(0, 90), windows))).toBeLessThan(1e-5);
    for (const options of [{}, { chunk: 7, sparse: true }, { chunk: 1, blockSize: 5, sparse: true }]) {
      expectSameBits(await run(backend, program, 90, options), shared);
    }
  });

  it('refuse steps that bind them wrongly', async () => {
    const kv = { kvHeadCount, headSize, blockSize: 16, keyDType: 'f32', valueDType: 'f32' } as const;
    const pool = (layerCount: number): PoolOptions => ({ kv: { ...kv, layerCount }, blockCount: 4 });
    const limits = { maxTokens: 8, maxSequences: 1, maxOutputs: 8, maxContextTokens: 64 };
    const compile = (...pools: readonly PoolOptions[]) =>
      backend.compile(program, { weights, ...pools[0], otherPools: pools.slice(1), limits });
    await expect(compile(pool(2), pool(3))).rejects.toBeInstanceOf(BackendError);
    await expect(compile(pool(2), pool(2), pool(1))).rejects.toBeInstanceOf(BackendError);
    const executable = await compile(pool(2), pool(1), pool(2));
    const good = bindStep([{ tokenIds: [1, 2], firstPosition: 0, blocks: [3] }], 16);
    const wrong = [
      { ...good, slotMapping: Int32Array.of(0, 64) },
      { ...good, blockTables: Int32Array.of(4) },
      { ...good, blockTables: Int32Array.of(-1) },
      { ...good, copyCount: 1, blockCopies: Int32Array.of(0, 4) },
    ];
    for (const [i, other] of wrong.entries()) {
      await expect(executable.execute({ ...good, otherPools: [good, other] }), `pool ${i}`).rejects.toBeInstanceOf(
        BackendError,
      );
    }
    await expect(executable.execute({ ...good, otherPools: [good] })).rejects.toBeInstanceOf(BackendError);
    await expect(executable.execute(good)).rejects.toBeInstanceOf(BackendError);
    expect((await executable.execute({ ...good, otherPools: [good, good] })).logits).toHaveLength(2 * width);
    await executable.close();
  });

  it('copies blocks in each pool', async () => {
    const kv = { kvHeadCount, headSize, blockSize: 16, keyDType: 'f32', valueDType: 'f32' } as const;
    const limits = { maxTokens: 8, maxSequences: 1, maxOutputs: 8, maxContextTokens: 64 };
    const pool = (layerCount: number): PoolOptions => ({ kv: { ...kv, layerCount }, blockCount: 4 });
    const executable = await backend.compile(program, { weights, ...pool(2), otherPools: [pool(1), pool(2)], limits });
    const ids = [5, 6, 7];
    const whole = bindStep([{ tokenIds: ids, firstPosition: 0, blocks: [0] }], 16);
    const wanted = (await executable.execute({ ...whole, otherPools: [whole, whole] })).logits.slice(2 * width);
    const last = (to: number) => bindStep([{ tokenIds: [7], firstPosition: 2, blocks: [to] }], 16, [[0, to]]);
    const step = { ...last(1), otherPools: [last(2), last(3)] };
    expectSameBits((await executable.execute(step)).logits, wanted);
    await executable.close();
  });

  it('moves blocks out of each pool and into it, or says that it cannot', async () => {
    const kv = { kvHeadCount, headSize, blockSize: 16, keyDType: 'f32', valueDType: 'f32' } as const;
    const limits = { maxTokens: 8, maxSequences: 1, maxOutputs: 8, maxContextTokens: 64 };
    const pool = (layerCount: number): PoolOptions => ({ kv: { ...kv, layerCount }, blockCount: 4 });
    const pools = [pool(2), pool(1), pool(2)];
    const executable = await backend.compile(program, { weights, ...pools[0], otherPools: pools.slice(1), limits });
    const step = (tokens: readonly number[], firstPosition: number, blocks: readonly number[]) => {
      const [first, ...others] = blocks.map((block) =>
        bindStep([{ tokenIds: tokens, firstPosition, blocks: [block] }], 16),
      );
      return executable.execute({ ...first, otherPools: others });
    };
    const wanted = (await step([5, 6, 7], 0, [0, 1, 2])).logits.slice(2 * width);
    for (const [index, { kv: layout }] of pools.entries()) {
      const bytes = new Uint8Array(kvBlockBytes(layout));
      executable.readBlock(index, bytes, index);
      executable.writeBlock(3, bytes, index);
    }
    expectSameBits((await step([7], 2, [3, 3, 3])).logits, wanted);
    expect(() => executable.readBlock(0, new Uint8Array(4), 3)).toThrow(BackendError);
    await executable.close();
  });
});

describe.each(subjects)('two copies of K and V on %s', (name, create) => {
  const backend = create(1);
  const plain = programOf([null, null]);
  const count = name === 'reference' ? 200 : tokenIds.length;

  it('reads what is recent and the sinks in full precision, the rest in int8', async () => {
    for (const aging of [
      { recentTokens: 40, sinkTokens: 5 },
      { recentTokens: 1, sinkTokens: 0 },
    ]) {
      const ours = await run(backend, agingProgram(plain, aging), 200, { types: ['int8', 'f32'] });
      const wanted = await run(reference, agingProgram(plain, aging), 200, { types: ['int8', 'f32'] });
      expect(relativeError(ours, wanted)).toBeLessThan(name === 'reference' ? 1e-12 : 4e-3);
      const all = await run(backend, plain, 200, { types: ['f32'] });
      const none = await run(backend, plain, 200, { types: ['int8'] });
      // Until something is no longer recent nothing differs; and then it is nearer than int8 alone.
      const firstOld = Array.from({ length: 200 }, (_, p) => p).find((p) => recentStart(p, aging) > 0)!;
      expectSameBits(ours.subarray(0, firstOld * width), all.subarray(0, firstOld * width));
      expect(ours).not.toEqual(all);
      expect(relativeError(ours, all)).toBeLessThan(relativeError(none, all));
    }
  });

  it('computes full attention where both copies are precise', async () => {
    for (const aging of [
      { recentTokens: 300, sinkTokens: 4 },
      { recentTokens: 33, sinkTokens: 256 },
      { recentTokens: 1, sinkTokens: 0 },
    ]) {
      const rows = await run(backend, agingProgram(plain, aging), count, { types: ['f32', 'f32'], chunk: 200 });
      expect(relativeError(rows, await run(backend, plain, count, { chunk: 200 }))).toBeLessThan(1e-5);
    }
  });

  it('gives the same bits in any chunk, block size and number of threads', async () => {
    for (const aging of [
      { recentTokens: 100, sinkTokens: 4 },
      { recentTokens: 17, sinkTokens: 0 },
      { recentTokens: 64, sinkTokens: 256 },
    ]) {
      const program = agingProgram(plain, aging);
      const types = ['int8', 'f16'] as const;
      const whole = await run(backend, program, count, { types });
      const others: [Run, number][] = [
        [{ chunk: 131, blockSize: 32, sparse: true }, 3],
        [{ chunk: 48, blockSize: 5, sparse: true }, 2],
      ];
      for (const [options, threads] of others) {
        expect(await run(create(threads), program, count, { ...options, types })).toEqual(whole);
      }
      // One token at a time, over what was computed in chunks.
      const tail = await run(create(2), program, name === 'reference' ? 70 : 330, { types, chunk: 1, sparse: true });
      expectSameBits(tail, whole.subarray(0, tail.length));
    }
  }, 60_000);

  it('keeps what a window of recent tokens must hold', () => {
    const aging = { recentTokens: 100, sinkTokens: 4 };
    for (let p = 0; p < 1000; p++) {
      const start = recentStart(p, aging);
      expect(start % 64).toBe(0);
      expect(p + 1 - start).toBeGreaterThanOrEqual(Math.min(p + 1, aging.recentTokens));
      if (start > 0) expect(p + 1 - start).toBeLessThanOrEqual(recentWindow(aging));
    }
  });
});
