// What memory costs and what it saves: block operations, work per step, slot use at saturation, sharing.

import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { readTrace } from '../src/simulation/index.ts';
import { flag, integer, optionalText, positive, runBench } from './common/options.ts';
import { progress } from './common/progress.ts';
import { formatRatio, formatShare, formatTable } from './common/table.ts';
import { measurePairs, measureSteps } from './memory/block-operations.ts';
import { measureGrowth } from './memory/growth.ts';
import { chatRequests } from './memory/lengths.ts';
import { measureLocality } from './memory/locality.ts';
import { measureSaving, type Saving } from './memory/sharing.ts';
import { type ModeUse, measureUse, type TraceUse } from './memory/slot-use.ts';
import { formatSummary } from './stats.ts';

const options = {
  traces: optionalText('folder with AzureLLMInferenceTrace_*.csv; without it their part is left out'),
  requests: integer(4000, 'requests of each trace', 100),
  'pool-tokens': integer(131_072, 'token slots of the pool for slot use', 16_384),
  pairs: integer(1_048_576, 'allocate-and-release pairs', 1024),
  sequences: integer(256, 'sequences of the work per step', 1, 4096),
  'sharing-requests': integer(400, 'requests of each sharing shape', 10),
  'output-sigma': positive(0.7, 'spread of output lengths: the deviation of their logarithm'),
  seed: integer(1, 'of lengths and scores', 0),
  locality: flag('also decode with blocks that lie together and that do not (synthesises a model)'),
  quick: flag('few repetitions, to see that it runs'),
};

const azureFiles = ['AzureLLMInferenceTrace_conv.csv', 'AzureLLMInferenceTrace_code.csv'];

function printUse({ name, modes, buddyModes, overcommitted, inFlight }: TraceUse): void {
  const exact = { firstFit: modes, buddy: buddyModes };
  const exactInFlight = (all: readonly ModeUse[]) =>
    all.find(({ mode }) => mode === 'contiguous-exact')!.requestsInFlight;
  const rows = [
    ...modes.map((use) => ({ label: use.mode as string, use })),
    { label: 'paged, while blocks are free', use: overcommitted },
    ...buddyModes.map((use) => ({ label: `${use.mode}, buddy`, use })),
  ];
  console.log(`\n${name}, saturated, blocks of 16`);
  console.log(
    formatTable(
      [
        'memory',
        'slot use',
        'of the pool',
        'in flight',
        'of exact',
        'of exact, buddy',
        'preemptions',
        'computed / needed',
      ],
      rows.map(({ label, use: { slotUse, poolUse, requestsInFlight, preemptions, computedRatio } }) => [
        label,
        formatShare(slotUse),
        formatShare(poolUse),
        requestsInFlight.toFixed(1),
        formatRatio(requestsInFlight / exactInFlight(exact.firstFit)),
        formatRatio(requestsInFlight / exactInFlight(exact.buddy)),
        String(preemptions),
        computedRatio.toFixed(3),
      ]),
    ),
  );
  console.log(
    `in flight against the exact length: ${formatRatio(inFlight.firstFit)}, and ${formatRatio(inFlight.buddy)} where a buddy system places it (${formatRatio(inFlight.lossless)} if neither lost a slot)`,
  );
}

await runBench(
  'bench:memory',
  'Block operations, work per step, slot use at saturation, sharing.',
  options,
  async (values) => {
    progress('block operations');
    const { stack, costs } = measurePairs(values.pairs);
    console.log(
      `million allocate-and-release pairs per second: median (lowest to highest); bare stack ${formatSummary(stack)}\n`,
    );
    console.log(
      formatTable(
        ['allocator', 'rate', 'of the stack'],
        costs.map(({ name, rate, share }) => [name, formatSummary(rate), formatShare(share)]),
      ),
    );

    progress('work per step');
    const step = measureSteps(values.sequences, values.quick ? 100 : 800);
    console.log(`\nschedule and complete, ${values.sequences} sequences: ${formatSummary(step, 3)} ms per step`);

    const uses: TraceUse[] = [];
    for (const file of azureFiles) {
      const path = values.traces === null ? null : join(values.traces, file);
      if (path === null || !existsSync(path)) {
        progress(`left out: ${file} (give --traces FOLDER)`);
        continue;
      }
      progress(`slot use: ${file}`);
      const { requests } = await readTrace(path, values.requests);
      uses.push(measureUse(basename(file, '.csv'), requests, values['pool-tokens'], values.seed));
      printUse(uses[uses.length - 1]);
    }
    progress('slot use: lengths shaped like ShareGPT');
    const shaped = chatRequests(
      Math.min(values.requests, values.quick ? 300 : 2000),
      values.seed,
      values['output-sigma'],
    );
    uses.push(measureUse('ShareGPT-shaped lengths', shaped, values['pool-tokens'] / 8, values.seed));
    printUse(uses[uses.length - 1]);

    progress('blocks set aside for growth');
    const quantiles = [0, 0.5, 0.9, 1];
    const growth = measureGrowth(shaped, values['pool-tokens'] / 8, quantiles, values.seed);
    console.log(
      '\nblocks set aside at admission for expected growth, ShareGPT-shaped lengths at saturation, no prefix cache\n',
    );
    console.log(
      formatTable(
        ['quantile', 'preemptions', 'computed / needed', 'in flight', 'tok/s, simulated'],
        growth.map((use) => [
          String(use.quantile),
          String(use.preemptions),
          use.computedRatio.toFixed(3),
          use.requestsInFlight.toFixed(1),
          use.tokensPerSecond.toFixed(0),
        ]),
      ),
    );

    const locality = values.locality
      ? await measureLocality({
          shape: 'smollm2-135m',
          type: 'q8_0',
          threads: 2,
          sequences: 8,
          contextTokens: 768,
          steps: 40,
        })
      : null;
    if (locality !== null) {
      console.log(
        '\ndecoding where blocks lie together and where they do not, 8 sequences of 768 tokens of smollm2-135m\n',
      );
      console.log(
        formatTable(
          ['tables', 'blocks per run', 'spread', 'ms in kernels per step'],
          locality.map(({ name, meanRunBlocks, heldSpread, stepMs }) => [
            name,
            meanRunBlocks.toFixed(2),
            heldSpread.toFixed(2),
            formatSummary(stepMs, 1),
          ]),
        ),
      );
    }

    progress('sharing');
    const sharing: Saving[] = [];
    for (const shape of ['parallel', 'beam'] as const) {
      for (const width of [2, 4, 6]) {
        const requestCount = values.quick ? 20 : values['sharing-requests'];
        sharing.push(
          measureSaving(shape, width, {
            requestCount,
            atOnce: 16,
            seed: values.seed,
            outputSigma: values['output-sigma'],
          }),
        );
      }
    }
    console.log('\nblocks saved by sharing, lengths of mean 161 in and 338 out');
    console.log(
      formatTable(
        ['shape', 'width', 'saved'],
        sharing.map(({ shape, width, savedShare }) => [shape, String(width), formatShare(savedShare)]),
      ),
    );
    return { stack, costs, step, uses, growth, locality, sharing };
  },
);
