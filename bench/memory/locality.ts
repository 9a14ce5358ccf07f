// Whether it matters where blocks lie: decoding with tables of neighbours, and after churn, with and without what lays them together.

import { createEngine, type Engine, type EngineOptions } from '../../src/index.ts';
import type { SynthDType, SynthShapeName } from '../../src/models/synth/index.ts';
import { ensureModel } from '../common/models.ts';
import { type Summary, summarize } from '../stats.ts';

export interface LocalityUse {
  readonly name: string;
  /** Blocks per run in the tables of what runs. */
  readonly meanRunBlocks: number;
  /** From the lowest to the highest block that is held, per block held. */
  readonly heldSpread: number;
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

const ROUNDS = 2;
const runs = { allocator: 'best-fit', compactionBlocksPerStep: 4 } as const;

/** Engines side by side, shuffled by requests of unlike lengths that come and go; measured in turn, so that all see the same moments. */
export async function measureLocality(options: LocalityOptions): Promise<LocalityUse[]> {
  const fresh = await openSubject('neighbours', options, {});
  const kinds = [
    await openSubject('after churn', options, {}),
    await openSubject('runs', options, runs),
    await openSubject('runs, batch together', options, { ...runs, placeBatchTogether: true }),
  ];
  try {
    // Warms up, and lets the pace of prompts be known.
    for (const subject of [fresh, ...kinds]) await subject.measure();
    for (const subject of kinds) await subject.churn();
    for (let round = 0; round < ROUNDS; round++) for (const subject of [fresh, ...kinds]) await subject.measure();
    return [fresh, ...kinds].map((subject) => subject.result());
  } finally {
    for (const subject of [fresh, ...kinds]) await subject.engine.close();
  }
}

interface Subject {
  readonly engine: Engine;
  measure(): Promise<void>;
  churn(): Promise<void>;
  result(): LocalityUse;
}

async function openSubject(name: string, options: LocalityOptions, more: Partial<EngineOptions>): Promise<Subject> {
  const { shape, type, threads, sequences, contextTokens, steps } = options;
  const model = await ensureModel(shape as SynthShapeName, type as SynthDType);
  const maxModelLen = contextTokens + steps + 16;
  const engine = await createEngine({
    model,
    threads,
    maxModelLen,
    maxNumSeqs: sequences,
    maxStepStretch: 1000,
    enablePrefixCaching: false,
    ...more,
  });
  const promptOf = (length: number, seed: number) =>
    Array.from({ length }, (_, i) => 300 + ((i * 31 + seed * 7919) % 20000));
  const ask = (length: number, seed: number, maxTokens: number) =>
    engine.generate({ tokenIds: promptOf(length, seed), sampling: { maxTokens, ignoreEos: true, seed } });

  let meanRunBlocks = 0;
  let heldSpread = 0;
  const stepMs: number[] = [];

  async function measure(): Promise<void> {
    const generations = Array.from({ length: sequences }, (_, i) => ask(contextTokens, i, steps));
    let before = engine.stats();
    const [first, ...others] = generations;
    const rest = others.map((generation) => generation.result());
    for await (const event of first) {
      if (event.type !== 'token') continue;
      const now = engine.stats();
      // Steps in which all decode, one token each.
      if (now.computedTokens - before.computedTokens === (now.steps - before.steps) * sequences) {
        stepMs.push((now.kernelMs - before.kernelMs) / (now.steps - before.steps));
        meanRunBlocks = now.placement.meanRunBlocks;
        heldSpread = now.placement.heldSpread;
      }
      before = now;
    }
    await Promise.all(rest);
  }

  return {
    engine,
    measure,
    async churn() {
      // The warm-up does not count.
      stepMs.length = 0;
      await Promise.all(
        Array.from({ length: 12 * sequences }, (_, i) => ask(1 + ((i * 53) % 160), i, 1 + ((i * 29) % 90)).result()),
      );
    },
    result: () => ({ name, meanRunBlocks, heldSpread, stepMs: summarize(stepMs) }),
  };
}
