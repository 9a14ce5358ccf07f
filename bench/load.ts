// How long a model takes to be ready and how much memory at most, ours and node-llama-cpp's in turn, each run in a process of
// its own, with the file in the page cache and out of it.

import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { type SynthDType, synthDTypes, synthShapeNames } from '../src/models/synth/index.ts';
import { ensureModel } from './common/models.ts';
import { choices, flag, integer, runBench, text, UsageError } from './common/options.ts';
import { progress } from './common/progress.ts';
import { formatRatio, formatTable } from './common/table.ts';
import { directReadMs, evict, warm } from './load/page-cache.ts';
import type { LoadReport } from './load/report.ts';
import { formatSummary, type Summary, summarize } from './stats.ts';

const states = ['cold', 'warm'] as const;
type State = (typeof states)[number];
const sides = ['octavo', 'llama'] as const;
type SideName = (typeof sides)[number];

const MiB = 1024 * 1024;

/** Loads `path` in a process of its own. Throws with what it wrote when that fails. */
function loadOnce(side: SideName, path: string, threads: number): LoadReport {
  const script = fileURLToPath(new URL(`load/${side}.ts`, import.meta.url));
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--import', 'tsx', script, path, String(threads)], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${side} ended with code ${status}: ${stderr}`);
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as LoadReport;
}

interface SideFigures {
  /** Seconds from the first call of the library until the first token is there. */
  readonly ready: Summary;
  readonly load: Summary;
  readonly firstToken: Summary;
  /** Seconds from the start of the process: Node, modules and the transpiler of both sides included. */
  readonly fromStart: Summary;
  readonly peakMiB: Summary;
  readonly memory: LoadReport['memory'];
  /** Peak over the weights and the pool together; ours only. */
  readonly share: Summary | null;
}

interface Figures {
  readonly state: State;
  readonly octavo: SideFigures;
  readonly llama: SideFigures | null;
  /** Our time until ready over the peer's, run by run. */
  readonly ratio: Summary | null;
  /** Seconds for reading the file alone, by direct I/O; cold only. */
  readonly read: Summary | null;
}

const readyMs = ({ loadMs, firstTokenMs }: LoadReport) => loadMs + firstTokenMs;

function figuresOf(reports: readonly LoadReport[]): SideFigures {
  const over = (of: (report: LoadReport) => number) => summarize(reports.map(of));
  const { memory } = reports[0];
  return {
    ready: over((report) => readyMs(report) / 1000),
    load: over(({ loadMs }) => loadMs / 1000),
    firstToken: over(({ firstTokenMs }) => firstTokenMs / 1000),
    fromStart: over((report) => (report.modulesMs + readyMs(report)) / 1000),
    peakMiB: over(({ peakBytes }) => peakBytes / MiB),
    memory,
    share: memory === null ? null : over(({ peakBytes }) => peakBytes / (memory.weightBytes + memory.kvBytes)),
  };
}

function measure(state: State, path: string, threads: number, runs: number, playing: readonly SideName[]): Figures {
  const { size } = statSync(path);
  const prepare = state === 'cold' ? () => evict(path, size) : () => warm(path);
  const reports: Record<SideName, LoadReport[]> = { octavo: [], llama: [] };
  const reads: number[] = [];
  for (let run = 1; run <= runs; run++) {
    progress(`  ${state}, run ${run} of ${runs} ...`);
    for (const side of playing) {
      prepare();
      reports[side].push(loadOnce(side, path, threads));
    }
    if (state === 'warm') continue;
    prepare();
    const ms = directReadMs(path);
    if (ms !== null) reads.push(ms / 1000);
  }
  const { octavo, llama } = reports;
  return {
    state,
    octavo: figuresOf(octavo),
    llama: llama.length === 0 ? null : figuresOf(llama),
    ratio: llama.length === 0 ? null : summarize(octavo.map((report, run) => readyMs(report) / readyMs(llama[run]))),
    read: reads.length === 0 ? null : summarize(reads),
  };
}

function rowsOf({ state, octavo, llama, ratio, read }: Figures): string[][] {
  const row = (title: string, it: SideFigures, cells: readonly string[]) => [
    `${state}, ${title}`,
    formatSummary(it.ready, 2),
    ...cells,
    formatSummary(it.load, 2),
    formatSummary(it.firstToken, 2),
    formatSummary(it.fromStart, 2),
    formatSummary(it.peakMiB, 0),
    formatRatio(it.share?.median ?? null),
  ];
  const rows = [row('octavo', octavo, [ratio === null ? '-' : formatSummary(ratio, 2)])];
  if (llama !== null) rows.push(row('node-llama-cpp', llama, ['']));
  if (read !== null) rows.push([`${state}, reading alone`, formatSummary(read, 2)]);
  return rows;
}

await runBench(
  'bench:load',
  'Seconds until the first token of a prompt of one token, ours and node-llama-cpp in turn on the same file, and peak memory.',
  {
    model: text('llama-3.2-1b', `a shape (${synthShapeNames.join(', ')}) or a GGUF file`),
    type: choices(
      synthDTypes as readonly SynthDType[],
      'q8_0',
      `types of the shape's weights: ${synthDTypes.join(', ')}`,
    ),
    state: choices(
      states,
      'cold,warm',
      'cold: evicted from the page cache before each run (Linux); warm: read into it',
    ),
    threads: integer(availableParallelism(), 'threads of both', 1, 512),
    runs: integer(3, 'runs of each, in turn', 1, 1000),
    'no-peer': flag('ours alone'),
  },
  async ({ model, type, state, threads, runs, 'no-peer': isAlone }) => {
    if (!isAlone && !existsSync(new URL('node_modules/node-llama-cpp', import.meta.url)))
      throw new UsageError('the peer is not installed; run: npm ci --prefix bench (or give --no-peer)');
    const shape = synthShapeNames.find((name) => name === model);
    if (shape === undefined && !existsSync(model))
      throw new UsageError(`--model ${model} is neither a shape nor a file`);
    const playing: readonly SideName[] = isAlone ? ['octavo'] : sides;
    const reports: Record<string, unknown>[] = [];
    for (const dtype of shape === undefined ? [null] : type) {
      const path = shape === undefined || dtype === null ? model : await ensureModel(shape, dtype);
      const title = dtype === null ? model.split('/').at(-1)! : `${model} ${dtype}`;
      progress(`${title}, ${(statSync(path).size / MiB).toFixed(0)} MiB`);
      const figures = state.map((it) => measure(it, path, threads, runs, playing));
      console.log(
        `${title}, ${(statSync(path).size / MiB).toFixed(0)} MiB, ${threads} threads, ${runs} runs in turn: median (lowest to highest)\n`,
      );
      const heading = [
        '',
        'ready, s',
        'ratio, run by run',
        'loading, s',
        'first token, s',
        'from process start, s',
        'peak, MiB',
        'over weights and pool',
      ];
      console.log(`${formatTable(heading, figures.flatMap(rowsOf))}\n`);
      reports.push({ model: title, figures });
    }
    return { threads, runs, reports };
  },
);
