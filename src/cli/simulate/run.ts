// Runs what the flags of `octavo simulate` ask for, and writes it out.

import { availableParallelism } from 'node:os';
import type { Measured, PageContent } from '../../analysis/page/index.ts';
import type { SimulationSubject } from '../../analysis/simulation/index.ts';
import { CalibrationFileError, InvalidRequestError, TraceFileError } from '../../errors/index.ts';
import type { Calibration } from '../../simulation/calibration/index.ts';
import {
  replayKinds,
  runSweep,
  type Scenario,
  type SimulationReport,
  type SweepOptions,
  simulateScenario,
  sweepPoints,
} from '../../simulation/index.ts';
import { CliError } from '../cli-error.ts';
import { formatCount } from '../format.ts';
import { measuredHere } from '../measured.ts';
import { writeOutput } from '../page-flags.ts';
import { createProgress } from '../progress.ts';
import { startCacheReplay } from './cache-replay.ts';
import type { SimulateFlags } from './flags.ts';
import { describeRun, describeSweep, runToJson, sweepToJson } from './output.ts';
import { openScenario, type Source } from './source.ts';

/** From this many requests on, the two replays run at once. */
const LONG_REQUESTS = 2000;

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
    const { source, calibration, scenario, options: quiet } = await openScenario(flags);
    const setup: Setup = { flags, source, calibration };
    const options = { ...quiet, onProgress: progress.update };
    let text: string;
    if (sweep === undefined) {
      const isLong = source.requestCount >= LONG_REQUESTS && availableParallelism() > 1;
      const hasBoth = flags.replay === 'both' && source.arrivalsFor(scenario).sharesPrompts;
      const report =
        hasBoth && isLong
          ? await replayBothAtOnce(flags, scenario, options)
          : await simulateScenario(scenario, options, {
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

/** The serving replay on this thread and the cache's on another. Throws as `simulateScenario` does. */
async function replayBothAtOnce(
  flags: SimulateFlags,
  scenario: Scenario,
  options: Omit<SweepOptions, 'points'>,
): Promise<SimulationReport> {
  const cacheReplay = startCacheReplay(flags);
  try {
    const { serving } = await simulateScenario(scenario, options, {
      replays: ['serving'],
      onProgress: (done, total) => options.onProgress?.(done + cacheReplay.done, 2 * total),
    });
    const cache = await cacheReplay.report;
    if (cache !== null) return { cache, serving };
    return { ...(await simulateScenario(scenario, options, { replays: ['cache'] })), serving };
  } finally {
    await cacheReplay.stop();
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
