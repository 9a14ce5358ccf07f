// A million tokens through 4,096 slots: the loss on the same text does not change, and the pool is never exceeded.

import { describe, expect, it } from 'vitest';
import { bundledModelPath } from '../models/testing/bundled-model.ts';
import { createEngine } from './create-engine.ts';
import { heldOutTokens, repeated } from './testing/streaming-text.ts';

const totalTokens = 1_000_000;
const slots = 4096;

describe('streaming (soak)', () => {
  it(`a million tokens through ${slots} slots`, { timeout: 3_600_000 }, async () => {
    const common = { model: bundledModelPath(), blockSize: 16, threads: 2, maxNumBatchedTokens: 512, maxNumSeqs: 128 };
    const probe = await createEngine({ ...common, kvCacheMemoryBytes: 1 << 24 });
    const { layerCount, kvHeadCount, headSize } = probe.config;
    const text = heldOutTokens(probe.tokenizer);
    await probe.close();
    const engine = await createEngine({
      ...common,
      attentionWindow: { sinkTokens: 4, windowTokens: 508 },
      kvCacheMemoryBytes: slots * layerCount * kvHeadCount * headSize * 2 * 2,
    });
    const started = performance.now();
    const tokenIds = repeated(text, totalTokens - 1);
    const generation = engine.generate({ tokenIds, sampling: { temperature: 0, maxTokens: 1, promptLogprobs: 0 } });
    let mostBlocks = 0;
    const watch = setInterval(() => {
      mostBlocks = Math.max(mostBlocks, engine.stats().usedBlocks);
    }, 20);
    const { promptLogprobs } = await generation.result();
    clearInterval(watch);
    const seconds = (performance.now() - started) / 1000;
    const { totalBlocks } = engine.stats();
    await engine.close();
    const passes: number[] = [];
    for (let first = 0; first + text.length <= tokenIds.length; first += text.length) {
      let loss = 0;
      for (let at = first; at < first + text.length; at++) loss -= promptLogprobs![at]?.logprob ?? 0;
      passes.push(loss / text.length);
    }
    const later = passes.slice(2);
    const [low, high] = [Math.min(...later), Math.max(...later)];
    console.log(
      JSON.stringify({
        tokens: totalTokens,
        seconds,
        totalBlocks,
        mostBlocks,
        passes: passes.length,
        low,
        high,
        first: passes.slice(0, 3),
        last: passes.at(-1),
      }),
    );
    expect(totalBlocks).toBe(slots / 16);
    expect(mostBlocks).toBeLessThanOrEqual(512 / 16 + 512 / 16 + 2);
    expect(high - low).toBeLessThan(0.002);
  });
});
