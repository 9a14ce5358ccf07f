// The cache replay of `octavo simulate` on a thread of its own: it and the serving replay take about as long, and have nothing to do with each other.

import { Worker } from 'node:worker_threads';
import type { ReplayReport } from '../../simulation/index.ts';
import type { SimulateFlags } from './flags.ts';

/** What the thread begins with. */
export interface CacheReplayData {
  readonly flags: SimulateFlags;
  /** One number: requests handed over so far, which the thread writes. */
  readonly progress: Int32Array<SharedArrayBuffer>;
}

export interface CacheReplay {
  /** Requests handed over so far. */
  readonly done: number;
  /** Null if the thread failed, for whatever reason: the same replay on this thread says why. */
  readonly report: Promise<ReplayReport | null>;
  stop(): Promise<unknown>;
}

/** Starts the cache replay of `flags`, which asks for one. */
export function startCacheReplay(flags: SimulateFlags): CacheReplay {
  const progress = new Int32Array(new SharedArrayBuffer(4));
  const worker = openWorker({ flags, progress });
  const report = new Promise<ReplayReport | null>((resolve) => {
    worker.once('message', resolve);
    worker.once('error', () => resolve(null));
    worker.once('exit', () => resolve(null));
  });
  return {
    get done() {
      return Atomics.load(progress, 0);
    },
    report,
    stop: () => worker.terminate(),
  };
}

function openWorker(workerData: CacheReplayData): Worker {
  if (import.meta.url.endsWith('.js')) {
    return new Worker(new URL('cache-replay-worker.js', import.meta.url), { workerData });
  }
  // From source: threads do not inherit the loader of TypeScript.
  const url = JSON.stringify(new URL('cache-replay-worker.ts', import.meta.url).href);
  const program = `import('tsx/esm/api').then(({ tsImport }) => tsImport(${url}, ${url}));`;
  return new Worker(program, { eval: true, workerData });
}
