// Reads /metrics once a second while the page is visible, and keeps ten minutes of it.

import { batch, signal } from '@preact/signals';
import { callServer } from '../server/api.ts';
import { parseMetrics, type Scrape } from './exposition.ts';
import { type Columns, columnNames, emptyColumns, pushSample, type Totals, totalsOf } from './series.ts';

const intervalMs = 1000;

export const scrape = signal<Scrape | null>(null);
export const modelName = signal('');
/** Grows with every sample, so that charts know when `columns` has changed. */
export const sampleCount = signal(0);
export const columns: Columns = emptyColumns();
/** The last value of each series. */
export const latest = signal<Readonly<Record<string, number>>>({});
export const reachable = signal<'connecting' | 'live' | 'lost'>('connecting');

let previous: Totals | null = null;

async function pollOnce(): Promise<void> {
  const abort = AbortSignal.timeout(5000);
  const response = await callServer('/metrics', { signal: abort });
  const now = parseMetrics(await response.text());
  const totals = totalsOf(now, performance.now(), Date.now());
  batch(() => {
    scrape.value = now;
    reachable.value = 'live';
    modelName.value = now.get('octavo_num_requests_running')?.[0]?.labels.model_name ?? '';
    // A server that was restarted counts from zero again; so do the rates.
    if (previous !== null && totals.generatedTokens < previous.generatedTokens) previous = null;
    pushSample(columns, previous, totals);
    previous = totals;
    latest.value = Object.fromEntries(columnNames.map((name) => [name, columns[name].at(-1) ?? Number.NaN]));
    sampleCount.value++;
  });
}

/** Never ends: a server that restarts is found again. */
export async function pollMetrics(): Promise<never> {
  for (;;) {
    if (!document.hidden) {
      await pollOnce().catch(() => {
        reachable.value = 'lost';
        previous = null;
      });
    }
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
  }
}
