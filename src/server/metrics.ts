// Prometheus metrics of one server, in vLLM's style with the prefix octavo_.

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, Histogram, type Metric, Registry } from 'prom-client';
import type { Engine, EngineStats, RequestTimes } from '../engine/api.ts';
import { outsideKernelsShare } from '../engine/step-clock.ts';
import type { HistogramFigures } from '../memory/index.ts';
import { addNumaMetrics } from './numa-metrics.ts';
import { addTierMetrics } from './tier-metrics.ts';

export interface ServerMetrics {
  readonly contentType: string;
  render(): Promise<string>;
  /** Counts an HTTP answer. `route` is the pattern, not the URL, so that labels stay few. */
  countHttp(route: string, status: number): void;
  close(): void;
}

const secondsBuckets = {
  firstToken: [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80],
  interToken: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5],
  request: [0.01, 0.05, 0.1, 0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480],
};

type StatField = { readonly name: string; readonly help: string; readonly read: (stats: EngineStats) => number };

const gauges: readonly StatField[] = [
  { name: 'num_requests_running', help: 'Requests in the running batch.', read: (s) => s.runningRequests },
  { name: 'num_requests_waiting', help: 'Requests that wait to be admitted.', read: (s) => s.waitingRequests },
  {
    name: 'kv_cache_usage_perc',
    help: 'Share of the KV blocks that sequences hold; 1 is all.',
    read: (s) => (s.totalBlocks === 0 ? 0 : s.usedBlocks / s.totalBlocks),
  },
  { name: 'kv_blocks_total', help: 'Blocks of the KV pool.', read: (s) => s.totalBlocks },
  { name: 'kv_blocks_free', help: 'Blocks that can be allocated, cached ones included.', read: (s) => s.freeBlocks },
  {
    name: 'kv_slot_use_ratio',
    help: 'Slots with a token / slots of the blocks that sequences hold; what is missing to 1 is internal fragmentation.',
    read: (s) => (s.heldSlots === 0 ? 1 : s.usedSlots / s.heldSlots),
  },
  { name: 'kv_blocks_cached', help: 'Unreferenced blocks that can still be hit.', read: (s) => s.cachedBlocks },
  {
    name: 'kv_external_fragmentation_ratio',
    help: '1 - longest run of free blocks / free blocks, without those that an eviction would free.',
    read: (s) => s.placement.externalFragmentation,
  },
  {
    name: 'kv_largest_free_run_blocks',
    help: 'Longest run of free blocks.',
    read: (s) => s.placement.largestFreeRun,
  },
  {
    name: 'kv_mean_run_blocks',
    help: 'Neighbouring blocks in a row that running sequences have, on average.',
    read: (s) => s.placement.meanRunBlocks,
  },
  {
    name: 'step_outside_kernels_ratio',
    help: 'Since start: share of the time between the starts of consecutive steps that was not spent in kernels.',
    read: outsideKernelsShare,
  },
];

const counters: readonly StatField[] = [
  { name: 'prompt_tokens_total', help: 'Prompt tokens of all requests.', read: (s) => s.promptTokens },
  { name: 'generation_tokens_total', help: 'Tokens generated.', read: (s) => s.generatedTokens },
  {
    name: 'computed_tokens_total',
    help: 'Tokens run through the model, recomputation included.',
    read: (s) => s.computedTokens,
  },
  {
    name: 'overlapped_steps_total',
    help: 'Steps planned while the one before them ran (--async-scheduling).',
    read: (s) => s.overlappedSteps,
  },
  { name: 'num_preemptions_total', help: 'Sequences put back into the queue.', read: (s) => s.preemptions },
  {
    name: 'prefix_cache_queries_total',
    help: 'Prompt tokens looked up in the prefix cache, counted when a request is admitted.',
    read: (s) => s.lookedUpPromptTokens,
  },
  {
    name: 'prefix_cache_hits_total',
    help: 'Prompt tokens found in the prefix cache.',
    read: (s) => s.cachedPromptTokens,
  },
  { name: 'kv_evictions_total', help: 'Cached blocks given to new content.', read: (s) => s.evictions },
  { name: 'kv_copy_on_writes_total', help: 'Shared blocks copied before a write.', read: (s) => s.copyOnWrites },
  {
    name: 'kv_partial_hit_copies_total',
    help: 'Cached blocks copied because a prompt shares a part of them.',
    read: (s) => s.partialHitCopies,
  },
  {
    name: 'kv_merges_total',
    help: 'Blocks freed because an identical one was there already.',
    read: (s) => s.merges,
  },
  {
    name: 'kv_refaults_total',
    help: 'Evicted blocks that were computed again while their eviction was remembered.',
    read: (s) => s.blockHistory.refaults,
  },
  {
    name: 'kv_runs_granted_total',
    help: 'Requests for several blocks that got one run.',
    read: (s) => s.placement.grantedRuns,
  },
  {
    name: 'kv_runs_split_total',
    help: 'Requests for several blocks that had to be split.',
    read: (s) => s.placement.splitRuns,
  },
  {
    name: 'kv_relocated_blocks_total',
    help: 'Blocks moved by compaction.',
    read: (s) => s.placement.relocatedBlocks,
  },
  {
    name: 'kv_page_table_hits_total',
    help: 'Block table entries that steps could use as they were.',
    read: (s) => s.placement.pageTable.hits,
  },
  {
    name: 'kv_page_table_updates_total',
    help: 'Block table entries written.',
    read: (s) => s.placement.pageTable.updates,
  },
  {
    name: 'kv_page_table_invalidations_total',
    help: 'Block table entries overwritten or removed.',
    read: (s) => s.placement.pageTable.invalidations,
  },
  { name: 'step_total', help: 'Steps executed.', read: (s) => s.steps },
  { name: 'step_seconds_total', help: 'Time from the start of a step to its results.', read: (s) => s.stepMs / 1000 },
  {
    name: 'step_kernel_seconds_total',
    help: 'Time spent in kernels, picking tokens included.',
    read: (s) => s.kernelMs / 1000,
  },
  { name: 'step_pick_seconds_total', help: 'Time spent picking tokens.', read: (s) => s.pickMs / 1000 },
  {
    name: 'step_followed_total',
    help: 'Steps that another one followed at once.',
    read: (s) => s.followedSteps,
  },
  {
    name: 'step_followed_seconds_total',
    help: 'Time from the start of such a step to the start of the one that followed.',
    read: (s) => s.followedMs / 1000,
  },
  {
    name: 'step_followed_kernel_seconds_total',
    help: 'Time spent in the kernels of such steps.',
    read: (s) => s.followedKernelMs / 1000,
  },
];

const blockHistograms = [
  {
    name: 'kv_block_lifetime_seconds',
    help: 'Of evicted blocks: from caching to eviction.',
    read: (s: EngineStats) => s.blockHistory.lifetimeSeconds,
  },
  {
    name: 'kv_block_idle_before_evict_seconds',
    help: 'Of evicted blocks: from the last use to eviction.',
    read: (s: EngineStats) => s.blockHistory.idleSeconds,
  },
  {
    name: 'kv_block_reuse_gap_seconds',
    help: 'Between two uses of a cached block.',
    read: (s: EngineStats) => s.blockHistory.reuseGapSeconds,
  },
  {
    name: 'kv_refault_distance_ratio',
    help: 'Of refaults: evictions since their own / blocks of the pool.',
    read: (s: EngineStats) => s.blockHistory.refaultDistance,
  },
] as const;

/** A histogram that the engine keeps, in the text that Prometheus reads. */
function histogramMetric(name: string, help: string, read: () => HistogramFigures): Metric {
  return {
    name,
    get: async () => {
      const { bounds, counts, sum } = read();
      let count = 0;
      const values = counts.map((inBucket, i) => {
        count += inBucket;
        const le = i < bounds.length ? bounds[i] : '+Inf';
        return { value: count, labels: { le }, metricName: `${name}_bucket` };
      });
      return {
        name,
        help,
        type: 'histogram',
        aggregator: 'sum',
        values: [
          ...values,
          { value: sum, labels: {}, metricName: `${name}_sum` },
          { value: count, labels: {}, metricName: `${name}_count` },
        ],
      };
    },
    reset() {},
  } as unknown as Metric;
}

/** Gauges and counters show one snapshot of the engine per scrape; histograms are fed as requests end. */
export function createMetrics(engine: Engine, servedModelName: string): ServerMetrics {
  const registry = new Registry();
  let stats = engine.stats();
  registry.setDefaultLabels({ model_name: servedModelName });
  const registers = [registry];

  for (const { name, help, read } of gauges) {
    new Gauge({
      name: `octavo_${name}`,
      help,
      registers,
      collect() {
        this.set(read(stats));
      },
    });
  }
  for (const { name, help, read } of counters) {
    new Counter({
      name: `octavo_${name}`,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read(stats));
      },
    });
  }
  if (stats.tiers !== null) addTierMetrics(registry, () => stats.tiers!);
  if (stats.numa !== null) addNumaMetrics(registry, () => stats.numa!);
  new Counter({
    name: 'octavo_request_success_total',
    help: 'Requests that ended, by reason.',
    labelNames: ['finished_reason'],
    registers,
    collect() {
      this.reset();
      for (const [reason, count] of Object.entries(stats.finishedRequests)) {
        this.inc({ finished_reason: reason }, count);
      }
    },
  });

  new Counter({
    name: 'octavo_prefix_cache_lookups_total',
    help: 'Requests admitted, by why no more of their prompt was found in the prefix cache.',
    labelNames: ['reason'],
    registers,
    collect() {
      this.reset();
      for (const [reason, count] of Object.entries(stats.cacheReports)) this.inc({ reason }, count);
    },
  });
  for (const { name, help, read } of blockHistograms) {
    registry.registerMetric(histogramMetric(`octavo_${name}`, help, () => read(stats)));
  }

  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name: `octavo_${name}`, help, buckets, registers });
  const firstToken = histogram(
    'time_to_first_token_seconds',
    'From arrival to first token.',
    secondsBuckets.firstToken,
  );
  const interToken = histogram(
    'inter_token_latency_seconds',
    'Between tokens of a request.',
    secondsBuckets.interToken,
  );
  const endToEnd = histogram('e2e_request_latency_seconds', 'From arrival to the end.', secondsBuckets.request);
  const queued = histogram('request_queue_time_seconds', 'From arrival to the first step.', secondsBuckets.request);
  const stopObserving = engine.onRequestEnd((times: RequestTimes) => {
    endToEnd.observe((times.finishedMs - times.arrivedMs) / 1000);
    if (times.firstScheduledMs !== null) queued.observe((times.firstScheduledMs - times.arrivedMs) / 1000);
    if (times.firstTokenMs !== null) firstToken.observe((times.firstTokenMs - times.arrivedMs) / 1000);
    for (const gapMs of times.interTokenMs) interToken.observe(gapMs / 1000);
  });

  const loopDelay = monitorEventLoopDelay({ resolution: 10 });
  loopDelay.enable();
  new Gauge({
    name: 'octavo_event_loop_delay_seconds',
    help: 'Delay of the event loop beyond its 10 ms timer since the last scrape.',
    labelNames: ['quantile'],
    registers,
    collect() {
      for (const quantile of [0.5, 0.9, 0.99, 1]) {
        const delayMs = loopDelay.count === 0 ? 0 : loopDelay.percentile(quantile * 100) / 1e6 - 10;
        this.set({ quantile: String(quantile) }, Math.max(0, delayMs) / 1000);
      }
      loopDelay.reset();
    },
  });
  new Gauge({
    name: 'octavo_process_resident_memory_bytes',
    help: 'Resident memory of the process.',
    registers,
    collect() {
      this.set(process.memoryUsage.rss());
    },
  });
  new Gauge({
    name: 'octavo_memory_planned_bytes',
    help: 'What the model takes by plan: packed weights, the KV pool, scratch memory of steps.',
    labelNames: ['part'],
    registers,
    collect() {
      const { weightBytes, kvBytes, scratchBytes } = engine.memory;
      this.set({ part: 'weights' }, weightBytes);
      this.set({ part: 'kv' }, kvBytes);
      this.set({ part: 'scratch' }, scratchBytes);
    },
  });
  const http = new Counter({
    name: 'octavo_http_requests_total',
    help: 'HTTP answers by route and status.',
    labelNames: ['route', 'status'],
    registers,
  });

  return {
    contentType: registry.contentType,
    render() {
      stats = engine.stats();
      return registry.metrics();
    },
    countHttp: (route, status) => http.inc({ route, status: String(status) }),
    close() {
      stopObserving();
      loopDelay.disable();
      registry.clear();
    },
  };
}
