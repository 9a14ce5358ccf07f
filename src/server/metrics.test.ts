// The metrics that the engine keeps as histograms, in Prometheus' text.

import { expect, test } from 'vitest';
import { createEngine } from '../engine/index.ts';
import { bundledModelPath } from '../models/testing/bundled-model.ts';
import { createMetrics } from './metrics.ts';

test('cache reports, refaults and block times are shown', async () => {
  let nowMs = 0;
  await using engine = await createEngine({
    model: bundledModelPath(),
    maxNumSeqs: 2,
    kvCacheMemoryBytes: 1 << 19,
    evictionPolicy: 'lru',
    now: () => (nowMs += 10),
  });
  const metrics = createMetrics(engine, 'test');
  const blocks = engine.stats().totalBlocks;
  const promptOf = (first: number) => Array.from({ length: blocks * 8 }, (_, i) => 300 + ((first * 131 + i) % 1000));
  for (const first of [1, 2, 3, 1]) {
    await engine.generate({ tokenIds: promptOf(first), sampling: { maxTokens: 1 } }).result();
  }
  const text = await metrics.render();
  metrics.close();
  const value = (name: string, labels = '') =>
    Number(new RegExp(`^octavo_${name}\\{${labels}[^}]*\\} ([0-9.e+-]+)$`, 'm').exec(text)?.[1]);
  expect(value('prefix_cache_lookups_total', 'reason="never_seen"')).toBe(3);
  expect(value('prefix_cache_lookups_total', 'reason="evicted"')).toBe(1);
  const refaults = value('kv_refaults_total');
  expect(refaults).toBeGreaterThan(0);
  expect(value('kv_refault_distance_ratio_count')).toBe(refaults);
  expect(value('kv_refault_distance_ratio_bucket', 'le="\\+Inf"')).toBe(refaults);
  expect(value('kv_block_lifetime_seconds_count')).toBe(engine.stats().evictions);
  expect(value('kv_block_lifetime_seconds_sum')).toBeGreaterThan(0);
  expect(value('kv_block_idle_before_evict_seconds_sum')).toBeLessThanOrEqual(value('kv_block_lifetime_seconds_sum'));
  expect(value('kv_slot_use_ratio')).toBe(1);
  expect(text).toContain('# TYPE octavo_kv_block_reuse_gap_seconds histogram');
});
