// The NUMA part of /metrics, where the pool lies on several nodes.

import { Counter, Gauge, type Registry } from 'prom-client';
import type { NumaStats } from '../engine/api.ts';

export function addNumaMetrics(registry: Registry, stats: () => NumaStats): void {
  const registers = [registry];
  const gauges: readonly [name: string, help: string, read: (node: NumaStats['nodes'][number]) => number][] = [
    ['numa_blocks', 'Blocks of the KV pool meant for a node.', (node) => node.blocks],
    ['numa_bound', "1 where the system granted the node's memory for them.", (node) => (node.isBound ? 1 : 0)],
  ];
  for (const [name, help, read] of gauges) {
    new Gauge({
      name: `octavo_${name}`,
      help,
      registers,
      labelNames: ['node'],
      collect() {
        for (const node of stats().nodes) this.set({ node: String(node.id) }, read(node));
      },
    });
  }
  new Counter({
    name: 'octavo_numa_migrated_blocks_total',
    help: 'Blocks moved to the node of their sequence.',
    registers,
    collect() {
      this.reset();
      this.inc(stats().migratedBlocks);
    },
  });
}
