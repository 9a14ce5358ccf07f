// Tiers through the public API, on the bundled model: evicted prefixes come back, also in another process's place.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InvalidRequestError, TierFolderError } from '../errors/errors.ts';
import { bundledModelPath } from '../models/testing/bundled-model.ts';
import { createMemoryFiles } from '../tiers/testing/memory-files.ts';
import type { Engine, EngineOptions, TierSettings } from './api.ts';
import { createEngine } from './create-engine.ts';

const model = bundledModelPath();
const sampling = { temperature: 0, maxTokens: 4, ignoreEos: true, logprobs: 1 };
/** Prompts of 192 tokens, 12 blocks each; the pool holds 20. */
const promptOf = (seed: number) => Array.from({ length: 192 }, (_, i) => 20 + ((i * 31 + seed * 977) % 900));

let blockBytes = 0;
async function open(tiers: TierSettings | undefined, more: Partial<EngineOptions> = {}): Promise<Engine> {
  if (blockBytes === 0) {
    const probe = await createEngine({ model, maxModelLen: 256, maxNumSeqs: 1, kvCacheMemoryBytes: 8 << 20 });
    blockBytes = probe.memory.kvBytes / probe.stats().totalBlocks;
    await probe.close();
  }
  const pool = { maxModelLen: 256, maxNumSeqs: 4, kvCacheMemoryBytes: 20 * blockBytes, checkIntegrity: true };
  return createEngine({ model, ...pool, tiers, ...more });
}

const ask = async (engine: Engine, seed: number) => {
  const { choices, usage } = await engine.generate({ tokenIds: promptOf(seed), sampling }).result();
  return { choices, cachedTokens: usage.cachedTokens };
};

describe('tiers below the pool', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'octavo-tiers-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('bring an evicted prefix back from host memory, with the same answer', async () => {
    await using engine = await open({ hostBytes: 64 << 20 });
    const first = await ask(engine, 1);
    for (const seed of [2, 3, 4]) await ask(engine, seed);
    const again = await ask(engine, 1);
    expect(again.choices).toEqual(first.choices);
    // All full blocks but the last prompt token's.
    expect(again.cachedTokens).toBe(176);
    const { tiers } = engine.stats();
    expect(tiers?.pagesIn).toBeGreaterThanOrEqual(11);
    expect(tiers?.pagesOut).toBeGreaterThanOrEqual(24);
    expect(tiers?.tiers.map(({ name }) => name)).toEqual(['host']);
    expect(tiers?.tiers[0].hits).toBe(tiers?.pagesIn);
    expect(tiers?.lostPages).toBe(0);
  });

  it('compute it again without tiers', async () => {
    await using engine = await open(undefined);
    for (const seed of [1, 2, 3, 4]) await ask(engine, seed);
    expect((await ask(engine, 1)).cachedTokens).toBe(0);
    expect(engine.stats().tiers).toBeNull();
  });

  it.each([
    ['alone', {}],
    ['under a host tier', { hostBytes: 64 << 20 }],
  ])(
    'keep prefixes in a folder for the next engine, %s, and for none that computes otherwise',
    async (_label, host) => {
      const settings = { path: join(folder, 'pages'), fileBytes: 256 << 20, ...host };
      const engine = await open(settings);
      const first = await ask(engine, 1);
      await expect(open(settings)).rejects.toBeInstanceOf(TierFolderError);
      await engine.close();
      {
        await using next = await open(settings);
        const again = await ask(next, 1);
        expect(again.choices).toEqual(first.choices);
        expect(again.cachedTokens).toBe(176);
        expect(next.stats().tiers?.tiers.find(({ name }) => name === 'file')?.hits).toBe(11);
      }
      await using other = await open(settings, { kvCacheDtype: 'int8' });
      expect((await ask(other, 1)).cachedTokens).toBe(0);
    },
  );

  it.skipIf(process.platform !== 'linux')('refuse a folder that cannot be made, at once', async () => {
    await expect(open({ path: '/proc/octavo/pages' })).rejects.toBeInstanceOf(TierFolderError);
  });

  it('let many requests wait for one load while others run', async () => {
    await using engine = await open({ hostBytes: 64 << 20 });
    const first = await ask(engine, 1);
    for (const seed of [2, 3, 4]) await ask(engine, seed);
    const before = engine.stats().tiers!;
    const answers = await Promise.all([ask(engine, 1), ask(engine, 1), ask(engine, 1)]);
    for (const { choices } of answers) expect(choices).toEqual(first.choices);
    const after = engine.stats().tiers!;
    expect(after.pagesIn - before.pagesIn).toBe(11);
    expect(after.joinedLoads - before.joinedLoads).toBeGreaterThan(0);
  });

  it('answer all the same when the disk fails', async () => {
    const files = createMemoryFiles();
    const events: string[] = [];
    await using engine = await open({
      path: '/pages',
      fileBytes: 256 << 20,
      files,
      onEvent: ({ kind }) => events.push(kind),
    });
    const first = await ask(engine, 1);
    for (const seed of [2, 3, 4]) await ask(engine, seed);
    files.decide = ({ name }) => (name === 'read' || name === 'write' ? 'EIO' : null);
    const again = await ask(engine, 1);
    expect(again.choices).toEqual(first.choices);
    expect(again.cachedTokens).toBe(0);
    expect(engine.stats().tiers?.failedPages).toBeGreaterThan(0);
    expect(events).toContain('fault');
  });

  it.each([
    ['bytes that are no bytes', { hostBytes: 0 }, {}],
    ['a host tier smaller than a page', { hostBytes: 1000 }, {}],
    ['an unknown form', { hostBytes: 1 << 24, hostForm: 'zip' as 'raw' }, {}],
    ['no folder name', { path: '' }, {}],
    ['no prefix cache', { hostBytes: 1 << 24 }, { enablePrefixCaching: false }],
    ['contiguous memory', { hostBytes: 1 << 24 }, { memory: 'contiguous-max' as const }],
    [
      'a smaller form of what is small',
      { hostBytes: 1 << 24, hostForm: 'int8' as const },
      { kvCacheDtype: 'int8' as const },
    ],
  ])('refuse %s', async (_label, tiers, more) => {
    await expect(open(tiers, more)).rejects.toBeInstanceOf(InvalidRequestError);
  });
});
