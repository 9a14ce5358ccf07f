// Octavo against node-llama-cpp on the same file and cores, interleaved A B A B: prefill, decode, many sequences; each
// rate also as a share of the machine's limits and against llama.cpp's own programs, scaled to these limits.

import { existsSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { type SynthDType, synthDTypes, synthShapeNames } from '../src/models/synth/index.ts';
import { formatHandover, type MachineLimits, withLimits } from './common/limits.ts';
import { ensureModel, modelPath } from './common/models.ts';
import {
  choices,
  flag,
  integer,
  integers,
  optionalInteger,
  optionalNumber,
  runBench,
  text,
  UsageError,
} from './common/options.ts';
import { progress } from './common/progress.ts';
import { type Player, startPlayer } from './peer/players.ts';
import type { Task } from './peer/protocol.ts';
import { describeEstimates, formatRows, type Row, rowOf, summarizeVerdicts } from './peer/report.ts';
import { type Result, runTask } from './peer/run-task.ts';
import { type ModelWeights, readWeights } from './peer/shares.ts';
import { referenceName } from './reference.ts';
import type { Summary } from './stats.ts';

const options = {
  model: text('smollm2-135m', `shapes (${synthShapeNames.join(', ')}), or one GGUF file`),
  type: choices(
    synthDTypes as readonly SynthDType[],
    'q8_0',
    `types of the shapes' weights: ${synthDTypes.join(', ')}`,
  ),
  threads: integer(availableParallelism(), 'our threads; the peer has the better of one and this many', 1, 512),
  'peer-threads': optionalInteger("the peer's threads, rather than the better of two settings", 1, 512),
  runs: integer(5, 'runs of each, in turn', 1, 1000),
  'row-seconds': optionalNumber('begin no further run of a row after so many seconds, once it has two'),
  prefill: integer(512, 'tokens of the prefill; 0 leaves it out', 0, 1000),
  sequences: integers('1,8,16,32', 'numbers of sequences that decode at once; 0 leaves decoding out', 0, 64),
  tokens: optionalInteger('tokens that each sequence decodes (default: 64, fewer for large models)', 4, 900),
  'no-peer': flag('ours alone, against the limits and the reference table'),
  discard: flag('delete the files of shapes that had to be written for this run'),
};

interface Model {
  readonly title: string;
  readonly shape: string;
  readonly dtype: string;
  readonly path: () => Promise<string>;
  /** To be deleted in the end. */
  readonly isTemporary: boolean;
}

function modelsOf(names: string, types: readonly SynthDType[], discards: boolean): Model[] {
  return names.split(',').flatMap((name): Model[] => {
    const shape = synthShapeNames.find((it) => it === name);
    if (shape !== undefined) {
      return types.map((dtype) => ({
        title: `${shape} ${dtype}`,
        shape,
        dtype,
        path: () => ensureModel(shape, dtype),
        isTemporary: discards && !existsSync(modelPath(shape, dtype)),
      }));
    }
    if (!existsSync(name)) throw new UsageError(`--model ${name} is neither a shape nor a file`);
    return [{ title: name.split('/').at(-1)!, shape: '', dtype: '', path: async () => name, isTemporary: false }];
  });
}

/** Tokens that each sequence decodes: fewer for large models, so that a piece of the bench stays at a few minutes. */
function defaultTokens({ layerWeights, headWeights }: ModelWeights): number {
  const weights = layerWeights + headWeights;
  return weights < 300e6 ? 64 : weights < 800e6 ? 32 : 16;
}

interface NamedTask {
  readonly name: string;
  readonly task: Task;
}

function tasksOf(prefill: number, sequences: readonly number[], tokens: number): NamedTask[] {
  const tasks: NamedTask[] =
    prefill > 0 ? [{ name: `prefill ${prefill}`, task: { kind: 'prefill', tokens: prefill } }] : [];
  for (const count of sequences.filter((it) => it > 0)) {
    const name = count === 1 ? 'decode, 1 sequence' : `decode, ${count} sequences`;
    // One sequence takes longer to be measured as well.
    const each = Math.min(900, count === 1 ? tokens * 2 : tokens);
    tasks.push({ name, task: { kind: 'decode', sequences: count, prompt: 32, tokens: each } });
  }
  return tasks;
}

function limitsLine({ int8, bf16, f32, read, amxInt8, amxBf16, handoverNs }: MachineLimits): string {
  const giga = (limit: { all: Summary } | null) => (limit === null ? 'none' : (limit.all.median / 1e9).toFixed(0));
  const { median, lowest, highest } = read.all;
  const spread = `${(median / 1e9).toFixed(1)} (${(lowest / 1e9).toFixed(1)} to ${(highest / 1e9).toFixed(1)})`;
  const tiles = amxInt8 === null ? 'none' : `${giga(amxInt8)} int8, ${giga(amxBf16)} bf16`;
  return `limits around the runs: int8 ${giga(int8)} GOP/s, bf16 ${giga(bf16)}, f32 ${giga(f32)}, AMX ${tiles}, read ${spread} GB/s${formatHandover(handoverNs)}`;
}

await runBench(
  'bench:peer',
  'Tokens per second of prefill and decode, ours and node-llama-cpp in turn on the same file, with shares of the limits.',
  options,
  async (values) => {
    const { threads, runs } = values;
    const hasPeer = !values['no-peer'];
    if (hasPeer && !existsSync(new URL('node_modules/node-llama-cpp', import.meta.url)))
      throw new UsageError('the peer is not installed; run: npm ci --prefix bench (or give --no-peer)');
    const startMs = performance.now();
    const reports: { model: string; weights: ModelWeights; limits: MachineLimits; rows: readonly Row[] }[] = [];
    for (const model of modelsOf(values.model, values.type, values.discard)) {
      const path = await model.path();
      try {
        const weights = await readWeights(path);
        const tasks = tasksOf(values.prefill, values.sequences, values.tokens ?? defaultTokens(weights));
        progress(`${model.title}: loading ...`);
        const { limits, result: results } = await withLimits({ threads }, () => runModel(path, tasks));
        const context = { shape: model.shape, dtype: model.dtype, weights, limits };
        const rows = results.map((result, i) => rowOf(result, tasks[i].task, context));
        const most = Math.max(0, ...rows.map((row) => row.runs));
        console.log(
          `${model.title}, ${threads} threads, ${most} runs in turn; tokens per second: median (lowest to highest)`,
        );
        console.log(`${limitsLine(limits)}\n\n${formatRows(rows)}`);
        const estimates = describeEstimates(rows);
        if (estimates !== null) console.log(estimates);
        console.log(
          `Our event loop's delay p99: ${Math.max(0, ...rows.map(({ delayP99Ms }) => delayP99Ms)).toFixed(1)} ms at most.\n`,
        );
        reports.push({ model: model.title, weights, limits, rows });
      } finally {
        if (model.isTemporary) rmSync(path, { force: true });
      }
    }
    console.log(
      `"by one limit", "by roofline": ${referenceName}, scaled to today's limits in these two ways (docs/benchmarks.md).`,
    );
    console.log(summarizeVerdicts(reports));
    const seconds = (performance.now() - startMs) / 1000;
    progress(`${seconds.toFixed(0)} s in all`);
    return { threads, runs, seconds, reports };

    /** All tasks on one model, both sides loaded throughout. */
    async function runModel(path: string, tasks: readonly NamedTask[]): Promise<Result[]> {
      const settings = values['peer-threads'] === null ? [...new Set([1, threads])] : [values['peer-threads']];
      const players: Player[] = [];
      try {
        players.push(await startPlayer('octavo', 'octavo.ts', path, threads));
        for (const count of hasPeer ? settings : []) {
          players.push(await startPlayer(`${count} thread${count > 1 ? 's' : ''}`, 'llama.ts', path, count));
        }
        const done: Result[] = [];
        for (const { name, task } of tasks) {
          done.push(await runTask(name, task, players[0], players.slice(1), { runs, seconds: values['row-seconds'] }));
        }
        return done;
      } finally {
        for (const player of players) await player.stop();
      }
    }
  },
);
