// Sessions through the engine: resumed in another process with the same tokens, refused where they do not belong.

import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SessionFileError } from '../errors/errors.ts';
import { synthesizeGguf } from '../models/synth/index.ts';
import { bundledModelPath } from '../models/testing/bundled-model.ts';
import type { Engine, EngineOptions } from './api.ts';
import { createEngine } from './create-engine.ts';

const model = bundledModelPath();
const small = {
  model,
  maxModelLen: 256,
  maxNumSeqs: 8,
  kvCacheMemoryBytes: 8 << 20,
  checkIntegrity: true,
  threads: 1,
} as const satisfies EngineOptions;
const greedy = { temperature: 0, ignoreEos: true };
const prompt =
  'Once upon a time there was a girl who had a very big red ball. One day she went to the park with her ball and';

async function faultOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => null,
    (refusal: unknown) => refusal,
  );
  expect(error).toBeInstanceOf(SessionFileError);
  return (error as SessionFileError).fault;
}

async function withEngine<T>(options: Partial<EngineOptions>, body: (engine: Engine) => Promise<T>): Promise<T> {
  const engine = await createEngine({ ...small, ...options });
  try {
    return await body(engine);
  } finally {
    await engine.close();
  }
}

describe('sessions', () => {
  let folder: string;
  let path: string;
  let tokenIds: number[];
  let goesOn: readonly number[];
  let fullBlockTokens: number;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'octavo-session-'));
    path = join(folder, 'one.session');
    await withEngine({}, async (engine) => {
      const first = await engine.generate({ prompt, sampling: { ...greedy, maxTokens: 40 }, cacheSalt: 'a' }).result();
      tokenIds = [...first.promptTokenIds, ...first.choices[0].tokenIds];
      // The last token is known but was not computed.
      fullBlockTokens = Math.floor((tokenIds.length - 1) / 16) * 16;
      const info = await engine.saveSession({ path, tokenIds, cacheSalt: 'a', data: '{"turns":1}' });
      expect(info).toEqual({ tokenCount: tokenIds.length, cachedTokens: fullBlockTokens });
      // What another salt cached is not ours to save.
      const other = await engine.saveSession({ path: join(folder, 'other'), tokenIds, cacheSalt: 'b' });
      expect(other.cachedTokens).toBe(0);
    });
    await withEngine({ enablePrefixCaching: false }, async (engine) => {
      const { choices } = await engine.generate({ tokenIds, sampling: { ...greedy, maxTokens: 16 } }).result();
      goesOn = choices[0].tokenIds;
    });
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('is resumed by another process, which hits every block and generates the same', async () => {
    const script = fileURLToPath(new URL('./testing/resume-session.ts', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', script, model, path, 'auto']);
    expect(JSON.parse(stdout)).toEqual({
      loadedTokens: fullBlockTokens,
      data: '{"turns":1}',
      cachedTokens: fullBlockTokens,
      tokenIds: goesOn,
    });
  }, 60_000);

  it('comes back under the salt that is asked for and no other, and beside what runs', async () => {
    await withEngine({}, async (engine) => {
      const busy = engine.generate({ prompt: 'A dog', sampling: { ...greedy, maxTokens: 100 } }).result();
      const [session] = await Promise.all([
        engine.loadSession(path, { cacheSalt: 's' }),
        engine.generate({ prompt: 'The cat', sampling: { ...greedy, maxTokens: 30 } }).result(),
      ]);
      expect(session.cachedTokens).toBe(fullBlockTokens);
      const sampling = { ...greedy, maxTokens: 16 };
      const ours = await engine.generate({ tokenIds: session.tokenIds, sampling, cacheSalt: 's' }).result();
      expect(ours.usage.cachedTokens).toBe(fullBlockTokens);
      expect(ours.choices[0].tokenIds).toEqual(goesOn);
      const theirs = await engine.generate({ tokenIds: session.tokenIds, sampling }).result();
      expect(theirs.usage.cachedTokens).toBe(0);
      expect(theirs.choices[0].tokenIds).toEqual(goesOn);
      const again = await engine.loadSession(path, { cacheSalt: 's' });
      expect(again.cachedTokens).toBeGreaterThanOrEqual(fullBlockTokens);
      expect((await busy).choices[0].tokenIds).toHaveLength(100);
      expect(engine.stats().usedBlocks).toBe(0);
    });
  });

  it('loads a leading part where the pool is short, and requests wait for the rest of the pool', async () => {
    const { kvBytes } = await withEngine({}, async ({ memory }) => memory);
    const blockCount = await withEngine({}, async (engine) => engine.stats().totalBlocks);
    const blocks = fullBlockTokens / 16 - 1;
    const kvCacheMemoryBytes = (kvBytes / blockCount) * blocks;
    await withEngine({ maxModelLen: undefined, kvCacheMemoryBytes }, async (engine) => {
      expect(engine.stats().totalBlocks).toBe(blocks);
      const loading = engine.loadSession(path);
      // Needs the whole pool, while the load has it.
      const wide = tokenIds.slice(0, blocks * 16 - 4);
      const [session, result] = await Promise.all([
        loading,
        engine.generate({ tokenIds: wide, sampling: { ...greedy, maxTokens: 4 } }).result(),
      ]);
      expect(session.cachedTokens).toBeLessThanOrEqual(blocks * 16);
      expect(result.choices[0].tokenIds).toHaveLength(4);
      const second = await engine.loadSession(path);
      expect(second.cachedTokens).toBe(blocks * 16);
      expect(second.tokenIds).toEqual(tokenIds);
    });
  });

  it('is refused by another KV type, block size, backend or model', async () => {
    const load = (options: Partial<EngineOptions>) =>
      withEngine(options, (engine) => faultOf(engine.loadSession(path)));
    expect(await load({ kvCacheDtype: 'int8' })).toBe('kv_type');
    expect(await load({ blockSize: 8 })).toBe('layout');
    await withEngine({ backend: 'reference' }, async (engine) => {
      const own = await withEngine({}, async ({ backendDescription }) => backendDescription);
      if (own !== engine.backendDescription) expect(await faultOf(engine.loadSession(path))).toBe('layout');
    });
    const other = join(folder, 'other.gguf');
    await synthesizeGguf({ shape: 'tiny-llama', dtype: 'f32', path: other, seed: 1 });
    expect(await load({ model: other, maxModelLen: 64 })).toBe('model');
  });

  it('tells two sets of weights of one shape apart', async () => {
    const paths = [1, 2].map((seed) => join(folder, `seed-${seed}.gguf`));
    for (const [i, file] of paths.entries())
      await synthesizeGguf({ shape: 'tiny-llama', dtype: 'f32', path: file, seed: i + 1 });
    const saved = join(folder, 'seeded');
    await withEngine({ model: paths[0], maxModelLen: 64 }, (engine) =>
      engine.saveSession({ path: saved, tokenIds: [1, 2] }),
    );
    await withEngine({ model: paths[0], maxModelLen: 64 }, async (engine) => {
      expect((await engine.loadSession(saved)).tokenIds).toEqual([1, 2]);
    });
    await withEngine({ model: paths[1], maxModelLen: 64 }, async (engine) => {
      expect(await faultOf(engine.loadSession(saved))).toBe('model');
    });
  });

  it('is refused when cut off or damaged, and leaves nothing of it behind', async () => {
    const damaged = join(folder, 'damaged');
    const bytes = await readFile(path);
    await withEngine({}, async (engine) => {
      await writeFile(damaged, bytes);
      await truncate(damaged, bytes.length - 1);
      expect(await faultOf(engine.loadSession(damaged))).toBe('truncated');
      const last = Buffer.from(bytes);
      last[bytes.length - 100] ^= 4;
      await writeFile(damaged, last);
      expect(await faultOf(engine.loadSession(damaged))).toBe('corrupt');
      await writeFile(damaged, 'nothing of the kind, but long enough');
      expect(await faultOf(engine.loadSession(damaged))).toBe('not_a_session');
      expect(await faultOf(engine.loadSession(join(folder, 'absent')))).toBe('io');
      const { usedBlocks, cachedBlocks } = engine.stats();
      expect({ usedBlocks, cachedBlocks }).toEqual({ usedBlocks: 0, cachedBlocks: 0 });
    });
  });

  it('keeps the old file when a save fails, and saves in turn', async () => {
    await withEngine({}, async (engine) => {
      const before = await readFile(path);
      await mkdir(`${path}.new/in-the-way`, { recursive: true });
      expect(await faultOf(engine.saveSession({ path, tokenIds }))).toBe('io');
      expect(Buffer.compare(before, await readFile(path))).toBe(0);
      await rm(`${path}.new`, { recursive: true });
      expect(await faultOf(engine.saveSession({ path: join(folder, 'no', 'folder'), tokenIds }))).toBe('io');
      const both = join(folder, 'both');
      await Promise.all([1, 2, 3].map((n) => engine.saveSession({ path: both, tokenIds: [n, n] })));
      expect((await engine.loadSession(both)).tokenIds).toEqual([3, 3]);
      expect((await stat(both)).mode & 0o077).toBe(0);
    });
  });

  it('of a model with a window holds the window, and goes on the same', async () => {
    const mistral = fileURLToPath(new URL('../../test/fixtures/oracle/mistral/model.gguf', import.meta.url));
    const options = { model: mistral, maxModelLen: 120, blockSize: 4, kvCacheMemoryBytes: 1 << 20 };
    const windowed = join(folder, 'windowed');
    const tokens = Array.from({ length: 70 }, (_, i) => 3 + ((i * 13) % 90));
    const sampling = { ...greedy, maxTokens: 20 };
    const wanted = await withEngine({ ...options, enablePrefixCaching: false }, (engine) =>
      engine.generate({ tokenIds: tokens, sampling }).result(),
    );
    const pages = await withEngine(options, async (engine) => {
      await engine.generate({ tokenIds: tokens, sampling: { ...greedy, maxTokens: 1 } }).result();
      const info = await engine.saveSession({ path: windowed, tokenIds: tokens });
      expect(info).toEqual({ tokenCount: 70, cachedTokens: 68 });
      const { size } = await stat(windowed);
      const perBlock = engine.memory.kvBytes / engine.stats().totalBlocks;
      return Math.floor(size / perBlock);
    });
    // Of 17 blocks: tokens 56 to 67, which the window of 13 of the next one reaches.
    expect(pages).toBe(3);
    await withEngine(options, async (engine) => {
      const session = await engine.loadSession(windowed);
      expect(session.cachedTokens).toBe(68);
      const { choices, usage } = await engine.generate({ tokenIds: session.tokenIds, sampling }).result();
      expect(usage.cachedTokens).toBe(68);
      expect(choices[0].tokenIds).toEqual(wanted.choices[0].tokenIds);
      expect(engine.stats().usedBlocks).toBe(0);
    });
  });

  it('is refused by an engine that is closed', async () => {
    const engine = await createEngine(small);
    const { promptTokenIds } = await engine.generate({ prompt, sampling: { ...greedy, maxTokens: 1 } }).result();
    await engine.close();
    await expect(engine.saveSession({ path, tokenIds: promptTokenIds })).rejects.toThrow(/closed|shut/i);
  });
});
