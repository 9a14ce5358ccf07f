// What the scheduler and the memory manager cost per decoding step, without a backend.

import { createKvMemory } from '../src/memory/index.ts';
import { createScheduler } from '../src/scheduler/index.ts';
import { formatSummary, summarize } from './stats.ts';

for (const sequences of [16, 64, 256]) {
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
    maxNumBatchedTokens: 2048,
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
  console.log(`${sequences} sequences decoding, milliseconds per step: median (lowest to highest)`);
  console.log(`  schedule  ${formatSummary(summarize(planMs), 3)}`);
  console.log(`  complete  ${formatSummary(summarize(completeMs), 3)}`);
  console.log(`  both      ${formatSummary(summarize(total), 3)}`);
  console.log(`  mean      ${(total.reduce((a, b) => a + b) / total.length).toFixed(3)}`);
}
