// Recent tokens in full precision beside int8 for all.

import { describe, expect, it } from 'vitest';
import { cpuBackendForTests } from '../backends/testing/cpu-backend.ts';
import { InvalidRequestError, UnsupportedModelError } from '../errors/errors.ts';
import { bundledModelPath } from '../models/testing/bundled-model.ts';
import type { Engine, EngineOptions, GenerateResult } from './api.ts';
import { createEngine } from './create-engine.ts';

const { skipReason } = cpuBackendForTests();
const tokenIds = Array.from({ length: 300 }, (_, i) => (i * 131 + (i >> 2)) % 500);
const sampling = { maxTokens: 30, temperature: 0, ignoreEos: true, logprobs: 1 };

async function withEngine<T>(options: Partial<EngineOptions>, use: (engine: Engine) => Promise<T>): Promise<T> {
  const engine = await createEngine({
    model: bundledModelPath(),
    maxModelLen: 512,
    maxNumSeqs: 4,
    checkIntegrity: true,
    ...options,
  });
  try {
    return await use(engine);
  } finally {
    await engine.close();
  }
}

const logprobsOf = ({ choices }: GenerateResult) => choices[0].logprobs!.map(({ logprob }) => logprob);

describe.skipIf(skipReason)('kvCacheAging', () => {
  it('answers nearly as with full precision, and the same in any batch', async () => {
    const generate = (engine: Engine) => engine.generate({ tokenIds, sampling }).result();
    const aging = { recentTokens: 64 };
    const full = await withEngine({}, generate);
    const aged = await withEngine({ kvCacheAging: aging }, generate);
    const batched = await withEngine(
      { kvCacheAging: aging, maxNumBatchedTokens: 40, blockSize: 32 },
      async (engine) => {
        const other = engine.generate({ tokenIds: tokenIds.slice(7, 200), sampling }).result();
        const [result] = await Promise.all([generate(engine), other]);
        return result;
      },
    );
    expect(aged.choices).toEqual(batched.choices);
    // Both would be equal if nothing were read from the int8 copy.
    expect(logprobsOf(aged)).not.toEqual(logprobsOf(full));
    expect(Math.abs(logprobsOf(aged)[0] - logprobsOf(full)[0])).toBeLessThan(0.3);
  });

  it('gives back the full-precision blocks of what is no longer recent', async () => {
    await withEngine({ kvCacheAging: { recentTokens: 64, sinkTokens: 16 } }, async (engine) => {
      expect(engine.kvDType).toBe('f16');
      let held = 0;
      for await (const event of engine.generate({ tokenIds, sampling })) {
        if (event.type === 'token') held = Math.max(held, engine.blockMap().sequences[0]?.blocks.length ?? 0);
      }
      // 21 blocks of all tokens, one of sinks and 9 of a window of 127 at the most.
      expect(held).toBeGreaterThan(19);
      expect(held).toBeLessThanOrEqual(21 + 1 + 9);
    });
  });

  it('hits prefixes in both copies', async () => {
    await withEngine({ kvCacheAging: { recentTokens: 64 } }, async (engine) => {
      await engine.generate({ tokenIds, sampling }).result();
      const { usage } = await engine.generate({ tokenIds, sampling }).result();
      expect(usage.cachedTokens).toBeGreaterThan(280);
    });
  });

  it('refuses what it does not go together with', async () => {
    const kvCacheAging = { recentTokens: 64 };
    const fails = (options: Partial<EngineOptions>) => withEngine({ kvCacheAging, ...options }, async () => {});
    await expect(fails({ memory: 'contiguous-max' })).rejects.toThrow(InvalidRequestError);
    await expect(fails({ attentionWindow: { sinkTokens: 4, windowTokens: 64 } })).rejects.toThrow(InvalidRequestError);
    await expect(fails({ kvCacheDtype: 'int8' })).rejects.toThrow(InvalidRequestError);
    await expect(fails({ kvCacheAging: { recentTokens: 0 } })).rejects.toThrow(InvalidRequestError);
    await expect(fails({ kvCacheAging: { recentTokens: 64, sinkTokens: 257 } })).rejects.toThrow(InvalidRequestError);
    const model = new URL('../../test/fixtures/oracle/mistral/model.gguf', import.meta.url).pathname;
    await expect(fails({ model, maxModelLen: 128 })).rejects.toThrow(UnsupportedModelError);
  });
});
