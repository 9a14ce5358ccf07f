// `octavo report`: measured pages about memory, scheduling and speed.

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import pc from 'picocolors';
import type { ReportContent, ReportOptions } from '../../analysis/reports/report.ts';
import { bundledModelPath } from '../bundled-model.ts';
import { CliError } from '../cli-error.ts';
import { integerFlag } from '../flag-values.ts';
import { formatCount } from '../format.ts';
import { measuredHere } from '../measured.ts';
import { addDrawingFlags, asUsageError, type DrawingFlags, drawPng, drawSvg, writeOutput } from '../page-flags.ts';
import { createProgress } from '../progress.ts';

const formats = ['html', 'svg', 'png', 'json'] as const;
type Format = (typeof formats)[number];

interface ReportFlags extends DrawingFlags {
  readonly list: boolean;
  readonly out: string;
  readonly format: readonly Format[];
  readonly model?: string;
  readonly trace?: string;
  readonly seed: number;
  readonly quick: boolean;
  readonly verbose: boolean;
}

const notes = `
\`octavo report --list\` names them all; \`octavo report all\` makes them all, in some minutes.
Every page says how it was measured; SVG and PNG are one file for each chart.

Examples:
  octavo report memory-scaling --model llama-13b
  octavo report utilisation --trace AzureLLMInferenceTrace_conv.csv --out pages
  octavo report throughput --format html,png,json`;

function formatsFlag(value: string): Format[] {
  const wanted = value.split(',').map((part) => part.trim().toLowerCase()) as Format[];
  if (wanted.some((format) => !formats.includes(format))) {
    throw new InvalidArgumentError(`Expected some of ${formats.join(',')}.`);
  }
  return [...new Set(wanted)];
}

export function addReportCommand(program: Command): void {
  const command = program
    .command('report')
    .summary('measure and write a page: charts, tables, numbers')
    .description("Measure on the engine's own memory manager and scheduler, and write a page with charts and tables.")
    .argument('[name]', 'which report, or all')
    .option('--list', 'name the reports', false)
    .option('--out <folder>', 'where to write', 'reports')
    .option('--format <list>', `files to write: ${formats.join(',')}`, formatsFlag, ['html'])
    .option('--model <model>', "a file, folder, config.json or shape in place of the report's own")
    .option('--trace <file>', 'requests to replay in place of made-up ones (Mooncake JSON lines, Azure CSV)')
    .option('--seed <integer>', 'of what is drawn at random', integerFlag(0, 2 ** 31 - 1), 1)
    .option('--quick', 'few repetitions and small sizes: to see that it runs', false);
  addDrawingFlags(command)
    .option('--verbose', 'show stack traces of errors', false)
    .addHelpText('after', notes)
    .action(async (name: string | undefined, flags: ReportFlags) => {
      try {
        await runReports(name, flags);
      } catch (error) {
        throw asUsageError(error);
      }
    });
}

async function runReports(name: string | undefined, flags: ReportFlags): Promise<void> {
  const { reports, findReport } = await import('../../analysis/reports/index.ts');
  if (flags.list) {
    const width = Math.max(...reports.map((report) => report.name.length));
    for (const report of reports) {
      process.stdout.write(`${pc.bold(report.name.padEnd(width))}  ${report.title[flags.lang]}\n`);
    }
    return;
  }
  if (name === undefined)
    throw new CliError('The name of a report is missing.', '`octavo report --list` names them.', 2);
  const wanted = name === 'all' ? reports : [findReport(name)];
  const { readTrace } = await import('../../simulation/index.ts');
  const trace = flags.trace === undefined ? null : await readTrace(flags.trace);
  await makeFolder(flags.out);
  const scratchFolder = await mkdtemp(join(tmpdir(), 'octavo-report-'));
  try {
    for (const report of wanted) {
      const progress = createProgress(report.name, process.stderr, (count) => `${formatCount(count)} parts`);
      const startedMs = performance.now();
      let content: ReportContent;
      try {
        const options: ReportOptions = {
          model: flags.model ?? null,
          bundledModelPath: bundledModelPath(),
          trace,
          seed: flags.seed,
          quick: flags.quick,
          scratchFolder,
          now: () => performance.now(),
          onProgress: progress.update,
        };
        content = await report.run(options);
      } finally {
        progress.end();
      }
      const seconds = (performance.now() - startedMs) / 1000;
      for (const path of await writeReport(report, content, seconds, flags)) process.stdout.write(`${path}\n`);
    }
  } finally {
    await rm(scratchFolder, { recursive: true, force: true });
  }
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (cause) {
    throw new CliError(`The folder ${path} cannot be made: ${(cause as Error).message}`, null, 2, { cause });
  }
}

/** Returns the files written. */
async function writeReport(
  report: { readonly name: string } & Pick<Parameters<typeof pageOf>[0], 'title' | 'summary'>,
  content: ReportContent,
  seconds: number,
  flags: ReportFlags,
): Promise<string[]> {
  const { name, title, summary } = report;
  const { findings, charts, tables, method, data } = content;
  const measured = measuredHere(process.argv.slice(2), seconds, method);
  const written: string[] = [];
  const write = async (file: string, bytes: string | Uint8Array) => {
    const path = join(flags.out, file);
    await writeOutput(path, bytes);
    written.push(path);
  };
  if (flags.format.includes('html')) {
    await write(`${name}.html`, await pageOf({ title, summary, findings, charts, tables, measured, data }));
  }
  if (flags.format.includes('json')) {
    const whole = { name, title: title.en, findings: findings.map(({ en }) => en), ...stripMethod(measured), data };
    await write(`${name}.json`, `${JSON.stringify(whole, null, 2)}\n`);
  }
  for (const chart of charts) {
    if (flags.format.includes('svg')) await write(`${name}-${chart.id}.svg`, await drawSvg([chart], flags));
    if (flags.format.includes('png')) await write(`${name}-${chart.id}.png`, await drawPng([chart], flags));
  }
  return written;
}

const stripMethod = ({ method, ...rest }: ReturnType<typeof measuredHere>) => ({
  ...rest,
  method: method.map(({ en }) => en),
});

async function pageOf(content: import('../../analysis/page/page.ts').PageContent): Promise<string> {
  const { renderPage } = await import('../../analysis/page/index.ts');
  return renderPage(content);
}
