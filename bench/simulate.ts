// How well `octavo simulate` foretells what `bench:serve` measures: the same workloads over HTTP and simulated, with a calibration of this machine.

import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createPrefillPace } from '../src/engine/prefill-pace.ts';
import { type SynthDType, synthDTypes, synthShapeNames } from '../src/models/synth/index.ts';
import { backendBuild, type Calibration, costsOf, parseCalibration } from '../src/simulation/calibration/index.ts';
import { type LoadFigures, type ReplayResult, replay } from '../src/simulation/index.ts';
import { ensureModel } from './common/models.ts';
import { choices, integer, optionalNumber, optionalText, runBench, UsageError } from './common/options.ts';
import { progress } from './common/progress.ts';
import { formatTable } from './common/table.ts';
import { type Side, type SideRun, startOctavo } from './serve/contestants.ts';
import { arrivalsOf, longestTokens, type NamedWorkload, servedWorkload, workloads } from './simulate/workloads.ts';
import { formatSummary, summarize } from './stats.ts';

const options = {
  model: optionalText('a model file; else one is synthesised from --shape and --type'),
  shape: choices(synthShapeNames, 'smollm2-135m', 'shape of the synthesised model'),
  type: choices(synthDTypes as readonly SynthDType[], 'q8_0', 'type of its weights'),
  calibration: optionalText('what `octavo calibrate` wrote for this model; else it is run first'),
  threads: integer(availableParallelism(), 'threads of our server', 1, 512),
  requests: integer(96, 'requests of a run', 1, 100_000),
  rate: optionalNumber('of the Poisson arrivals, a second; else four tenths of what the simulation can serve'),
  runs: integer(3, 'runs of each workload, each with prompts of its own', 1, 1000),
  seed: integer(1, 'the same seed gives the same requests', 0),
};

const settings = { blockSize: 16, maxNumSeqs: 64, maxNumBatchedTokens: 512, maxStepStretch: 3.5 } as const;
const poolBytes = 512 * 2 ** 20;
const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Simulated / measured. */
interface Ratios {
  readonly name: string;
  readonly throughput: number;
  readonly ttft: number;
  readonly measured: readonly LoadFigures[];
  readonly simulated: readonly LoadFigures[];
}

async function calibrate(model: string, threads: number): Promise<string> {
  const path = join(root, 'bench/.cache/calibration.json');
  const args = [
    '--import',
    'tsx',
    'src/cli/main.ts',
    'calibrate',
    model,
    '--threads',
    String(threads),
    '--output',
    path,
  ];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  const code = await new Promise((resolve) => child.once('exit', resolve));
  if (code !== 0) throw new Error(`octavo calibrate ended with code ${String(code)}`);
  return path;
}

/** Throws UsageError for one of other kernels than those that will run. */
function readCalibration(path: string): Calibration {
  if (!existsSync(path)) throw new UsageError(`there is no file ${path}`);
  let calibration: Calibration;
  try {
    calibration = parseCalibration(readFileSync(path, 'utf8'), path);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  const { build } = calibration;
  if (build !== backendBuild(build.split(' ')[0])) {
    throw new UsageError(`${path} was measured with another build of the kernels: run octavo calibrate again`);
  }
  return calibration;
}

await runBench(
  'bench:simulate',
  "The simulation's forecast of output tok/s and TTFT against our server over HTTP, on three workloads. The reference is the server.",
  options,
  async (values) => {
    const model = values.model ?? (await ensureModel(values.shape[0], values.type[0]));
    if (!existsSync(model)) throw new UsageError(`there is no file ${model}`);
    const calibration = readCalibration(values.calibration ?? (await calibrate(model, values.threads)));
    const blockCount = Math.floor(poolBytes / calibration.blockBytes);
    const cost = costsOf(calibration);
    // It goes on from run to run, as the server's does.
    const pace = createPrefillPace(settings.maxStepStretch);
    const simulate = (workload: NamedWorkload, maxModelLen: number, ownPace = pace): ReplayResult =>
      replay(arrivalsOf(workload), {
        pace: ownPace,
        ...settings,
        blockCount,
        maxModelLen,
        memory: 'paged',
        enablePrefixCaching: true,
        arrivals: 'trace',
        cost,
        seed: values.seed,
      });

    const { requests } = values;
    const open = workloads({ requestCount: requests, ratePerSecond: 1e6, seed: values.seed })[2];
    const capacity = simulate(open, longestTokens([open]), createPrefillPace(settings.maxStepStretch)).figures!
      .requestsPerSecond;
    const ratePerSecond = values.rate ?? capacity * 0.4;
    const runs = Array.from({ length: values.runs }, (_, run) =>
      workloads({ requestCount: requests, ratePerSecond, seed: values.seed + 1000 * run }),
    );
    const maxModelLen = Math.ceil((longestTokens(runs.flat()) + 1) / 16) * 16;

    let side: Side | null = null;
    const results: Ratios[] = [];
    try {
      progress('starting our server ...');
      side = await startOctavo({
        model,
        threads: values.threads,
        maxModelLen,
        maxNumSeqs: settings.maxNumSeqs,
        kvCacheMemoryBytes: String(poolBytes),
        extraFlags: [],
      });
      const { vocabSize } = calibration.model;
      const [warm] = workloads({ requestCount: 16, ratePerSecond, seed: values.seed + 1_000_000 });
      progress('warming up ...');
      await side.run(servedWorkload(warm, vocabSize, values.seed + 1_000_000), null);
      simulate(warm, maxModelLen);
      for (const [index, { name }] of runs[0].entries()) {
        const measured: SideRun[] = [];
        const simulated: LoadFigures[] = [];
        for (const [run, each] of runs.entries()) {
          progress(`${name}, run ${run + 1} of ${runs.length} ...`);
          const result = await side.run(servedWorkload(each[index], vocabSize, values.seed + run), null);
          if (result.failed > 0) throw new Error(`${result.failed} requests failed: ${result.firstError}`);
          measured.push(result);
          simulated.push(simulate(each[index], maxModelLen).figures!);
        }
        const ratio = (read: (figures: LoadFigures) => number) =>
          summarize(simulated.map((figures, run) => read(figures) / read(measured[run]))).median;
        results.push({
          name,
          throughput: ratio(({ outputTokensPerSecond }) => outputTokensPerSecond),
          ttft: ratio(({ ttftMs }) => ttftMs.p50),
          measured,
          simulated,
        });
      }
    } finally {
      await side?.stop();
    }

    console.log(
      `${calibration.model.name}, ${values.threads} threads; ${requests} requests, ${values.runs} runs: median (lowest to highest)\n`,
    );
    const cell = (all: readonly LoadFigures[], read: (figures: LoadFigures) => number) =>
      formatSummary(summarize(all.map(read)), 1);
    const rows = results.flatMap(({ name, throughput, ttft, measured, simulated }) => {
      const row = (title: string, read: (figures: LoadFigures) => number, ratio: number) => [
        title,
        cell(measured, read),
        cell(simulated, read),
        ratio.toFixed(2),
      ];
      return [
        row(`${name}: output tok/s`, ({ outputTokensPerSecond }) => outputTokensPerSecond, throughput),
        row(`${name}: TTFT p50, ms`, ({ ttftMs }) => ttftMs.p50, ttft),
      ];
    });
    console.log(formatTable(['', 'measured', 'simulated', 'ratio'], rows));
    const worst = Math.max(
      ...results.flatMap(({ throughput, ttft }) => [throughput, ttft].map((it) => Math.abs(it - 1))),
    );
    console.log(`\nFurthest off: ${(worst * 100).toFixed(1)} % (15 % is the aim)`);
    return { model: calibration.model.name, ratePerSecond, calibration, results, worst };
  },
);
