// A replay with host memory below the pool: what is evicted or preempted goes there, and comes back instead of being computed again.

import { IntegrityError } from '../errors/index.ts';
import { type Arrivals, listArrivals } from './arrivals.ts';
import { createEventClock } from './event-clock.ts';
import type { ReplayOptions, ReplayResult } from './replay.ts';
import { startServingRun } from './serving-run.ts';
import { createSimulatedTier } from './simulated-tier.ts';
import type { TraceRequest } from './trace.ts';

export interface HostTierOptions {
  readonly blockCount: number;
  /** Of moving a block out or in. */
  readonly blockSeconds: number;
}

/** Stands for a block's bytes, of which there are none. */
const PAGE_BYTES = 64;

/** As `replay`. Rejects with what it throws. */
export async function replayWithHostTier(
  requests: readonly TraceRequest[] | Arrivals,
  options: ReplayOptions,
  host: HostTierOptions,
): Promise<ReplayResult> {
  const arrivals = 'open' in requests ? requests : listArrivals(requests, options.arrivals === 'saturated');
  const clock = createEventClock();
  const tier = createSimulatedTier({
    pageCount: host.blockCount,
    pageSeconds: host.blockSeconds,
    pageBytes: PAGE_BYTES,
    clock,
  });
  const run = startServingRun(arrivals, options, clock, {
    tier,
    bytes: { pageBytes: PAGE_BYTES, read() {}, write() {} },
    now: () => clock.nowMs,
    after: clock.after,
  });
  for (;;) {
    const state = run.advance();
    if (state === 'over') return run.result();
    if (state === 'waits') {
      const next = Math.min(clock.nextMs ?? Number.POSITIVE_INFINITY, run.nextArrivalMs ?? Number.POSITIVE_INFINITY);
      if (next === Number.POSITIVE_INFINITY) throw new IntegrityError('requests wait for pages that never come');
      clock.nowMs = Math.max(clock.nowMs, next);
    }
    await clock.runDue();
  }
}
