// Models of several cache groups with tiers, pins and sessions: a sliding window in some layers, and recent tokens apart from int8.

import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cpuBackendForTests } from '../backends/testing/cpu-backend.ts';
import { InvalidRequestError, SessionFileError } from '../errors/errors.ts';
import { createMemoryFiles } from '../tiers/testing/memory-files.ts';
import type { Engine, EngineOptions, GenerateResult } from './api.ts';
import { createEngine } from './create-engine.ts';

const fixture = (name: string) => fileURLToPath(new URL(`../../test/fixtures/oracle/${name}`, import.meta.url));
const cpu = cpuBackendForTests();
const sampling = { maxTokens: 6, temperature: 0.8, seed: 5, ignoreEos: true, logprobs: 2 };
const promptOf = (seed: number) => Array.from({ length: 90 }, (_, i) => (i * 37 + seed * 101) % 250);
const answer = ({ choices }: GenerateResult) => choices.map(({ tokenIds: ids, logprobs }) => [ids, logprobs]);

interface Subject {
  readonly label: string;
  readonly options: Partial<EngineOptions> & Pick<EngineOptions, 'model' | 'backend'>;
}

/** Of the first: three layers, two of them with a window of 11. Of the second: all layers in two copies. */
const models: readonly (readonly [string, Partial<EngineOptions> & Pick<EngineOptions, 'model'>])[] = [
  ['a sliding window in some layers', { model: fixture('qwen2-hybrid') }],
  [
    'recent tokens apart from int8',
    { model: fixture('qwen2/model.gguf'), kvCacheAging: { recentTokens: 9, sinkTokens: 5 }, kvCacheDtype: 'f16' },
  ],
];
const subjects = models.flatMap(([label, options]): Subject[] => [
  { label: `${label}, reference`, options: { ...options, backend: 'reference' } },
  ...(cpu.skipReason === false ? [{ label: `${label}, cpu`, options: { ...options, backend: 'cpu' as const } }] : []),
]);

describe.each(subjects)('cache groups, $label', ({ options }) => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'octavo-groups-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function withEngine<T>(more: Partial<EngineOptions>, use: (engine: Engine) => Promise<T>): Promise<T> {
    const engine = await createEngine({
      blockSize: 4,
      maxNumSeqs: 4,
      maxNumBatchedTokens: 32,
      maxModelLen: 128,
      checkIntegrity: true,
      ...options,
      ...more,
    });
    try {
      return await use(engine);
    } finally {
      await engine.close();
    }
  }

  /** Kernels may compute so small a model in less time than its pages are read: then that is right. */
  const loadsAlways = options.backend === 'reference';

  const ask = (engine: Engine, seed: number) => engine.generate({ tokenIds: promptOf(seed), sampling }).result();
  const alone = (seed: number) => withEngine({ enablePrefixCaching: false }, (engine) => ask(engine, seed));
  /** A pool of little more than one sequence, so that each prompt pushes out the one before it. */
  const tightBytes = () =>
    withEngine({ maxNumSeqs: 1, kvCacheMemoryBytes: undefined }, async ({ memory }) => Math.ceil(memory.kvBytes * 1.1));

  it('brings an evicted prefix back from host memory, with the same answer', async () => {
    const wanted = answer(await alone(1));
    const kvCacheMemoryBytes = await tightBytes();
    await withEngine({ kvCacheMemoryBytes, tiers: { hostBytes: 4 << 20 } }, async (engine) => {
      const first = await ask(engine, 1);
      expect(answer(first)).toEqual(wanted);
      for (const seed of [2, 3, 4]) await ask(engine, seed);
      const again = await ask(engine, 1);
      expect(answer(again)).toEqual(wanted);
      const { tiers, usedBlocks } = engine.stats();
      if (loadsAlways) {
        expect(again.usage.cachedTokens).toBe(88);
        // 22 blocks of the full group, and those that the window of the other reaches.
        expect(tiers?.pagesIn).toBeGreaterThanOrEqual(22 + 1);
        expect(tiers?.pagesIn).toBeLessThan(2 * 22 + 2);
      }
      expect(tiers?.tiers.map(({ name, state }) => [name, state])).toEqual([['host', 'ready']]);
      expect(tiers?.tiers[0].hits).toBe(tiers?.pagesIn);
      expect(tiers?.lostPages).toBe(0);
      expect(usedBlocks).toBe(0);
    });
  });

  it('brings it back from files in the next process, and never takes more room than it may', async () => {
    const wanted = answer(await alone(1));
    const kvCacheMemoryBytes = await tightBytes();
    const tiers = { path: folder, fileBytes: 2 << 20 };
    await withEngine({ kvCacheMemoryBytes, tiers }, async (engine) => {
      for (const seed of [1, 2]) await ask(engine, seed);
    });
    expect(await readdir(folder)).toContain('group-1');
    const files = async (path: string): Promise<string[]> =>
      (await readdir(path, { recursive: true, withFileTypes: true }))
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name));
    const sizes = await Promise.all((await files(folder)).map(async (file) => (await stat(file)).size));
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(tiers.fileBytes);
    await withEngine({ kvCacheMemoryBytes, tiers }, async (engine) => {
      const again = await ask(engine, 1);
      if (loadsAlways) expect(again.usage.cachedTokens).toBe(88);
      expect(answer(again)).toEqual(wanted);
    });
    // Pages of groups that are no more make room.
    await writeFile(join(folder, 'group-1', 'of-somebody-else'), 'stays');
    const one = { hybridCacheGroups: false, kvCacheAging: undefined, kvCacheDtype: 'f32' } as const;
    await withEngine({ ...one, tiers }, (engine) => ask(engine, 1));
    expect(await readdir(join(folder, 'group-1'))).toEqual(['of-somebody-else']);
  });

  it('computes what faults cost, and nothing wrong', async () => {
    const kvCacheMemoryBytes = await tightBytes();
    for (const fault of ['EIO', 'flip'] as const) {
      const files = createMemoryFiles();
      const tiers = { path: '/pages', fileBytes: 2 << 20, files };
      await withEngine({ kvCacheMemoryBytes, tiers }, async (engine) => {
        for (const seed of [1, 2, 3]) await ask(engine, seed);
        files.decide = ({ name, path }) => (name === 'read' && path.includes('group-1') ? fault : null);
        expect(answer(await ask(engine, 1))).toEqual(answer(await alone(1)));
        files.decide = ({ name, path }) => (name === 'read' && !path.includes('group-1') ? fault : null);
        expect(answer(await ask(engine, 2))).toEqual(answer(await alone(2)));
        if (loadsAlways) expect(engine.stats().tiers?.failedPages).toBeGreaterThan(0);
        expect(engine.stats().usedBlocks).toBe(0);
        files.decide = null;
      });
      expect(files.openFileCount).toBe(0);
    }
  });

  it('pins a prefix in every group until it is released, within a budget for each', async () => {
    const kvCacheMemoryBytes = 5 * (await tightBytes());
    await withEngine({ kvCacheMemoryBytes }, async (engine) => {
      await ask(engine, 1);
      const pin = engine.pinPrefix({ tokenIds: promptOf(1), leaseMs: 60_000 });
      expect(pin.pinnedTokens).toBe(88);
      const { pinnedBlocks } = engine.stats();
      expect(pinnedBlocks).toBeGreaterThan(22);
      expect(pinnedBlocks).toBeLessThan(22 + 22);
      expect(engine.stats().usedBlocks).toBe(pinnedBlocks);
      for (let seed = 2; seed < 12; seed++) await ask(engine, seed);
      expect((await ask(engine, 1)).usage.cachedTokens).toBeGreaterThanOrEqual(88);
      for (let seed = 2; seed < 12; seed++) {
        await ask(engine, seed);
        try {
          engine.pinPrefix({ tokenIds: promptOf(seed), leaseMs: 60_000 });
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidRequestError);
        }
      }
      expect(() => engine.pinPrefix({ tokenIds: promptOf(11), leaseMs: 60_000 })).toThrow('cache group');
      pin.release();
    });
  });

  it('saves a session that another engine goes on from, and refuses it elsewhere', async () => {
    const path = join(folder, 'one.session');
    const tokenIds = promptOf(1);
    const wanted = answer(await alone(1));
    await withEngine({}, async (engine) => {
      await ask(engine, 1);
      const info = await engine.saveSession({ path, tokenIds, data: 'data' });
      expect(info).toEqual({ tokenCount: 90, cachedTokens: 88 });
    });
    await withEngine({}, async (engine) => {
      const session = await engine.loadSession(path);
      expect(session).toEqual({ tokenIds, cachedTokens: 88, data: 'data' });
      const { usedBlocks, cachedBlocks } = engine.stats();
      expect(usedBlocks).toBe(0);
      // A window's last blocks only.
      expect(cachedBlocks).toBeGreaterThan(22);
      expect(cachedBlocks).toBeLessThan(22 + 22);
      const result = await ask(engine, 1);
      expect(result.usage.cachedTokens).toBe(88);
      expect(answer(result)).toEqual(wanted);
    });
    const faultOf = (more: Partial<EngineOptions>) =>
      withEngine(more, (engine) =>
        engine.loadSession(path).then(
          () => null,
          (error: SessionFileError) => error.fault,
        ),
      );
    const one = { hybridCacheGroups: false, kvCacheAging: undefined } as const;
    const { kvCacheAging } = options;
    expect(await faultOf(one)).toBe(kvCacheAging ? 'model' : 'layout');
    if (kvCacheAging) expect(await faultOf({ kvCacheAging: { ...kvCacheAging, recentTokens: 10 } })).toBe('model');
    expect(await faultOf({ blockSize: 8 })).toBe('layout');
    // One damaged page in the last group refuses all of it.
    const { size } = await stat(path);
    const bytes = await readFile(path);
    bytes[size - 3] ^= 1;
    await writeFile(path, bytes);
    await withEngine({}, async (engine) => {
      await expect(engine.loadSession(path)).rejects.toBeInstanceOf(SessionFileError);
      expect(engine.stats()).toMatchObject({ usedBlocks: 0, cachedBlocks: 0 });
    });
  });
});
