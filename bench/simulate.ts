// How well `octavo simulate` foretells what `bench:serve` measures: the same workloads over HTTP and simulated, with calibrations of this machine around them.

import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { type SynthDType, synthDTypes, synthShapeNames } from '../src/models/synth/index.ts';
import type { LoadFigures } from '../src/simulation/index.ts';
import { ensureModel } from './common/models.ts';
import { choices, integer, optionalNumber, optionalText, runBench, UsageError } from './common/options.ts';
import { progress } from './common/progress.ts';
import { formatTable } from './common/table.ts';
import { type SideRun, startOctavo } from './serve/contestants.ts';
import { calibrate, readCalibration } from './simulate/calibrations.ts';
import { forecast } from './simulate/forecast.ts';
import { longestTokens, servedWorkload, workloads } from './simulate/workloads.ts';
import { formatSummary, mean, summarize } from './stats.ts';

const options = {
  model: optionalText('a model file; else one is synthesised from --shape and --type'),
  shape: choices(synthShapeNames, 'smollm2-135m', 'shape of the synthesised model'),
  type: choices(synthDTypes as readonly SynthDType[], 'q8_0', 'type of its weights'),
  calibration: optionalText('what `octavo calibrate` wrote for this model; else it runs before and after each run'),
  'calibration-seconds': integer(25, 'for the steps, warming up, and the loads of each of those', 1, 3600),
  threads: integer(availableParallelism(), 'threads of our server', 1, 512),
  requests: integer(96, 'requests of a run', 1, 100_000),
  rate: optionalNumber('of the Poisson arrivals, a second; else four tenths of what the simulation can serve'),
  runs: integer(3, 'runs of each workload, each with prompts of its own', 1, 1000),
  seed: integer(1, 'the same seed gives the same requests', 0),
};

const settings = { blockSize: 16, maxNumSeqs: 64, maxNumBatchedTokens: 512, maxStepStretch: 3.5 } as const;
const poolBytes = 512 * 2 ** 20;

/** One workload in one run. */
interface Outcome {
  readonly measured: SideRun;
  /** With the calibration before the run, and the one after it. */
  readonly simulated: readonly LoadFigures[];
}

type Figure = (figures: LoadFigures) => number;
const figures: readonly { readonly title: string; readonly read: Figure }[] = [
  { title: 'output tok/s', read: ({ outputTokensPerSecond }) => outputTokensPerSecond },
  { title: 'TTFT p50, ms', read: ({ ttftMs }) => ttftMs.p50 },
];

await runBench(
  'bench:simulate',
  "The simulation's forecast of output tok/s and TTFT against our server over HTTP, on three workloads. The reference is the server.",
  options,
  async (values) => {
    const model = values.model ?? (await ensureModel(values.shape[0], values.type[0]));
    if (!existsSync(model)) throw new UsageError(`there is no file ${model}`);
    const given = values.calibration === null ? null : readCalibration(values.calibration);
    const nextCalibration = async () => given ?? calibrate(model, values.threads, values['calibration-seconds']);
    const calibrations = [await nextCalibration()];
    const { vocabSize, name: modelName } = calibrations[0].model;

    const { requests, seed } = values;
    const simulation = { ...settings, poolBytes, seed };
    const [, , open] = workloads({ requestCount: requests, ratePerSecond: 1e6, seed });
    const capacity = forecast(calibrations[0], { ...simulation, maxModelLen: longestTokens([open]) }, [open]);
    const ratePerSecond = values.rate ?? capacity[0].requestsPerSecond * 0.4;
    const [warm] = workloads({ requestCount: 16, ratePerSecond, seed: seed + 1_000_000 });
    const runs = Array.from({ length: values.runs }, (_, run) =>
      workloads({ requestCount: requests, ratePerSecond, seed: seed + 1000 * run }),
    );
    const maxModelLen = Math.ceil((longestTokens(runs.flat()) + 1) / 16) * 16;

    progress('starting our server ...');
    const side = await startOctavo({
      model,
      threads: values.threads,
      maxModelLen,
      maxNumSeqs: settings.maxNumSeqs,
      kvCacheMemoryBytes: String(poolBytes),
      extraFlags: [],
    });
    const outcomes = runs[0].map((): Outcome[] => []);
    try {
      // As warm as the one that was calibrated.
      for (const [i, workload] of workloads({
        requestCount: requests,
        ratePerSecond,
        seed: seed + 1_000_000,
      }).entries()) {
        progress(`warming up, ${workload.name} ...`);
        await side.run(servedWorkload(workload, vocabSize, seed + 1_000_000 + i), null);
      }
      for (const [run, each] of runs.entries()) {
        // It idled while the machine was calibrated.
        await side.run(servedWorkload(warm, vocabSize, seed + 2_000_000 + run), null);
        const measured: SideRun[] = [];
        for (const [i, workload] of each.entries()) {
          progress(`${workload.name}, run ${run + 1} of ${runs.length} ...`);
          // Of contents of their own: what another workload left in the cache would be hits that the simulation does not know of.
          const contents = seed + 1 + run * each.length + i;
          const result = await side.run(servedWorkload(workload, vocabSize, contents), null);
          if (result.failed > 0) throw new Error(`${result.failed} requests failed: ${result.firstError}`);
          measured.push(result);
        }
        calibrations.push(await nextCalibration());
        const around = calibrations
          .slice(-2)
          .map((it) => forecast(it, { ...simulation, maxModelLen }, [warm, ...each]));
        for (const [i, outcome] of outcomes.entries()) {
          outcome.push({ measured: measured[i], simulated: around.map((forecasts) => forecasts[i + 1]) });
        }
      }
    } finally {
      await side.stop();
    }

    const results = outcomes.map((outcome, i) => ({
      name: runs[0][i].name,
      figures: figures.map(({ title, read }) => {
        const measured = outcome.map((it) => read(it.measured));
        const simulated = outcome.map((it) => mean(it.simulated.map(read)));
        const ratio = summarize(simulated.map((value, run) => value / measured[run]));
        return { title, measured: summarize(measured), simulated: summarize(simulated), ratio };
      }),
    }));
    console.log(
      `${modelName}, ${values.threads} threads; ${requests} requests, ${values.runs} runs: median (lowest to highest)\n`,
    );
    const rows = results.flatMap((result) =>
      result.figures.map(({ title, measured, simulated, ratio }) => [
        `${result.name}: ${title}`,
        formatSummary(measured, 1),
        formatSummary(simulated, 1),
        formatSummary(ratio, 2),
      ]),
    );
    console.log(formatTable(['', 'measured', 'simulated', 'ratio'], rows));
    const worst = Math.max(
      ...results.flatMap((result) => result.figures.map(({ ratio }) => Math.abs(ratio.median - 1))),
    );
    console.log(`\nFurthest off: ${(worst * 100).toFixed(1)} % (15 % is the aim)`);
    return { model: modelName, ratePerSecond, calibrations, results, outcomes, worst };
  },
);
