// The CPU backend as an object: options, loading, one step at a time, closing.

import { afterEach, expect, it } from 'vitest';
import { BackendError, ModelFileError } from '../../errors/errors.ts';
import { createProgramBuilder } from '../../program/builder.ts';
import { createRandom } from '../../random/random.ts';
import type { Backend, CompileOptions, WeightSource } from '../backend.ts';
import { createMemoryWeights, randomWeight } from '../testing/memory-weights.ts';
import { expectSameBits } from '../testing/same-bits.ts';
import { bindStep } from '../testing/step.ts';
import { createCpuBackend } from './index.ts';
import { describeInstructionSets } from './testing/instruction-sets.ts';

const random = createRandom(1);
const tensors = { embedding: randomWeight('q8_0', 300, 64, random), norm: randomWeight('f32', 1, 64, random) };

function model() {
  const b = createProgramBuilder({ vocabSize: 300, hiddenSize: 64, layerCount: 1, kvHeadCount: 1, headSize: 64 });
  const embedding = b.weight('embedding', 300, 64);
  const x = b.rmsNorm(b.embed(embedding), b.weight('norm', 1, 64), 1e-5);
  return b.finish(b.selectOutputs(b.linear(x, embedding)));
}

function options(overrides: Partial<CompileOptions> = {}): CompileOptions {
  return {
    weights: createMemoryWeights(tensors),
    kv: { layerCount: 1, kvHeadCount: 1, headSize: 64, blockSize: 16, keyDType: 'f16', valueDType: 'f16' },
    blockCount: 8,
    limits: { maxTokens: 32, maxSequences: 4, maxOutputs: 32, maxContextTokens: 64 },
    ...overrides,
  };
}

const step = bindStep([{ tokenIds: [1, 2, 3], firstPosition: 0, blocks: [0] }], 16);

describeInstructionSets('cpu backend', (isa) => {
  let backend: Backend | null = null;
  function open(): Backend {
    backend = createCpuBackend({ threads: 2, isa });
    return backend;
  }
  afterEach(async () => {
    await backend?.close();
    backend = null;
  });

  it('refuses thread counts that are none', () => {
    for (const threads of [0, -1, 1.5, Number.NaN, 1000]) {
      expect(() => createCpuBackend({ threads })).toThrow(BackendError);
    }
  });

  it('says what it runs on', () => {
    expect(open().description).toBe(`cpu, ${isa}, 2 threads`);
  });

  it('counts a tied matrix once', async () => {
    const executable = await open().compile(model(), options());
    const packedRows = 320;
    expect(executable.memory.weightBytes).toBeLessThan(packedRows * 2 * 34 + 2048);
  });

  it('tells the progress of loading', async () => {
    const seen: number[] = [];
    const totals = new Set<number>();
    await open().compile(
      model(),
      options({
        onProgress: (loaded, total) => {
          seen.push(loaded);
          totals.add(total);
        },
      }),
    );
    const totalBytes = 300 * 68 + 256;
    expect([...totals]).toEqual([totalBytes]);
    expect(seen.at(-1)).toBe(totalBytes);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
  });

  it('stops loading when told to', async () => {
    const controller = new AbortController();
    const source: WeightSource = {
      ...createMemoryWeights(tensors),
      async read() {
        controller.abort(new Error('enough'));
      },
    };
    await expect(open().compile(model(), options({ weights: source, signal: controller.signal }))).rejects.toThrow(
      'enough',
    );
  });

  it('passes on the error of a source that cannot be read', async () => {
    const source: WeightSource = {
      ...createMemoryWeights(tensors),
      async read(name) {
        throw new ModelFileError('model.gguf', `${name} is cut short`);
      },
    };
    await expect(open().compile(model(), options({ weights: source }))).rejects.toBeInstanceOf(ModelFileError);
  });

  it('refuses a KV layout that is not the program’s, and limits that are no counts', async () => {
    const target = open();
    const kv = {
      layerCount: 1,
      kvHeadCount: 2,
      headSize: 64,
      blockSize: 16,
      keyDType: 'f16',
      valueDType: 'f16',
    } as const;
    await expect(target.compile(model(), options({ kv }))).rejects.toBeInstanceOf(BackendError);
    for (const blockCount of [0, -1, 0.5, 2 ** 31]) {
      await expect(target.compile(model(), options({ blockCount }))).rejects.toBeInstanceOf(BackendError);
    }
  });

  it('takes one step while another one runs, and waits for both before it closes', async () => {
    const executable = await open().compile(model(), options());
    const first = executable.execute(step);
    const second = executable.execute(step);
    await expect(executable.execute(step)).rejects.toBeInstanceOf(BackendError);
    expect(() => executable.readBlock(0, new Uint8Array(1))).toThrow(BackendError);
    const closed = executable.close();
    expect((await first).logits).toHaveLength(900);
    expect((await second).logits).toHaveLength(900);
    await closed;
    await expect(executable.execute(step)).rejects.toBeInstanceOf(BackendError);
    expect(() => executable.readBlock(0, new Uint8Array(1))).toThrow(BackendError);
  });

  it('returns logits that stay readable after it is closed', async () => {
    const executable = await open().compile(model(), options());
    const { logits } = await executable.execute(step);
    const copy = logits.slice();
    await executable.close();
    expectSameBits(logits, copy);
  });

  it.runIf(process.platform === 'linux')(
    'takes the memory of its pool while nothing runs, until it is closed',
    async () => {
      // 256 MiB, which no step ever touches.
      const executable = await open().compile(model(), options({ blockCount: 65_536 }));
      const before = process.memoryUsage.rss();
      const grownBy = () => (process.memoryUsage.rss() - before) / 2 ** 20;
      await expect.poll(grownBy, { timeout: 20_000 }).toBeGreaterThan(200);
      await executable.close();
      await expect.poll(grownBy, { timeout: 20_000 }).toBeLessThan(100);
    },
  );

  it('leaves the event loop free while a step runs', async () => {
    const executable = await open().compile(model(), options());
    let turned = false;
    const pending = executable.execute(step);
    setImmediate(() => {
      turned = true;
    });
    await pending;
    await new Promise((resolve) => setImmediate(resolve));
    expect(turned).toBe(true);
  });

  it('compiles no more once closed, and closes its models', async () => {
    const target = open();
    const executable = await target.compile(model(), options());
    await target.close();
    await expect(executable.execute(step)).rejects.toBeInstanceOf(BackendError);
    await expect(target.compile(model(), options())).rejects.toBeInstanceOf(BackendError);
  });

  it('refuses bindings that are not typed arrays of the right kind', async () => {
    const executable = await open().compile(model(), options());
    const bad = { ...step, tokenIds: [1, 2, 3] as unknown as Int32Array };
    await expect(executable.execute(bad)).rejects.toBeInstanceOf(BackendError);
    const fractional = { ...step, tokenCount: 2.5 };
    await expect(executable.execute(fractional)).rejects.toBeInstanceOf(BackendError);
    expect((await executable.execute(step)).logits).toHaveLength(900);
  });

  it('times the regions of a step, where that is asked for', async () => {
    const timed = createCpuBackend({ threads: 2, isa, timesRegions: true });
    try {
      const executable = await timed.compile(model(), options());
      const running = executable.execute(step);
      expect(() => executable.regionTimes()).toThrow(BackendError);
      const { kernelMs } = await running;
      const times = executable.regionTimes();
      expect(times.map(({ kind, rows, instructions, weights }) => [kind, rows, instructions, weights])).toEqual([
        ['rows', 'tokens', ['embed', 'norm', 'quantize'], []],
        ['linear', 'tokens', [], [{ name: 'embedding', rows: 300, columns: 64 }]],
        ['rows', 'outputs', ['select'], []],
      ]);
      for (const { workMs, waitMs } of times) {
        expect(workMs).toBeGreaterThan(0);
        expect(waitMs).toBeGreaterThan(0);
      }
      expect(times.reduce((sum, { workMs, waitMs }) => sum + workMs + waitMs, 0)).toBeLessThanOrEqual(kernelMs);
    } finally {
      await timed.close();
    }
    const untimed = createCpuBackend({ threads: 1, isa });
    try {
      const executable = await untimed.compile(model(), options());
      await executable.execute(step);
      expect(executable.regionTimes()).toEqual([]);
    } finally {
      await untimed.close();
    }
  });
});
