// Requests that need four times the pool: preempted and computed again, or paged out and back, against ample memory.

import { createEngine, type Engine, type EngineOptions } from '../../src/index.ts';
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
}

export interface PressureRow {
  readonly name: string;
  readonly rate: Summary;
  /** Of medians, to recompute alone. */
  readonly ratio: number;
  readonly preemptions: number;
  readonly computedTokens: number;
  readonly pagesIn: number;
}

interface Run {
  readonly rate: number;
  readonly tokens: string;
  readonly preemptions: number;
  readonly computedTokens: number;
  readonly pagesIn: number;
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
  };
}

/** Interleaved runs, each in a new engine; all runs of one number have the same prompts. */
export async function measurePressure(options: PressureOptions): Promise<{ rows: PressureRow[]; isEqual: boolean }> {
  const model = await ensureModel(options.shape as SynthShapeName, options.type as SynthDType);
  const blocks = options.requests * Math.ceil((options.inputTokens + options.outputTokens) / 16);
  const base = { model, threads: options.threads, maxNumSeqs: options.requests, maxModelLen: 1024 };
  const probe = await createEngine({ ...base, maxNumSeqs: 1 });
  const blockBytes = probe.memory.kvBytes / probe.stats().totalBlocks;
  await probe.close();
  const poolBytes = (share: number) => Math.max(Math.ceil(1024 / 16), Math.ceil(blocks * share)) * blockBytes;
  const kinds: readonly (readonly [string, Partial<EngineOptions>])[] = [
    ['recompute alone', { kvCacheMemoryBytes: poolBytes(1 / 4) }],
    ['host tier', { kvCacheMemoryBytes: poolBytes(1 / 4), tiers: { hostBytes: 2 * blocks * blockBytes } }],
    ['ample pool', { kvCacheMemoryBytes: poolBytes(1.1) }],
  ];
  const runs: Run[][] = kinds.map(() => []);
  for (let run = 0; run < options.runs; run++) {
    for (const [i, [name, more]] of kinds.entries()) {
      progress(`run ${run + 1} of ${options.runs}: ${name} ...`);
      await using engine = await createEngine({ ...base, ...more });
      runs[i].push(await runAll(engine, options, run * 15485863));
    }
  }
  const rates = runs.map((of) => summarize(of.map(({ rate }) => rate)));
  const rows = kinds.map(([name], i) => {
    const { preemptions, computedTokens, pagesIn } = runs[i][runs[i].length - 1];
    return { name, rate: rates[i], ratio: rates[i].median / rates[0].median, preemptions, computedTokens, pagesIn };
  });
  const isEqual = runs.every((of) => of.every(({ tokens }, run) => tokens === runs[2][run].tokens));
  return { rows, isEqual };
}
