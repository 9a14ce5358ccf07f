// Nodes in /metrics.

import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { addNumaMetrics } from './numa-metrics.ts';

it('nodes of the pool are in /metrics with what they hold', async () => {
  const registry = new Registry();
  addNumaMetrics(registry, () => ({
    nodes: [
      { id: 0, blocks: 10, isBound: true },
      { id: 3, blocks: 11, isBound: false },
    ],
    migratedBlocks: 7,
  }));
  const text = await registry.metrics();
  expect(text).toContain('octavo_numa_blocks{node="3"} 11');
  expect(text).toContain('octavo_numa_bound{node="0"} 1');
  expect(text).toContain('octavo_numa_bound{node="3"} 0');
  expect(text).toContain('octavo_numa_migrated_blocks_total 7');
});
