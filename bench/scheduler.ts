// What the scheduler and the memory manager cost per decoding step, without a backend.

import { createKvMemory } from '../src/memory/index.ts';
import { createScheduler } from '../src/scheduler/index.ts';
import { integers, runBench } from './common/options.ts';
import { formatTable } from './common/table.ts';
import { formatSummary, type Summary, summarize } from './stats.ts';

const options = { sequences: integers('16,64,256', 'numbers of sequences that decode at once', 1, 4096) };

interface Cost {
  readonly sequences: number;
  readonly schedule: Summary;
  readonly complete: Summary;
  readonly both: Summary;
  /** Blocks fill, and are hashed, in one step of sixteen: the mean has them, the median does not. */
  readonly meanMs: number;
}

function measure(sequences: number): Cost {
  const prompt = 128;
  const memory = createKvMemory({
    blockCount: sequences * 64,
    blockSize: 16,
    maxNumSeqs: sequences,
    maxBlocksPerSequence: 64,
    enablePrefixCaching: true,
  });
  const scheduler = createScheduler({
    memory,
    maxNumSeqs: sequences,
    maxNumBatchedTokens: Math.max(2048, sequences),
    maxOutputs: sequences,
    maxModelLen: 1024,
    maxQueuedRequests: sequences,
  });
  for (let id = 0; id < sequences; id++) {
    const promptTokenIds = Array.from({ length: prompt }, (_, i) => id * 1000 + i);
    scheduler.add({ id, promptTokenIds, maxNewTokens: 800, salt: '', wantsPromptLogits: false });
  }
  const planMs: number[] = [];
  const completeMs: number[] = [];
  for (let step = 0; step < 700; step++) {
    const startedMs = performance.now();
    const plan = scheduler.schedule();
    const plannedMs = performance.now();
    if (plan === null) throw new Error('nothing to schedule');
    const sampled = plan.sequences
      .filter(({ samples }) => samples)
      .map(({ id }) => ({ id, tokenId: (step * 31 + id) % 5000, finished: false }));
    const sampledMs = performance.now();
    scheduler.complete(plan, sampled);
    if (step < 200) continue;
    planMs.push(plannedMs - startedMs);
    completeMs.push(performance.now() - sampledMs);
  }
  const total = planMs.map((ms, i) => ms + completeMs[i]);
  return {
    sequences,
    schedule: summarize(planMs),
    complete: summarize(completeMs),
    both: summarize(total),
    meanMs: total.reduce((sum, ms) => sum + ms) / total.length,
  };
}

await runBench('bench:scheduler', 'Cost of scheduler and memory manager per step.', options, async (values) => {
  const costs = values.sequences.map(measure);
  console.log('milliseconds per step: median (lowest to highest)\n');
  console.log(
    formatTable(
      ['sequences', 'schedule', 'complete', 'both', 'mean of both'],
      costs.map(({ sequences, schedule, complete, both, meanMs }) => [
        String(sequences),
        formatSummary(schedule, 3),
        formatSummary(complete, 3),
        formatSummary(both, 3),
        meanMs.toFixed(3),
      ]),
    ),
  );
  return { costs };
});
