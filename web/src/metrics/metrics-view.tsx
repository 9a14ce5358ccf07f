// Live series of what /metrics says, and its totals.

import 'uplot/dist/uPlot.min.css';
import './metrics.css';
import { useSignal } from '@preact/signals';
import { count, figures } from '../i18n/format.ts';
import { words } from '../i18n/language.ts';
import { Choice } from '../parts/choice.tsx';
import { Chart } from './chart.tsx';
import { charts } from './charts.ts';
import { type Scrape, sum } from './exposition.ts';
import { scrape } from './poll.ts';

const windows = [60, 300, 600] as const;

/** Totals that people compare with other tools: shown under the names of /metrics. */
const shownTotals = [
  'octavo_num_requests_running',
  'octavo_num_requests_waiting',
  'octavo_kv_blocks_total',
  'octavo_kv_blocks_free',
  'octavo_kv_blocks_cached',
  'octavo_prompt_tokens_total',
  'octavo_prefix_cache_hits_total',
  'octavo_generation_tokens_total',
  'octavo_computed_tokens_total',
  'octavo_num_preemptions_total',
  'octavo_kv_evictions_total',
  'octavo_kv_copy_on_writes_total',
  'octavo_kv_partial_hit_copies_total',
  'octavo_kv_merges_total',
  'octavo_kv_refaults_total',
  'octavo_kv_pages_in_total',
  'octavo_kv_pages_out_total',
  'octavo_step_total',
] as const;

function Totals({ now }: { now: Scrape }) {
  const text = words.value.metrics;
  return (
    <section class="panel totals" aria-label={text.totals}>
      <h2>{text.totals}</h2>
      <dl>
        {shownTotals
          .filter((name) => now.has(name))
          .map((name) => {
            const value = sum(now, name);
            return (
              <div key={name}>
                <dt>
                  <code>{name.replace('octavo_', '')}</code>
                </dt>
                <dd data-metric={name} data-value={value}>
                  {Number.isInteger(value) ? count(value) : figures(value)}
                </dd>
              </div>
            );
          })}
      </dl>
      <p class="hint">
        {text.source} <a href="/metrics">/metrics</a>
      </p>
    </section>
  );
}

export function MetricsView() {
  const text = words.value.metrics;
  const windowSeconds = useSignal<(typeof windows)[number]>(300);
  const now = scrape.value;
  const hasTiers = now?.has('octavo_kv_pages_in_total') ?? false;
  return (
    <div class="metrics">
      <div class="toolbar">
        <Choice
          label={text.window}
          values={windows}
          names={{ 60: text.minutes(1), 300: text.minutes(5), 600: text.minutes(10) }}
          current={windowSeconds.value}
          choose={(seconds) => {
            windowSeconds.value = seconds;
          }}
        />
        <span class="hint">{text.hint}</span>
      </div>
      <div class="charts">
        {charts
          .filter((spec) => hasTiers || !spec.needsTiers)
          .map((spec) => (
            <Chart key={spec.name} spec={spec} windowSeconds={windowSeconds.value} />
          ))}
      </div>
      {now !== null && <Totals now={now} />}
    </div>
  );
}
