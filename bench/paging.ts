// What paging between tiers is worth: a warm prefix from disk against computing it, and a pool that is too small with and without tiers.

import { choices, flag, integer, integers, runBench, text } from './common/options.ts';
import { formatRatio, formatTable } from './common/table.ts';
import { measurePressure } from './paging/pressure.ts';
import { measureWarm } from './paging/warm.ts';
import { formatSummary } from './stats.ts';

const options = {
  parts: choices(['warm', 'pressure'] as const, 'warm,pressure', 'what to measure'),
  shape: text('llama-3.2-1b', 'warm: shape of the synthesised model'),
  type: text('q8_0', 'type of the weights'),
  prefixes: integers('1024,4096', 'warm: tokens of the prompt', 64, 32768),
  runs: integer(3, 'runs of each'),
  threads: integer(2, 'threads', 1, 256),
  'pressure-shape': text('smollm2-135m', 'pressure: shape of the synthesised model'),
  'pairs-only': flag('pressure: without an ample pool, for more rounds in the time'),
  requests: integer(32, 'pressure: requests at once', 1, 4096),
  'input-tokens': integer(256, 'pressure: length of a prompt', 1, 4096),
  'output-tokens': integer(128, 'pressure: length of an answer', 1, 4096),
};

await runBench(
  'bench:paging',
  'Pages from disk against computing; a pool a quarter of the need with and without a host tier.',
  options,
  async (values) => {
    const { runs, threads } = values;
    const result: Record<string, unknown> = {};
    if (values.parts.includes('warm')) {
      const warm = await measureWarm({ ...values, runs, threads });
      result.warm = warm;
      console.log(`\nTime to first token of a prompt, ms; reference: computing it (${values.shape} ${values.type})\n`);
      console.log(
        formatTable(
          ['tokens', 'computed', 'from the file tier', 'times as fast', 'pages read'],
          warm.map(({ tokens, computed, warmed, ratio, pages }) => [
            String(tokens),
            formatSummary(computed),
            formatSummary(warmed),
            formatRatio(ratio),
            String(pages),
          ]),
        ),
      );
    }
    if (values.parts.includes('pressure')) {
      const pressure = await measurePressure({
        shape: values['pressure-shape'],
        type: values.type,
        requests: values.requests,
        inputTokens: values['input-tokens'],
        outputTokens: values['output-tokens'],
        runs,
        threads,
        ample: !values['pairs-only'],
      });
      result.pressure = pressure;
      console.log(`\n${values.requests} requests on ${values['pressure-shape']}, a pool of a quarter of their need\n`);
      console.log(
        formatTable(
          ['', 'output tok/s', 'ratio of rounds', 'preemptions', 'tokens computed', 'pages out / in'],
          pressure.rows.map((row) => [
            row.name,
            formatSummary(row.rate),
            formatSummary(row.ratio, 2),
            String(row.preemptions),
            String(row.computedTokens),
            `${row.pagesOut} / ${row.pagesIn}`,
          ]),
        ),
      );
      const rates = pressure.rows[1].rates;
      if (rates !== null) console.log(`\nrates and odds of the last run: ${JSON.stringify(rates)}`);
      console.log(`\nTokens equal to those with ample memory: ${pressure.isEqual ? 'yes' : 'NO'}`);
    }
    return result;
  },
);
