// Requests that need four times the pool: preempted and computed again, or paged out and back, against ample memory.

import { createEngine, type Engine, type EngineOptions } from '../../src/index.ts';
import type { PagingRates } from '../../src/memory/index.ts';
import type { SynthDType, SynthShapeName } from '../../src/models/synth/index.ts';
import { ensureModel } from '../common/models.ts';
import { progress } from '../common/progress.ts';
import { type Summary, summarize } from '../stats.ts';

export interface PressureOptions {
  readonly shape: string;
  readonly type: string;
  readonly requests: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly runs: number;
  readonly threads: number;
  /** Whether to run with an ample pool too, whose tokens the others are compared with; else with each other. */
  readonly ample: boolean;
}

export interface PressureRow {
  readonly name: string;
  readonly rate: Summary;
  /** To recompute alone in the same round: the median, lowest and highest of all rounds. */
  readonly ratio: Summary;
  readonly preemptions: number;
  readonly computedTokens: number;
  readonly pagesIn: number;
  readonly pagesOut: number;
  /** What decided about pages; null without tiers. */
  readonly rates: PagingRates | null;
}

interface Run {
  readonly rate: number;
  readonly tokens: string;
  readonly preemptions: number;
  readonly computedTokens: number;
  readonly pagesIn: number;
  readonly pagesOut: number;
  readonly rates: PagingRates | null;
}

async function runAll(engine: Engine, options: PressureOptions, seed: number): Promise<Run> {
  const { requests, inputTokens, outputTokens } = options;
  const startedMs = performance.now();
  const answers = await Promise.all(
    Array.from({ length: requests }, (_, request) => {
      const tokenIds = Array.from({ length: inputTokens }, (_, i) => 300 + ((i * 31 + request * 7919 + seed) % 20000));
      const sampling = { temperature: 0.8, seed: request, maxTokens: outputTokens, ignoreEos: true };
      return engine.generate({ tokenIds, sampling }).result();
    }),
  );
  const seconds = (performance.now() - startedMs) / 1000;
  const { preemptions, computedTokens, tiers } = engine.stats();
  const tokens = JSON.stringify(answers.map(({ choices }) => choices[0].tokenIds));
  return {
    rate: (requests * outputTokens) / seconds,
    tokens,
    preemptions,
    computedTokens,
    pagesIn: tiers?.pagesIn ?? 0,
    pagesOut: tiers?.pagesOut ?? 0,
    rates: tiers?.rates ?? null,
  };
}

/** Interleaved rounds, forwards and backwards in turn, each run in a new engine; all runs of a round have the same prompts. The first round warms up. */
export async function measurePressure(options: PressureOptions): Promise<{ rows: PressureRow[]; isEqual: boolean }> {
  const model = await ensureModel(options.shape as SynthShapeName, options.type as SynthDType);
  const blocks = options.requests * Math.ceil((options.inputTokens + options.outputTokens) / 16);
  const base = {
    model,
    threads: options.threads,
    maxNumSeqs: options.requests,
    maxModelLen: Math.max(1024, options.inputTokens + options.outputTokens),
  };
  const probe = await createEngine({ ...base, maxNumSeqs: 1 });
  const blockBytes = probe.memory.kvBytes / probe.stats().totalBlocks;
  await probe.close();
  const longestBlocks = Math.ceil(base.maxModelLen / 16);
  const poolBytes = (share: number) => Math.max(longestBlocks, Math.ceil(blocks * share)) * blockBytes;
  const kinds: readonly (readonly [string, Partial<EngineOptions>])[] = [
    ['recompute alone', { kvCacheMemoryBytes: poolBytes(1 / 4) }],
    ['host tier', { kvCacheMemoryBytes: poolBytes(1 / 4), tiers: { hostBytes: 2 * blocks * blockBytes } }],
    ['ample pool', { kvCacheMemoryBytes: poolBytes(1.1) }],
  ];
  const runs: Run[][] = kinds.map(() => []);
  const wanted = kinds.filter((_, i) => options.ample || i < 2);
  for (let round = 0; round <= options.runs; round++) {
    const order = round === 0 ? [0] : wanted.map((_, i) => (round % 2 === 0 ? wanted.length - 1 - i : i));
    for (const i of order) {
      const [name, more] = kinds[i];
      progress(round === 0 ? 'warming up ...' : `round ${round} of ${options.runs}: ${name} ...`);
      await using engine = await createEngine({ ...base, ...more });
      const run = await runAll(engine, options, round * 15485863);
      if (round > 0) runs[i].push(run);
    }
  }
  const rates = runs.slice(0, wanted.length).map((of) => summarize(of.map(({ rate }) => rate)));
  const rows = wanted.map(([name], i) => {
    const { rate: _, tokens: __, ...last } = runs[i][runs[i].length - 1];
    return {
      name,
      rate: rates[i],
      ratio: summarize(runs[i].map(({ rate }, run) => rate / runs[0][run].rate)),
      ...last,
    };
  });
  const expected = runs[wanted.length - 1];
  const isEqual = wanted.every((__, i) => runs[i].every(({ tokens }, run) => tokens === expected[run].tokens));
  return { rows, isEqual };
}
