// The option kvCacheDtype, and that the pool has the bytes of its types.

import { describe, expect, it } from 'vitest';
import { type KvLayout, kvBlockBytes } from '../backends/backend.ts';
import { InvalidRequestError } from '../errors/errors.ts';
import { bundledModelPath } from '../models/testing/bundled-model.ts';
import { createEngine } from './create-engine.ts';
import { formatKvDTypes, resolveKvDTypes } from './kv-cache-dtype.ts';

const f32Weights = { weights: new Map([['token_embd.weight', { dtype: 'f32' }]]) } as never;
const otherWeights = { weights: new Map([['token_embd.weight', { dtype: 'q8_0' }]]) } as never;

describe('kvCacheDtype', () => {
  it('is one type or two', () => {
    expect(resolveKvDTypes('auto', f32Weights)).toEqual({ keyDType: 'f32', valueDType: 'f32' });
    expect(resolveKvDTypes('auto', otherWeights)).toEqual({ keyDType: 'f16', valueDType: 'f16' });
    expect(resolveKvDTypes('int8', otherWeights)).toEqual({ keyDType: 'int8', valueDType: 'int8' });
    expect(resolveKvDTypes('fp8_e4m3/int4', otherWeights)).toEqual({ keyDType: 'fp8_e4m3', valueDType: 'int4' });
    for (const name of ['bf16', 'int8/f16'] as const)
      expect(formatKvDTypes(resolveKvDTypes(name, otherWeights))).toBe(name);
    expect(formatKvDTypes(resolveKvDTypes('f16/f16', otherWeights))).toBe('f16');
  });

  it.each(['', 'int7', 'int8/', '/int8', 'auto/f16', 'f16/f16/f16', 'F16', undefined])('refuses %j', (name) => {
    expect(() => resolveKvDTypes(name as string, otherWeights)).toThrow(InvalidRequestError);
  });

  it('plans the pool in the bytes of its types', async () => {
    await using engine = await createEngine({
      model: bundledModelPath(),
      backend: 'reference',
      kvCacheDtype: 'int8/f16',
      maxModelLen: 64,
      kvCacheMemoryBytes: 1 << 20,
    });
    const { layerCount, kvHeadCount, headSize } = engine.config;
    // K: a byte an element and a scale of two; V: two bytes an element.
    const blockBytes = layerCount * kvHeadCount * 16 * (headSize + 2 + 2 * headSize);
    expect(engine.kvDType).toBe('int8/f16');
    expect(engine.memory.kvBytes).toBe(Math.floor((1 << 20) / blockBytes) * blockBytes);
  });
});

describe('bytes of a block', () => {
  it('are those of the codes and the scales', () => {
    const layout: KvLayout = {
      layerCount: 2,
      kvHeadCount: 8,
      headSize: 64,
      blockSize: 16,
      keyDType: 'f16',
      valueDType: 'f16',
    };
    const slots = 2 * 8 * 16;
    expect(kvBlockBytes(layout)).toBe(slots * 256);
    expect(kvBlockBytes({ ...layout, keyDType: 'f32', valueDType: 'bf16' })).toBe(slots * (256 + 128));
    expect(kvBlockBytes({ ...layout, keyDType: 'fp8_e4m3', valueDType: 'fp8_e5m2' })).toBe(slots * 128);
    expect(kvBlockBytes({ ...layout, keyDType: 'int8', valueDType: 'int8' })).toBe(slots * 132);
    expect(kvBlockBytes({ ...layout, keyDType: 'int4', valueDType: 'int4' })).toBe(slots * 68);
    // Odd sizes: every part of a layer is padded to 4 bytes.
    const odd = { ...layout, layerCount: 1, kvHeadCount: 1, headSize: 3, blockSize: 1 };
    expect(kvBlockBytes({ ...odd, keyDType: 'int8', valueDType: 'f16' })).toBe(4 + 8 + 4);
  });
});
