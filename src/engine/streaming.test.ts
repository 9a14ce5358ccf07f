// Sinks and a window on the bundled model: what streams through a fixed pool does not drift, and memory stays the window's.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Backend, type Executable, kvBlockBytes } from '../backends/backend.ts';
import { bindStep } from '../backends/testing/step.ts';
import { InvalidRequestError, MemoryPlanError, UnsupportedModelError } from '../errors/errors.ts';
import { loadModel } from '../models/load.ts';
import type { LoadedModel } from '../models/model.ts';
import { bundledModelPath } from '../models/testing/bundled-model.ts';
import type { Program } from '../program/program.ts';
import { streamingProgram } from '../program/streaming.ts';
import type { EngineOptions } from './api.ts';
import { chooseBackend } from './backend-choice.ts';
import { createEngine } from './create-engine.ts';
import { heldOutTokens, repeated } from './testing/streaming-text.ts';

const path = bundledModelPath();
const window = { sinkTokens: 4, windowTokens: 252 };
const blockSize = 16;
const small: Omit<EngineOptions, 'model'> = {
  attentionWindow: window,
  maxNumSeqs: 4,
  maxNumBatchedTokens: 64,
  maxModelLen: 20_000,
  checkIntegrity: true,
};

describe('streaming with sinks and a window', () => {
  let model: LoadedModel;
  let text: number[];
  let backend: Backend;
  beforeAll(async () => {
    model = await loadModel(path);
    text = heldOutTokens(model.tokenizer);
    ({ backend } = chooseBackend('auto', 2));
  });
  afterAll(async () => {
    await backend.close();
    await model.close();
  });

  async function compile(program: Program, maxContextTokens: number): Promise<Executable> {
    const { layerCount, kvHeadCount, headSize } = model.config;
    return backend.compile(program, {
      weights: model.weights,
      kv: { layerCount, kvHeadCount, headSize, blockSize, keyDType: 'f16', valueDType: 'f16' },
      blockCount: Math.ceil(maxContextTokens / blockSize),
      limits: { maxTokens: 256, maxSequences: 1, maxOutputs: 256, maxContextTokens },
    });
  }

  /** Log-probabilities of what follows each of the tokens from `from` on, with no block freed. */
  async function distributions(executable: Executable, tokenIds: readonly number[], from: number) {
    const blocks = Array.from({ length: Math.ceil(tokenIds.length / blockSize) }, (_, i) => i);
    const rows: Float64Array[] = [];
    for (let first = 0; first < tokenIds.length; first += 256) {
      const chunk = tokenIds.slice(first, first + 256);
      const outputs = [...chunk.keys()].filter((i) => first + i >= from);
      const { logits } = await executable.execute(
        bindStep([{ tokenIds: chunk, firstPosition: first, blocks, outputs }], blockSize),
      );
      for (let row = 0; row < outputs.length; row++) {
        rows.push(logSoftmax(logits.subarray(row * model.config.vocabSize, (row + 1) * model.config.vocabSize)));
      }
    }
    return rows;
  }

  it('stays as close to the window computed anew after twenty windows as after one', { timeout: 120_000 }, async () => {
    const length = 24 * 252;
    const tokenIds = repeated(text, length);
    const streaming = await compile(streamingProgram(model.program, window), length);
    const streamed = await distributions(streaming, tokenIds, 0);
    await streaming.close();
    const full = await compile(model.program, 256);
    /** Mean KL from the recomputed distribution over some positions, and mean loss of both on the next token. */
    async function compare(from: number, to: number) {
      let divergence = 0;
      let streamedLoss = 0;
      let anewLoss = 0;
      let count = 0;
      for (let at = from; at < to; at += 23) {
        const anew = (
          await distributions(full, [...tokenIds.slice(0, 4), ...tokenIds.slice(at + 1 - 252, at + 1)], 255)
        )[0];
        divergence += anew.reduce((sum, value, i) => sum + Math.exp(value) * (value - streamed[at][i]), 0);
        streamedLoss -= streamed[at][tokenIds[at + 1]];
        anewLoss -= anew[tokenIds[at + 1]];
        count++;
      }
      return { kl: divergence / count, streamed: streamedLoss / count, anew: anewLoss / count };
    }
    // The same text, two rounds later.
    const early = await compare(256, 1200);
    const late = await compare(256 + 2 * text.length, 1200 + 2 * text.length);
    await full.close();
    if (process.env.VITEST_VERBOSE_FIGURES) console.log({ tokens: text.length, early, late });
    for (const { kl, streamed: loss, anew } of [early, late]) {
      expect(kl).toBeLessThan(0.003);
      expect(Math.abs(loss - anew)).toBeLessThan(0.02);
    }
    expect(late.kl).toBeLessThan(early.kl + 0.0005);
  });

  it('computes what lies before every window like the model without one', async () => {
    const tokenIds = text.slice(0, 256);
    const streaming = await compile(streamingProgram(model.program, window), 256);
    const full = await compile(model.program, 256);
    expect(await distributions(streaming, tokenIds, 0)).toEqual(await distributions(full, tokenIds, 0));
    await streaming.close();
    await full.close();
  });

  it('answers a prompt of fourteen pools, the same in any chunks, from the cache, and forked', {
    timeout: 120_000,
  }, async () => {
    const pool = 24 * blockSize;
    const tokenIds = repeated(text, 14 * pool);
    const sampling = { temperature: 0, maxTokens: 24, ignoreEos: true, logprobs: 2 };
    const answers: unknown[] = [];
    for (const [maxNumBatchedTokens, size, blocks] of [
      [64, 16, 24],
      [7, 16, 60],
      [512, 8, 400],
      [33, 5, 58],
    ]) {
      const options = { ...small, maxNumBatchedTokens, blockSize: size, checkIntegrity: size > 5 };
      const { layerCount, kvHeadCount, headSize } = model.config;
      const kv = { layerCount, kvHeadCount, headSize, keyDType: 'f16', valueDType: 'f16' } as const;
      const kvCacheMemoryBytes = blocks * kvBlockBytes({ ...kv, blockSize: size });
      const engine = await createEngine({ model: path, ...options, kvCacheMemoryBytes });
      let mostUsed = 0;
      const generation = engine.generate({ tokenIds, sampling, n: 2 });
      const tokens: unknown[] = [];
      let forked: unknown;
      for await (const event of generation) {
        mostUsed = Math.max(mostUsed, engine.stats().usedBlocks);
        if (event.type === 'token' && event.index === 0) {
          tokens.push([event.tokenId, event.logprob, event.topLogprobs]);
          if (tokens.length === 5) forked = generation.fork({ sampling: { ...sampling, maxTokens: 10 } }).result();
        }
      }
      await forked;
      expect(mostUsed).toBeLessThanOrEqual(blocks);
      answers.push(tokens);
      const again = await engine.generate({ tokenIds, sampling }).result();
      expect(again.choices[0].logprobs).toHaveLength(24);
      expect(again.choices[0].tokenIds).toEqual(tokens.map((token) => (token as unknown[])[0]));
      if (blocks >= 60) expect(again.usage.cachedTokens).toBeGreaterThan(tokenIds.length - 300);
      await engine.close();
    }
    for (const answer of answers) expect(answer).toEqual(answers[0]);
  });

  it('refuses what cannot stream', async () => {
    const make = (options: Partial<EngineOptions>) => createEngine({ model: path, ...small, ...options });
    const { contextLength } = model.config;
    for (const attentionWindow of [
      { sinkTokens: -1, windowTokens: 10 },
      { sinkTokens: 300, windowTokens: 10 },
      { sinkTokens: 4, windowTokens: 0 },
      { sinkTokens: 4, windowTokens: contextLength },
    ]) {
      await expect(make({ attentionWindow })).rejects.toBeInstanceOf(InvalidRequestError);
    }
    await expect(make({ maxModelLen: 1 << 23 })).rejects.toBeInstanceOf(InvalidRequestError);
    await expect(make({ kvCacheMemoryBytes: 40_000 })).rejects.toBeInstanceOf(MemoryPlanError);
    const mistral = new URL('../../test/fixtures/oracle/mistral/model.gguf', import.meta.url).pathname;
    await expect(
      createEngine({ model: mistral, attentionWindow: { sinkTokens: 1, windowTokens: 9 } }),
    ).rejects.toBeInstanceOf(UnsupportedModelError);
  });
});

function logSoftmax(logits: Float32Array): Float64Array {
  const values = Float64Array.from(logits);
  const largest = values.reduce((max, value) => Math.max(max, value), -Infinity);
  const sum = Math.log(values.reduce((total, value) => total + Math.exp(value - largest), 0)) + largest;
  return values.map((value) => value - sum);
}
