// Whether it matters where a sequence's blocks lie: decoding with tables of neighbours and with tables that were shuffled.

import { createEngine } from '../../src/index.ts';
import type { SynthDType, SynthShapeName } from '../../src/models/synth/index.ts';
import { ensureModel } from '../common/models.ts';
import { type Summary, summarize } from '../stats.ts';

export interface LocalityUse {
  readonly name: string;
  /** Blocks per run in the tables of what runs. */
  readonly meanRunBlocks: number;
  /** Milliseconds of kernels in a step of all sequences. */
  readonly stepMs: Summary;
}

export interface LocalityOptions {
  readonly shape: string;
  readonly type: string;
  readonly threads: number;
  readonly sequences: number;
  readonly contextTokens: number;
  readonly steps: number;
}

/** Both kinds in one engine, which is shuffled in between by requests of unlike lengths that come and go. */
export async function measureLocality(options: LocalityOptions): Promise<LocalityUse[]> {
  const { shape, type, threads, sequences, contextTokens, steps } = options;
  const model = await ensureModel(shape as SynthShapeName, type as SynthDType);
  const maxModelLen = contextTokens + steps + 16;
  await using engine = await createEngine({
    model,
    threads,
    maxModelLen,
    maxNumSeqs: sequences,
    maxStepStretch: 1000,
    enablePrefixCaching: false,
  });
  const promptOf = (length: number, seed: number) =>
    Array.from({ length }, (_, i) => 300 + ((i * 31 + seed * 7919) % 20000));
  const ask = (length: number, seed: number, maxTokens: number) =>
    engine.generate({ tokenIds: promptOf(length, seed), sampling: { maxTokens, ignoreEos: true, seed } });

  async function measure(name: string): Promise<LocalityUse> {
    const generations = Array.from({ length: sequences }, (_, i) => ask(contextTokens, i, steps));
    let before = engine.stats();
    let meanRunBlocks = 0;
    const stepMs: number[] = [];
    const [first, ...others] = generations;
    const rest = others.map((generation) => generation.result());
    for await (const event of first) {
      if (event.type !== 'token') continue;
      const now = engine.stats();
      // Steps in which all decode, one token each.
      if (now.computedTokens - before.computedTokens === (now.steps - before.steps) * sequences) {
        stepMs.push((now.kernelMs - before.kernelMs) / (now.steps - before.steps));
        meanRunBlocks = now.placement.meanRunBlocks;
      }
      before = now;
    }
    await Promise.all(rest);
    return { name, meanRunBlocks, stepMs: summarize(stepMs) };
  }

  // Warms up, and lets the pace of prompts be known.
  await measure('first');
  const inOrder = await measure('neighbours');
  await Promise.all(
    Array.from({ length: 24 * sequences }, (_, i) => ask(1 + ((i * 53) % 160), i, 1 + ((i * 29) % 90)).result()),
  );
  const shuffled = await measure('shuffled');
  return [inOrder, shuffled];
}
