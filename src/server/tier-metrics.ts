// Metrics of the tiers below the pool: what they hold, and what moves.

import { Counter, Gauge, type Registry } from 'prom-client';
import type { TierStats } from '../engine/api.ts';

type OneTier = TierStats['tiers'][number];

const transfers: readonly (readonly [name: string, help: string, read: (stats: TierStats) => number])[] = [
  ['pages_out_total', 'Evicted blocks that a tier took.', (s) => s.pagesOut],
  ['pages_in_total', 'Blocks that came back from a tier: major faults served without computing.', (s) => s.pagesIn],
  ['clean_evictions_total', 'Evicted blocks that a tier had already.', (s) => s.cleanEvictions],
  ['declined_pages_total', 'Evicted blocks that were not worth a copy.', (s) => s.declinedPages],
  ['lost_pages_total', 'Evicted blocks that no tier took.', (s) => s.lostPages],
  ['failed_pages_total', 'Pages that a tier promised and did not deliver.', (s) => s.failedPages],
  ['page_loads_total', 'Batches of pages read for a request.', (s) => s.loads],
  ['page_load_joins_total', 'Requests that waited for the load of another one.', (s) => s.joinedLoads],
  ['page_load_recomputes_total', 'Loads not begun because computing was faster.', (s) => s.recomputed],
  ['page_loads_abandoned_total', 'Loads given up because nothing arrived for too long.', (s) => s.abandonedLoads],
  ['page_load_seconds_total', 'Time that loads took.', (s) => s.loadMs / 1000],
  ['reclaimed_blocks_total', 'Blocks evicted ahead of demand.', (s) => s.reclaimedBlocks],
  ['readahead_blocks_total', 'Blocks read for requests that were not yet to be admitted.', (s) => s.readaheadBlocks],
  ['readahead_wasted_total', 'Of those, blocks evicted before anybody hit them.', (s) => s.wastedReadaheadBlocks],
];

const tierGauges: readonly (readonly [name: string, help: string, read: (tier: OneTier) => number])[] = [
  ['tier_pages', 'Pages in a tier.', (t) => t.pages],
  ['tier_bytes', 'Bytes that a tier holds, its index included.', (t) => t.bytes],
  ['tier_budget_bytes', 'Bytes that a tier may hold.', (t) => t.budgetBytes],
  [
    'tier_up',
    '1 while a tier is in use, 0 while it is taken out after failures.',
    (t) => (t.state === 'ready' ? 1 : 0),
  ],
];

const tierCounters: readonly (readonly [name: string, help: string, read: (tier: OneTier) => number])[] = [
  ['tier_hits_total', 'Pages read from a tier.', (t) => t.hits],
  ['tier_evictions_total', 'Pages that a tier evicted.', (t) => t.evictions],
  ['tier_written_bytes_total', 'Bytes stored in a tier.', (t) => t.bytesIn],
  ['tier_read_bytes_total', 'Bytes read from a tier.', (t) => t.bytesOut],
  ['tier_corrupt_pages_total', 'Pages whose checksum was wrong.', (t) => t.corruptPages],
  ['tier_failed_reads_total', 'Pages that could not be read.', (t) => t.failedReads],
  ['tier_failed_writes_total', 'Pages that could not be stored.', (t) => t.failedWrites],
  ['tier_abandoned_writes_total', 'Pages whose write took too long to be waited for.', (t) => t.abandonedWrites],
];

/** `stats` is asked for at every scrape. */
export function addTierMetrics(registry: Registry, stats: () => TierStats): void {
  const registers = [registry];
  addRateMetrics(registry, stats);
  for (const [name, help, read] of transfers) {
    new Counter({
      name: `octavo_kv_${name}`,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read(stats()));
      },
    });
  }
  for (const [name, help, read] of tierGauges) {
    new Gauge({
      name: `octavo_${name}`,
      help,
      registers,
      labelNames: ['tier'],
      collect() {
        for (const tier of stats().tiers) this.set({ tier: tier.name }, read(tier));
      },
    });
  }
  for (const [name, help, read] of tierCounters) {
    new Counter({
      name: `octavo_${name}`,
      help,
      registers,
      labelNames: ['tier'],
      collect() {
        this.reset();
        for (const tier of stats().tiers) this.inc({ tier: tier.name }, read(tier));
      },
    });
  }
}

/** What decides whether pages move: measured rates, and odds. */
function addRateMetrics(registry: Registry, stats: () => TierStats): void {
  const registers = [registry];
  new Gauge({
    name: 'octavo_kv_page_out_seconds',
    help: 'What copying a page out of the pool is expected to take.',
    registers,
    collect() {
      this.set(stats().rates.pageOutMs / 1000);
    },
  });
  new Gauge({
    name: 'octavo_kv_page_in_seconds',
    help: 'What bringing a page in among others is expected to take, by the tier that it lies in; absent until measured.',
    registers,
    labelNames: ['tier'],
    collect() {
      for (const [tier, ms] of Object.entries(stats().rates.pageInMs)) this.set({ tier }, ms / 1000);
    },
  });
  new Gauge({
    name: 'octavo_kv_page_compute_seconds',
    help: 'What computing a page at the start of a prompt is expected to take; NaN until measured.',
    registers,
    collect() {
      this.set((stats().rates.recomputeMs ?? Number.NaN) / 1000);
    },
  });
  new Gauge({
    name: 'octavo_kv_page_return_odds',
    help: 'Odds that an evicted page is wanted again, by what it was: of a preempted sequence, hit before, other.',
    registers,
    labelNames: ['kind'],
    collect() {
      for (const [kind, odds] of Object.entries(stats().rates.returnOdds)) this.set({ kind }, odds);
    },
  });
}
