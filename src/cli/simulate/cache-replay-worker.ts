// The thread of cache-replay.ts.

import { parentPort, workerData } from 'node:worker_threads';
import { simulateScenario } from '../../simulation/index.ts';
import type { CacheReplayData } from './cache-replay.ts';
import { openScenario } from './source.ts';

const { flags, progress } = workerData as CacheReplayData;
const { scenario, options } = await openScenario(flags);
const report = await simulateScenario(scenario, options, {
  replays: ['cache'],
  onProgress: (done) => Atomics.store(progress, 0, done),
});
parentPort!.postMessage(report.cache);
