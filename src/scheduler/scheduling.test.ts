// Scheduler and memory against a trivial model, over random histories.

import { describe, expect, it } from 'vitest';
import { createHarness } from './testing/harness.ts';
import { checkScheduling } from './testing/property.ts';

describe('scheduling over paged memory', () => {
  it('reads the right content, outputs the right rows and leaves nothing behind, whatever happens', () => {
    const coverage = checkScheduling({ runs: 300 });
    for (const [what, count] of Object.entries(coverage)) expect(count, what).toBeGreaterThan(0);
  });

  it('is as at start after 2,000 requests of which a third are cancelled', () => {
    const harness = createHarness({
      blockSize: 8,
      blockCount: 60,
      maxNumSeqs: 24,
      maxNumBatchedTokens: 128,
      maxOutputs: 64,
      maxModelLen: 256,
      maxQueuedRequests: 2000,
      enablePrefixCaching: true,
      watermarkBlocks: 0,
      checkIntegrity: false,
    });
    let state = 12345;
    const random = (limit: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * limit);
    };
    let cancelled = 0;
    const cancelOne = (): void => {
      const ids = harness.liveIds;
      if (ids.length === 0) return;
      harness.cancel(ids[random(ids.length)]);
      cancelled++;
    };
    for (let added = 0; added < 2000; ) {
      for (let i = random(4); i >= 0 && added < 2000; i--, added++) {
        const shared = Array.from({ length: random(64) }, (_, at) => (at * at) % 3);
        const own = Array.from({ length: 1 + random(20) }, () => random(3));
        harness.add([...shared, ...own], random(60), random(4) === 0 ? 'b' : '', random(8) === 0);
      }
      if (cancelled * 3 < added && random(2) === 0) cancelOne();
      harness.step({ fails: random(20) === 0, whileInFlight: cancelled * 3 < added ? cancelOne : undefined });
      if (added % 100 === 0) harness.memory.checkIntegrity();
    }
    harness.drain();
    expect(cancelled).toBeGreaterThan(600);
    expect(harness.scheduler.counters.preemptions).toBeGreaterThan(0);
    expect(harness.scheduler.describe()).toEqual([]);
  });
});
