// Models in which some layers have a sliding window: each kind of layer has blocks of its own, and the windowed ones are given back.

import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { cpuBackendForTests } from '../backends/testing/cpu-backend.ts';
import { InvalidRequestError } from '../errors/errors.ts';
import type { Engine, EngineOptions, GenerateResult } from './api.ts';
import { createEngine } from './create-engine.ts';

const fixture = (name: string) => fileURLToPath(new URL(`../../test/fixtures/oracle/${name}`, import.meta.url));
/** Three layers, of which the second and third have a window of 11. */
const model = fixture('qwen2-hybrid');
const tokenIds = Array.from({ length: 90 }, (_, i) => (i * 37 + 11) % 250);
const blockSize = 4;

async function withEngine<T>(options: Partial<EngineOptions>, use: (engine: Engine) => Promise<T>): Promise<T> {
  const engine = await createEngine({
    model,
    backend: 'reference',
    blockSize,
    maxNumSeqs: 4,
    maxNumBatchedTokens: 32,
    maxModelLen: 200,
    checkIntegrity: true,
    ...options,
  });
  try {
    return await use(engine);
  } finally {
    await engine.close();
  }
}

const answer = ({ choices }: GenerateResult) => choices.map(({ tokenIds: ids, logprobs }) => [ids, logprobs]);
const sampling = { maxTokens: 60, temperature: 0.8, seed: 5, ignoreEos: true, logprobs: 2 };

describe('a model with a sliding window in some layers', () => {
  const cpu = cpuBackendForTests();
  for (const backend of ['reference', 'cpu'] as const) {
    it.skipIf(backend === 'cpu' && cpu.skipReason)(
      `answers the same with blocks apart and shared, on ${backend}`,
      async () => {
        const generate = (engine: Engine) => engine.generate({ tokenIds, sampling, n: 2 }).result();
        const apart = await withEngine({ backend }, generate);
        const shared = await withEngine({ backend, hybridCacheGroups: false }, generate);
        const contiguous = await withEngine({ backend, memory: 'contiguous-exact' }, generate);
        expect(answer(apart)).toEqual(answer(shared));
        expect(answer(apart)).toEqual(answer(contiguous));
      },
    );
  }

  it('gives back the blocks of windowed layers while it runs', async () => {
    const most = (options: Partial<EngineOptions>) =>
      withEngine(options, async (engine) => {
        let held = 0;
        let length = 0;
        for await (const event of engine.generate({ tokenIds, sampling })) {
          if (event.type !== 'token') continue;
          const [sequence] = engine.blockMap().sequences;
          if (sequence === undefined) continue;
          held = Math.max(held, sequence.blocks.length);
          length = Math.max(length, sequence.computedTokens);
        }
        return { held, length };
      });
    const apart = await most({});
    expect(apart.length).toBeGreaterThan(120);
    const fullBlocks = Math.ceil(150 / blockSize);
    // A window of 11 lies in four blocks of 4; the step in flight has a token more.
    expect(apart.held).toBeLessThanOrEqual(fullBlocks + 5);
    expect(apart.held).toBeGreaterThan(Math.floor(apart.length / blockSize));
    // In one pool a block holds all layers: as many blocks, of three layers each.
    expect((await most({ hybridCacheGroups: false })).held).toBeGreaterThan(apart.held - 6);
  });

  it('runs more sequences in the same memory', async () => {
    // f32 K and V of a layer's block: 2 heads of 8.
    const layerBytes = blockSize * 2 * 2 * 8 * 4;
    const sequenceBlocks = 200 / blockSize;
    const preemptions = (hybridCacheGroups: false | undefined) =>
      withEngine({ hybridCacheGroups, kvCacheMemoryBytes: 1.9 * sequenceBlocks * 3 * layerBytes }, async (engine) => {
        const run = (first: number) =>
          engine.generate({ tokenIds: [first, ...tokenIds], sampling: { ...sampling, maxTokens: 105 } }).result();
        await Promise.all([run(1), run(2), run(3)]);
        return engine.stats().preemptions;
      });
    expect(await preemptions(false)).toBeGreaterThan(0);
    expect(await preemptions(undefined)).toBe(0);
  });

  it('hits a prefix whose windowed blocks are those that its end needs', async () => {
    await withEngine({}, async (engine) => {
      const first = await engine.generate({ tokenIds, sampling: { ...sampling, maxTokens: 8 } }).result();
      const again = [...tokenIds, ...first.choices[0].tokenIds, 1, 2, 3];
      const { usage } = await engine.generate({ tokenIds: again, sampling: { ...sampling, maxTokens: 4 } }).result();
      expect(usage.cachedTokens).toBeGreaterThanOrEqual(96);
      // An earlier end needs windowed blocks that are cached too: nobody has pushed them out.
      const shorter = await engine.generate({ tokenIds: [...tokenIds.slice(0, 50), 7, 7], sampling }).result();
      expect(shorter.usage.cachedTokens).toBeGreaterThanOrEqual(48);
    });
  });

  it('refuses contiguous memory', async () => {
    await expect(withEngine({ hybridCacheGroups: true, memory: 'contiguous-max' }, async () => {})).rejects.toThrow(
      InvalidRequestError,
    );
  });
});
