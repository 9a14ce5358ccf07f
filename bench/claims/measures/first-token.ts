// The time to the first token of one long prompt, on paged and on contiguous memory.

import { createEngine } from '../../../src/index.ts';
import { progress } from '../../common/progress.ts';
import { type Summary, summarize } from '../../stats.ts';

export interface FirstTokenResult {
  readonly tokens: number;
  /** Milliseconds. */
  readonly contiguous: Summary;
  readonly paged: Summary;
}

export async function measureFirstToken(
  model: string,
  threads: number,
  tokens: number,
  runs: number,
): Promise<FirstTokenResult> {
  const times: Record<'contiguous-max' | 'paged', number[]> = { 'contiguous-max': [], paged: [] };
  for (let run = 0; run < runs; run++) {
    for (const memory of ['contiguous-max', 'paged'] as const) {
      progress(`first token of ${tokens}: run ${run + 1} of ${runs}, ${memory}`);
      await using engine = await createEngine({ model, threads, memory, maxModelLen: tokens + 16, maxNumSeqs: 1 });
      const tokenIds = Array.from({ length: tokens }, (_, i) => 300 + ((i * 7919 + run) % 20_000));
      const startedMs = performance.now();
      await engine.generate({ tokenIds, sampling: { temperature: 0, maxTokens: 1, ignoreEos: true } }).result();
      times[memory].push(performance.now() - startedMs);
    }
  }
  return { tokens, contiguous: summarize(times['contiguous-max']), paged: summarize(times.paged) };
}
