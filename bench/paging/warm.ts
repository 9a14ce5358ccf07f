// The time to the first token of a long prompt: computed, and read from a file tier by a new engine.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine, type Engine } from '../../src/index.ts';
import type { SynthDType, SynthShapeName } from '../../src/models/synth/index.ts';
import { ensureModel } from '../common/models.ts';
import { progress } from '../common/progress.ts';
import { type Summary, summarize } from '../stats.ts';

export interface WarmOptions {
  readonly shape: string;
  readonly type: string;
  readonly prefixes: readonly number[];
  readonly runs: number;
  readonly threads: number;
}

export interface WarmResult {
  readonly tokens: number;
  readonly computed: Summary;
  readonly warmed: Summary;
  /** Medians: computed / warmed. */
  readonly ratio: number;
  readonly pages: number;
}

async function firstTokenMs(engine: Engine, tokenIds: readonly number[]): Promise<number> {
  const startedMs = performance.now();
  for await (const event of engine.generate({
    tokenIds,
    sampling: { temperature: 0, maxTokens: 1, ignoreEos: true },
  })) {
    if (event.type === 'token') return performance.now() - startedMs;
  }
  throw new Error('no token came');
}

/** Each run has a folder and a prompt of its own. The file tier reads past the system's cache where the disk allows it. */
export async function measureWarm(options: WarmOptions): Promise<WarmResult[]> {
  const model = await ensureModel(options.shape as SynthShapeName, options.type as SynthDType);
  const results: WarmResult[] = [];
  for (const tokens of options.prefixes) {
    const computed: number[] = [];
    const warmed: number[] = [];
    let pages = 0;
    for (let run = 0; run < options.runs; run++) {
      progress(`${tokens} tokens, run ${run + 1} of ${options.runs} ...`);
      const path = await mkdtemp(join(tmpdir(), 'octavo-warm-'));
      const prompt = Array.from({ length: tokens }, (_, i) => 300 + ((i * 7919 + run * 104729 + tokens) % 20000));
      const open = () =>
        createEngine({
          model,
          threads: options.threads,
          maxModelLen: tokens + 16,
          maxNumSeqs: 4,
          tiers: { path, fileBytes: 8 * 2 ** 30 },
        });
      try {
        const first = await open();
        computed.push(await firstTokenMs(first, prompt));
        await first.close();
        await using second = await open();
        warmed.push(await firstTokenMs(second, prompt));
        pages = second.stats().tiers?.pagesIn ?? 0;
      } finally {
        await rm(path, { recursive: true, force: true });
      }
    }
    const [cold, warm] = [summarize(computed), summarize(warmed)];
    results.push({ tokens, computed: cold, warmed: warm, ratio: cold.median / warm.median, pages });
  }
  return results;
}
