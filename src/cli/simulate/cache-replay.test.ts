// The thread of the cache replay, which `octavo simulate` could do without: that it runs, and what happens if it cannot.

import { expect, it } from 'vitest';
import { startCacheReplay } from './cache-replay.ts';
import type { SimulateFlags } from './flags.ts';

const flags: SimulateFlags = {
  generate: 'poisson',
  rate: 50,
  requests: 200,
  inputTokens: '40',
  outputTokens: '2',
  prefixTree: '4x32',
  prefixSkew: 1,
  turns: '1',
  thinkSeconds: 1,
  arrivals: 'trace',
  speed: 1,
  capacityBlocks: 60,
  blockSize: 16,
  policy: 'lru',
  memory: 'paged',
  preemption: 'recompute',
  replay: 'both',
  seed: 0,
  timeline: false,
  timings: false,
  json: false,
  verbose: false,
};

it('reports what the cache hits, and how far it is', async () => {
  const replay = startCacheReplay(flags);
  const report = await replay.report;
  expect(report?.finishedRequests).toBe(200);
  expect(report?.blockHitRate).toBeGreaterThan(0);
  expect(replay.done).toBeGreaterThan(0);
  await replay.stop();
});

it('reports nothing of what cannot be replayed', async () => {
  expect(await startCacheReplay({ ...flags, capacityBlocks: 1 }).report).toBeNull();
});
