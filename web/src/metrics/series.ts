// From one scrape to the next: gauges as they are, counters as rates, histograms as means of the interval.

import { type Scrape, sum } from './exposition.ts';

/** What is taken from a scrape. Counters are totals since start. */
export interface Totals {
  readonly timeMs: number;
  /** Seconds since 1970, for the time axis. */
  readonly epochSeconds: number;
  readonly running: number;
  readonly waiting: number;
  readonly totalBlocks: number;
  readonly freeBlocks: number;
  readonly cachedBlocks: number;
  readonly slotUse: number;
  readonly generatedTokens: number;
  readonly computedTokens: number;
  readonly promptTokens: number;
  readonly hitTokens: number;
  readonly preemptions: number;
  readonly evictions: number;
  readonly refaults: number;
  readonly copyOnWrites: number;
  readonly partialHitCopies: number;
  readonly merges: number;
  readonly steps: number;
  readonly stepSeconds: number;
  readonly kernelSeconds: number;
  readonly firstTokenSum: number;
  readonly firstTokenCount: number;
  readonly interTokenSum: number;
  readonly interTokenCount: number;
  readonly pagesIn: number;
  readonly pagesOut: number;
  readonly hostPages: number;
  readonly filePages: number;
}

export function totalsOf(scrape: Scrape, timeMs: number, epochMs: number): Totals {
  const read = (name: string, labels?: Record<string, string>) => sum(scrape, `octavo_${name}`, labels);
  return {
    timeMs,
    epochSeconds: epochMs / 1000,
    running: read('num_requests_running'),
    waiting: read('num_requests_waiting'),
    totalBlocks: read('kv_blocks_total'),
    freeBlocks: read('kv_blocks_free'),
    cachedBlocks: read('kv_blocks_cached'),
    slotUse: read('kv_slot_use_ratio'),
    generatedTokens: read('generation_tokens_total'),
    computedTokens: read('computed_tokens_total'),
    promptTokens: read('prefix_cache_queries_total'),
    hitTokens: read('prefix_cache_hits_total'),
    preemptions: read('num_preemptions_total'),
    evictions: read('kv_evictions_total'),
    refaults: read('kv_refaults_total'),
    copyOnWrites: read('kv_copy_on_writes_total'),
    partialHitCopies: read('kv_partial_hit_copies_total'),
    merges: read('kv_merges_total'),
    steps: read('step_total'),
    stepSeconds: read('step_seconds_total'),
    kernelSeconds: read('step_kernel_seconds_total'),
    firstTokenSum: read('time_to_first_token_seconds_sum'),
    firstTokenCount: read('time_to_first_token_seconds_count'),
    interTokenSum: read('inter_token_latency_seconds_sum'),
    interTokenCount: read('inter_token_latency_seconds_count'),
    pagesIn: read('kv_pages_in_total'),
    pagesOut: read('kv_pages_out_total'),
    hostPages: read('tier_pages', { tier: 'host' }),
    filePages: read('tier_pages', { tier: 'file' }),
  };
}

export const columnNames = [
  'time',
  'generatedPerSecond',
  'computedPerSecond',
  'running',
  'waiting',
  'heldPercent',
  'cachedPercent',
  'slotUsePercent',
  'hitPercent',
  'preemptionsPerSecond',
  'evictionsPerSecond',
  'refaultsPerSecond',
  'copyOnWritesPerSecond',
  'partialHitCopiesPerSecond',
  'mergesPerSecond',
  'tokensPerStep',
  'stepMs',
  'kernelMs',
  'firstTokenMs',
  'interTokenMs',
  'pagesInPerSecond',
  'pagesOutPerSecond',
  'hostPages',
  'filePages',
] as const;
export type ColumnName = (typeof columnNames)[number];
/** One array per series, all of one length; null where there is no value. */
export type Columns = Record<ColumnName, (number | null)[]>;

/** Ten minutes at one sample a second. */
export const keptSamples = 600;

export function emptyColumns(): Columns {
  return Object.fromEntries(columnNames.map((name) => [name, []])) as unknown as Columns;
}

/** A row of all series. Without a previous scrape there are no rates yet. */
export function rowOf(previous: Totals | null, now: Totals): Record<ColumnName, number | null> {
  const seconds = previous === null ? 0 : (now.timeMs - previous.timeMs) / 1000;
  const rate = (name: keyof Totals) =>
    previous === null || seconds <= 0 ? null : Math.max(0, now[name] - previous[name]) / seconds;
  const ratio = (part: keyof Totals, whole: keyof Totals, times: number) => {
    if (previous === null) return null;
    const of = now[whole] - previous[whole];
    return of <= 0 ? null : ((now[part] - previous[part]) / of) * times;
  };
  const share = (blocks: number) => (now.totalBlocks === 0 ? null : (blocks / now.totalBlocks) * 100);
  return {
    time: now.epochSeconds,
    generatedPerSecond: rate('generatedTokens'),
    computedPerSecond: rate('computedTokens'),
    running: now.running,
    waiting: now.waiting,
    heldPercent: share(now.totalBlocks - now.freeBlocks),
    cachedPercent: share(now.cachedBlocks),
    slotUsePercent: now.slotUse * 100,
    hitPercent: ratio('hitTokens', 'promptTokens', 100),
    preemptionsPerSecond: rate('preemptions'),
    evictionsPerSecond: rate('evictions'),
    refaultsPerSecond: rate('refaults'),
    copyOnWritesPerSecond: rate('copyOnWrites'),
    partialHitCopiesPerSecond: rate('partialHitCopies'),
    mergesPerSecond: rate('merges'),
    tokensPerStep: ratio('computedTokens', 'steps', 1),
    stepMs: ratio('stepSeconds', 'steps', 1000),
    kernelMs: ratio('kernelSeconds', 'steps', 1000),
    firstTokenMs: ratio('firstTokenSum', 'firstTokenCount', 1000),
    interTokenMs: ratio('interTokenSum', 'interTokenCount', 1000),
    pagesInPerSecond: rate('pagesIn'),
    pagesOutPerSecond: rate('pagesOut'),
    hostPages: now.hostPages,
    filePages: now.filePages,
  };
}

export function pushSample(columns: Columns, previous: Totals | null, now: Totals): void {
  const row = rowOf(previous, now);
  for (const name of columnNames) {
    columns[name].push(row[name]);
    if (columns[name].length > keptSamples) columns[name].shift();
  }
}
