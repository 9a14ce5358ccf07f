// Runs what the flags of `octavo simulate` ask for, and writes it out.

import type { Measured, PageContent } from '../../analysis/page/index.ts';
import type { SimulationSubject } from '../../analysis/simulation/index.ts';
import { CalibrationFileError, InvalidRequestError, TraceFileError } from '../../errors/index.ts';
import type { Calibration } from '../../simulation/calibration/index.ts';
import {
  parseObjectives,
  replayKinds,
  runSweep,
  type SweepOptions,
  simulateScenario,
  sweepPoints,
} from '../../simulation/index.ts';
import { CliError } from '../cli-error.ts';
import { formatCount } from '../format.ts';
import { measuredHere } from '../measured.ts';
import { writeOutput } from '../page-flags.ts';
import { createProgress } from '../progress.ts';
import type { SimulateFlags } from './flags.ts';
import { describeRun, describeSweep, runToJson, sweepToJson } from './output.ts';
import { costOf, hostTierFor, openCalibration, openSource, type Source, scenarioOf, tokenBytesOf } from './source.ts';

/** What was simulated, for the output. */
export interface Setup {
  readonly flags: SimulateFlags;
  readonly source: Source;
  readonly calibration: Calibration | null;
}

/** Errors that the user can put right become CliError with exit code 2. */
export async function runSimulate(flags: SimulateFlags): Promise<void> {
  const startedMs = performance.now();
  const { json, sweep } = flags;
  const progress = createProgress('Simulating', process.stderr, (count) =>
    sweep ? `${count.toFixed(1)} combinations` : `${formatCount(count)} requests`,
  );
  const timings = () =>
    flags.timings
      ? {
          wallSeconds: (performance.now() - startedMs) / 1000,
          peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
        }
      : {};
  try {
    const source = openSource(flags);
    const calibration = await openCalibration(flags, source);
    const setup: Setup = { flags, source, calibration };
    const sizesPool = sweep?.some((text) => /^pool(-tokens)?=/.test(text)) ?? false;
    const scenario = scenarioOf(flags, calibration, sizesPool);
    const options: Omit<SweepOptions, 'points'> = {
      arrivalsFor: source.arrivalsFor,
      base: {
        cost: costOf(flags, calibration),
        seed: flags.seed,
        objectives: flags.goodput === undefined ? undefined : parseObjectives(flags.goodput),
        maxModelLen: flags.maxModelLen,
        maxStepStretch: flags.maxStepStretch ?? (calibration === null ? undefined : 3.5),
      },
      hostTierFor: hostTierFor(flags, calibration),
      tokenBytes: calibration === null ? null : tokenBytesOf(calibration),
      onProgress: progress.update,
    };
    let text: string;
    if (sweep === undefined) {
      const report = await simulateScenario(scenario, options, {
        replays: flags.replay === 'both' ? replayKinds : [flags.replay],
        onProgress: progress.update,
      });
      progress.end();
      await writePage(setup, startedMs, (page, subject, measured) =>
        report.serving === null ? null : page.runPage(subject, scenario, report.serving, measured),
      );
      text = json
        ? JSON.stringify({ ...runToJson(setup, scenario, report), ...timings() })
        : describeRun(setup, report);
    } else {
      const results = await runSweep({ ...options, points: sweepPoints(sweep, scenario) });
      progress.end();
      await writePage(setup, startedMs, (page, subject, measured) => page.sweepPage(subject, results, measured));
      text = json ? JSON.stringify({ ...sweepToJson(setup, results), ...timings() }) : describeSweep(setup, results);
    }
    process.stdout.write(`${text}\n`);
  } catch (error) {
    progress.end();
    if (
      error instanceof TraceFileError ||
      error instanceof InvalidRequestError ||
      error instanceof CalibrationFileError
    ) {
      throw new CliError(error.message, null, 2, { cause: error });
    }
    throw error;
  }
}

type PageModule = typeof import('../../analysis/simulation/index.ts');

/** Where --html asks for it. */
async function writePage(
  { flags, source, calibration }: Setup,
  startedMs: number,
  make: (page: PageModule, subject: SimulationSubject, measured: Measured) => PageContent | null,
): Promise<void> {
  if (flags.html === undefined) return;
  const [page, { renderPage }] = await Promise.all([
    import('../../analysis/simulation/index.ts'),
    import('../../analysis/page/index.ts'),
  ]);
  const subject: SimulationSubject = {
    arrivals: source.label,
    requestCount: source.requestCount,
    calibration: calibration === null ? null : `${calibration.model.name}, ${calibration.machine.processor}`,
    hasObjectives: flags.goodput !== undefined,
  };
  const seconds = (performance.now() - startedMs) / 1000;
  const content = make(page, subject, measuredHere(process.argv.slice(2), seconds, []));
  if (content === null)
    throw new InvalidRequestError('--html shows the serving replay, and only the cache was replayed', 'html');
  await writeOutput(flags.html, renderPage(content));
}
