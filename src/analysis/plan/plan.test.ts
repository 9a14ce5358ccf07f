// The planner: the engine starts with just the pool that was predicted, sizes as worked by hand, verdicts and errors.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '../../engine/index.ts';
import { InvalidRequestError, ModelFileError, UnsupportedModelError } from '../../errors/index.ts';
import { openModel } from '../../models/open-model.ts';
import { synthesizeGguf } from '../../models/synth/index.ts';
import { bundledModelPath } from '../../models/testing/bundled-model.ts';
import { kvDTypeNames } from '../../tensor/kv-dtype.ts';
import { deviceOf, openSubject, planModel, planShapeNames, shapeSubject } from './index.ts';

const gib = 2 ** 30;
let folder: string;
let synthesised: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'octavo-plan-'));
  synthesised = join(folder, 'tiny-qwen3.gguf');
  await synthesizeGguf({ shape: 'tiny-qwen3', dtype: 'q8_0', path: synthesised });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the engine starts with the pool that is predicted', () => {
  const cases = kvDTypeNames.flatMap((kvCacheDtype, i) => [
    { model: 'bundled', kvCacheDtype, budgetMiB: 24 + 7 * i, blockSize: [16, 8, 32][i % 3], maxModelLen: 192 + 16 * i },
    { model: 'synthesised', kvCacheDtype, budgetMiB: 9 + 5 * i, blockSize: [32, 16, 64][i % 3], maxModelLen: 256 },
  ]);

  it.each(cases)('$model, $kvCacheDtype, $budgetMiB MiB', async (one) => {
    const path = one.model === 'bundled' ? bundledModelPath() : synthesised;
    const subject = await openSubject(path);
    const plan = planModel({ ...one, subject, budgetBytes: one.budgetMiB * 2 ** 20, concurrency: 4 });
    expect(plan.pool).not.toBeNull();
    await using engine = await createEngine({ model: path, ...plan.engineOptions!, threads: 1 });
    expect(engine.stats().totalBlocks).toBe(plan.pool!.blockCount);
    expect(engine.maxModelLen).toBe(plan.pool!.maxModelLen);
    expect(engine.kvDType).toBe(plan.kvDType);
    expect(engine.memory.kvBytes).toBe(plan.poolBytes);
    // Whatever the budget, weights and pool are within it.
    expect(plan.weightBytes + plan.poolBytes).toBeLessThanOrEqual(plan.budgetBytes);
    expect(plan.weightBytes + plan.poolBytes + plan.blockBytes).toBeGreaterThan(plan.budgetBytes);
  });

  it('of a model with a window in some layers', async () => {
    const path = fileURLToPath(new URL('../../../test/fixtures/oracle/qwen2-hybrid', import.meta.url));
    const subject = await openSubject(path);
    expect(subject.groups).toHaveLength(2);
    const options = { maxModelLen: 96, blockSize: 4, concurrency: 4 };
    const plan = planModel({ ...options, subject, budgetBytes: subject.weightBytes + 200_000 });
    await using engine = await createEngine({ model: path, ...plan.engineOptions!, threads: 1 });
    expect(engine.stats().totalBlocks).toBe(plan.pool!.blockCount);
    expect(engine.memory.kvBytes).toBe(plan.poolBytes);
    const fit = Object.fromEntries(plan.allocations.map((one) => [one.mode, one]));
    // Windowed layers give blocks back: more fits than where all layers keep all.
    expect(fit.paged.sequences).toBeGreaterThan(fit['contiguous-exact'].sequences);
    expect(fit.paged.heldBytes).toBeLessThanOrEqual(plan.poolBytes);
    expect(fit.paged.usedBytes).toBeLessThanOrEqual(fit.paged.heldBytes);
  });

  it('by its own rule, too, where no size is given', async () => {
    const path = bundledModelPath();
    const subject = await openSubject(path);
    const options = { maxModelLen: 128, blockSize: 16, kvCacheDtype: 'f16' } as const;
    const plan = planModel({
      ...options,
      subject,
      budgetBytes: process.availableMemory(),
      concurrency: 3,
      kvCacheMemoryBytes: 'engine-default',
    });
    await using engine = await createEngine({ model: path, ...options, maxNumSeqs: 3, threads: 1 });
    expect(plan.pool!.blockCount).toBe(24);
    expect(engine.stats().totalBlocks).toBe(plan.pool!.blockCount);
  });
});

describe('sizes', () => {
  it('of LLaMA 13B, as the paper on PagedAttention has them: 800 KB a token, 26 GB of weights', () => {
    const plan = planModel({ subject: shapeSubject('LLaMA-13B'), budgetBytes: 40 * gib, maxModelLen: 2048 });
    // 2 (K and V) * 40 layers * 5120 * 2 bytes.
    expect(plan.kvBytesPerToken).toBe(819_200);
    expect(plan.kvBytesPerTokenAndLayer).toBe(20_480);
    expect(plan.blockBytes).toBe(16 * 819_200);
    expect(plan.sequenceBytes).toBe(2048 * 819_200);
    expect(plan.parameters / 1e9).toBeCloseTo(13.02, 2);
    expect(plan.attentionMatrixBytes).toBe(2048 * 2048 * 4);
    expect(plan.attentionLayerBytes).toBe(40 * 2048 * 2048 * 4);
    expect(plan.pool!.blockCount).toBe(Math.floor((40 * gib - plan.weightBytes) / plan.blockBytes));
    expect(plan.fullSequences).toBe(Math.floor(plan.pool!.blockCount / 128));
    expect(plan.verdict).toBe('fewer');
    expect(plan.shortageBytes).toBe(64 * plan.sequenceBytes - plan.poolBytes);
  });

  it('of sequences that fit, worked by hand', () => {
    const subject = shapeSubject('tiny-llama', 'f16');
    // 64 blocks of 16: 1024 slots. Two layers of 2 K/V heads of 64 in f16 are 1 KiB a token.
    const budgetBytes = subject.weightBytes + 64 * 16 * 1024;
    const plan = planModel({ subject, budgetBytes, maxModelLen: 256, kvCacheDtype: 'f16', sequenceTokens: [100, 30] });
    expect(plan.kvBytesPerToken).toBe(1024);
    expect(plan.pool!.blockCount).toBe(64);
    const fit = Object.fromEntries(plan.allocations.map((one) => [one.mode, one]));
    // 7 and 2 blocks in turn: seven of each make 63, and no seven more remain.
    expect(fit.paged).toMatchObject({ sequences: 14, heldBytes: 63 * 16 * 1024, usedBytes: 7 * 130 * 1024 });
    expect(fit['contiguous-exact'].sequences).toBe(14);
    // 128 and 32 tokens: 8 and 2 blocks.
    expect(fit['contiguous-pow2']).toMatchObject({ sequences: 12, heldBytes: 60 * 16 * 1024 });
    // 16 blocks each.
    expect(fit['contiguous-max']).toMatchObject({ sequences: 4, heldBytes: 1024 * 1024, usedBytes: 260 * 1024 });
    expect(fit['contiguous-max'].wasteShare).toBeCloseTo(1 - 260 / 1024, 12);
    expect(fit['contiguous-max'].wasteCost).toBeCloseTo(((1024 - 260) * 1024 * 4) / gib, 12);
  });

  it('of what does not fit', () => {
    const subject = shapeSubject('llama-13b');
    const plan = planModel({ subject, budgetBytes: 24 * gib });
    expect(plan).toMatchObject({ verdict: 'does-not-fit', pool: null, fullSequences: 0, engineOptions: null });
    expect(plan.startShortageBytes).toBe(subject.weightBytes + 2048 * 819_200 - 24 * gib);
    expect(plan.allocations.every(({ sequences }) => sequences === 0)).toBe(true);
    const short = planModel({ subject, budgetBytes: subject.weightBytes + 100 * 819_200 });
    expect(short.verdict).toBe('does-not-fit');
    expect(short.startShortageBytes).toBe(1948 * 819_200);
  });

  it('smaller KV types hold more', () => {
    const subject = shapeSubject('llama-7b');
    const blocks = kvDTypeNames.map(
      (kvCacheDtype) => planModel({ subject, budgetBytes: 24 * gib, kvCacheDtype }).pool!.blockCount,
    );
    const by = Object.fromEntries(kvDTypeNames.map((name, i) => [name, blocks[i]]));
    expect(by.fp8_e4m3).toBe(2 * by.f16 + (by.fp8_e4m3 % 2));
    expect(by.f16).toBe(by.bf16);
    expect(by.int4).toBeGreaterThan(by.int8);
    // A scale of 2 bytes for each vector of 128.
    expect(planModel({ subject, budgetBytes: 24 * gib, kvCacheDtype: 'int8' }).kvBytesPerToken).toBe(32 * 32 * 2 * 130);
  });
});

describe('models', () => {
  it.each(['tiny-llama', 'tiny-qwen2', 'tiny-qwen3', 'tiny-smollm3', 'tiny-mistral'] as const)(
    'the shape %s weighs what its file weighs, in every type',
    async (shape) => {
      for (const dtype of ['f16', 'q8_0', 'q4_k'] as const) {
        const path = join(folder, `${shape}-${dtype}.gguf`);
        await synthesizeGguf({ shape, dtype, path });
        const model = await openModel(path);
        const [ofFile, ofShape] = [await openSubject(path), await openSubject(shape, dtype)];
        expect(ofShape.weightBytes).toBe(model.weightBytes);
        expect(ofFile.weightBytes).toBe(model.weightBytes);
        expect(ofShape.parameters).toBe(ofFile.parameters);
        const { name, ropeScaling, ropeLayout, normEpsilon, ...rest } = model.config;
        expect(ofShape.config).toMatchObject(rest);
        await model.close();
      }
    },
  );

  it('all shapes can be planned', () => {
    for (const name of planShapeNames) {
      const subject = shapeSubject(name);
      const plan = planModel({ subject, budgetBytes: subject.weightBytes + 4 * gib, concurrency: 1, maxModelLen: 512 });
      expect(plan.verdict, name).toBe('fits');
    }
    expect(shapeSubject('gpt-3-175b').parameters / 1e9).toBeCloseTo(174.6, 0);
    expect(shapeSubject('llama-2-70b').parameters / 1e9).toBeCloseTo(68.98, 1);
  });

  it("a hub's config.json", async () => {
    const path = join(folder, 'config.json');
    const json = {
      model_type: 'llama',
      vocab_size: 32_000,
      hidden_size: 4096,
      intermediate_size: 11_008,
      num_hidden_layers: 32,
      num_attention_heads: 32,
      rms_norm_eps: 1e-6,
      max_position_embeddings: 2048,
      tie_word_embeddings: false,
      torch_dtype: 'bfloat16',
    };
    writeFileSync(path, JSON.stringify(json));
    const subject = await openSubject(path);
    expect(subject).toMatchObject({ source: 'config', weightType: 'bf16' });
    expect(subject.parameters).toBe(shapeSubject('llama-7b').parameters);
    expect(subject.weightBytes).toBe(shapeSubject('llama-7b', 'bf16').weightBytes);
    writeFileSync(path, '{"model_type": ');
    await expect(openSubject(path)).rejects.toThrow(ModelFileError);
  });

  it('what is no model is refused', async () => {
    await expect(openSubject('gpt-5')).rejects.toThrow(UnsupportedModelError);
    await expect(openSubject(join(folder, 'nothing.gguf'))).rejects.toThrow('does not exist');
    await expect(openSubject(join(folder, 'nothing.json'))).rejects.toThrow('cannot be read');
  });
});

describe('values out of range', () => {
  const subject = shapeSubject('tiny-llama');
  it.each([
    [{ maxModelLen: 4096 }, 'maxModelLen'],
    [{ maxModelLen: 1 }, 'maxModelLen'],
    [{ blockSize: 0 }, 'blockSize'],
    [{ concurrency: 0 }, 'maxNumSeqs'],
    [{ kvCacheDtype: 'int3' }, 'kvCacheDtype'],
    [{ sequenceTokens: [0] }, 'sequenceTokens'],
    [{ maxModelLen: 64, sequenceTokens: [65] }, 'sequenceTokens'],
  ])('%j', (options, message) => {
    expect(() => planModel({ subject, budgetBytes: gib, ...options })).toThrow(InvalidRequestError);
    expect(() => planModel({ subject, budgetBytes: gib, ...options })).toThrow(message);
  });

  it('of devices', () => {
    expect(deviceOf('24gb', () => 0)).toEqual({ name: '24 GB', budgetBytes: 24 * gib });
    expect(deviceOf('512M', () => 0).budgetBytes).toBe(512 * 2 ** 20);
    expect(deviceOf('this-machine', () => 123).budgetBytes).toBe(123);
    for (const wrong of ['-5', '0', '', '33 cards', '1e9']) {
      expect(() => deviceOf(wrong, () => 0)).toThrow(InvalidRequestError);
    }
  });
});
