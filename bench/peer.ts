// Octavo against node-llama-cpp on the same file and cores, interleaved A B A B: prefill, decode, many sequences; each
// rate also as a share of the machine's limits and against llama.cpp's own programs, scaled to these limits.

import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { type SynthDType, synthDTypes, synthShapeNames } from '../src/models/synth/index.ts';
import { type MachineLimits, withLimits } from './common/limits.ts';
import { ensureModel } from './common/models.ts';
import { choices, flag, integer, integers, optionalInteger, runBench, text, UsageError } from './common/options.ts';
import { progress } from './common/progress.ts';
import { formatRatio, formatShare, formatTable } from './common/table.ts';
import { type Player, startPlayer } from './peer/players.ts';
import type { Measurement, OutsideKernels, Task } from './peer/protocol.ts';
import { type ModelWeights, readWeights, scaledReference, shareOf, tileShareOf } from './peer/shares.ts';
import { referenceName } from './reference.ts';
import { formatSummary, type Summary, summarize } from './stats.ts';

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
  prefill: integer(512, 'tokens of the prefill; 0 leaves it out', 0, 1000),
  sequences: integers('1,4,16,32', 'numbers of sequences that decode at once', 1, 64),
  tokens: optionalInteger('tokens that each sequence decodes (default: 64, fewer for large models)', 4, 900),
  'no-peer': flag('ours alone, against the limits and the reference table'),
};

interface Model {
  readonly title: string;
  readonly shape: string;
  readonly dtype: string;
  readonly path: () => Promise<string>;
}

function modelsOf(names: string, types: readonly SynthDType[]): Model[] {
  return names.split(',').flatMap((name): Model[] => {
    const shape = synthShapeNames.find((it) => it === name);
    if (shape !== undefined) {
      return types.map((dtype) => ({
        title: `${shape} ${dtype}`,
        shape,
        dtype,
        path: () => ensureModel(shape, dtype),
      }));
    }
    if (!existsSync(name)) throw new UsageError(`--model ${name} is neither a shape nor a file`);
    return [{ title: name.split('/').at(-1)!, shape: '', dtype: '', path: async () => name }];
  });
}

interface Result {
  readonly task: string;
  readonly octavo: Summary;
  /** Prefill of the prompts included; decoding of several sequences only. */
  readonly octavoOverall: Summary;
  readonly delayP99Ms: number;
  /** Median of our runs; null for a task of single steps. */
  readonly outsideKernels: OutsideKernels | null;
  readonly peer: (Summary & { readonly setting: string; readonly overall: Summary }) | null;
  /** Ours to the peer's, run by run. */
  readonly ratio: Summary | null;
}

/** Runs one task on both sides in turn, after one run each to warm up; of the peer's settings the better one goes on. */
async function runTask(
  name: string,
  task: Task,
  ours: Player,
  peers: readonly Player[],
  runs: number,
): Promise<Result> {
  progress(`  ${name} ...`);
  await ours.measure(task, 1);
  let peer: { readonly player: Player; readonly rate: number } | null = null;
  for (const player of peers) {
    const { tokensPerSecond: rate } = await player.measure(task, 1);
    if (peers.length > 1) progress(`    ${player.name}: ${rate.toFixed(1)} in the warm-up`);
    if (peer === null || rate > peer.rate) peer = { player, rate };
  }
  const mine: Measurement[] = [];
  const theirs: Measurement[] = [];
  for (let run = 1; run <= runs; run++) {
    mine.push(await ours.measure(task, run * 10 + 1));
    if (peer !== null) theirs.push(await peer.player.measure(task, run * 10 + 2));
  }
  const ratesOf = (of: readonly Measurement[]) => of.map(({ tokensPerSecond }) => tokensPerSecond);
  const overallOf = (of: readonly Measurement[]) =>
    summarize(of.map(({ overallTokensPerSecond }) => overallTokensPerSecond));
  const outside = mine
    .flatMap(({ outsideKernels }) => (outsideKernels === null ? [] : [outsideKernels]))
    .sort((a, b) => a.msPerStep - b.msPerStep);
  return {
    task: name,
    octavo: summarize(ratesOf(mine)),
    octavoOverall: overallOf(mine),
    delayP99Ms: summarize(mine.map(({ delayP99Ms }) => delayP99Ms)).median,
    outsideKernels: outside.length === 0 ? null : outside[outside.length >> 1],
    peer:
      peer === null ? null : { setting: peer.player.name, ...summarize(ratesOf(theirs)), overall: overallOf(theirs) },
    ratio: peer === null ? null : summarize(mine.map((it, run) => it.tokensPerSecond / theirs[run].tokensPerSecond)),
  };
}

/** Tokens that each sequence decodes: fewer for large models, so that a piece of the bench stays at a few minutes. */
function defaultTokens({ layerWeights, headWeights }: ModelWeights): number {
  const weights = layerWeights + headWeights;
  return weights < 300e6 ? 64 : weights < 800e6 ? 32 : 16;
}

function limitsLine({ int8, bf16, f32, read, amxInt8 }: MachineLimits): string {
  const giga = (limit: { all: Summary } | null) => (limit === null ? 'none' : (limit.all.median / 1e9).toFixed(0));
  const { median, lowest, highest } = read.all;
  const spread = `${(median / 1e9).toFixed(1)} (${(lowest / 1e9).toFixed(1)} to ${(highest / 1e9).toFixed(1)})`;
  return `limits around the runs: int8 ${giga(int8)} GOP/s, bf16 ${giga(bf16)}, f32 ${giga(f32)}, AMX int8 ${giga(amxInt8)}, read ${spread} GB/s`;
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
    const models = modelsOf(values.model, values.type);
    const reports: Record<string, unknown>[] = [];
    for (const model of models) {
      const path = await model.path();
      const weights = await readWeights(path);
      const tokens = values.tokens ?? defaultTokens(weights);
      const tasks: { readonly name: string; readonly task: Task }[] = [];
      if (values.prefill > 0)
        tasks.push({ name: `prefill ${values.prefill}`, task: { kind: 'prefill', tokens: values.prefill } });
      for (const sequences of values.sequences) {
        const name = sequences === 1 ? 'decode, 1 sequence' : `decode, ${sequences} sequences`;
        // One sequence takes longer to be measured as well.
        const count = Math.min(900, sequences === 1 ? tokens * 2 : tokens);
        tasks.push({ name, task: { kind: 'decode', sequences, prompt: 32, tokens: count } });
      }
      progress(`${model.title}: loading ...`);
      const players: Player[] = [];
      const { limits, result: results } = await withLimits({ threads }, async () => {
        const settings = values['peer-threads'] === null ? [...new Set([1, threads])] : [values['peer-threads']];
        try {
          players.push(await startPlayer('octavo', 'octavo.ts', path, threads));
          for (const count of hasPeer ? settings : []) {
            players.push(await startPlayer(`${count} thread${count > 1 ? 's' : ''}`, 'llama.ts', path, count));
          }
          const done: Result[] = [];
          for (const { name, task } of tasks) {
            done.push(await runTask(name, task, players[0], players.slice(1), runs));
          }
          return done;
        } finally {
          for (const player of players) await player.stop();
        }
      });
      const rows = results.map((result, i) => {
        const { task } = tasks[i];
        const { limit, share } = shareOf(task, result.octavo.median, weights, limits);
        const reference = scaledReference(model.shape, model.dtype, task, limits);
        return {
          ...result,
          limit,
          share,
          tileShare: tileShareOf(task, result.octavo.median, weights, limits)?.share ?? null,
          reference,
          toReference: reference === null ? null : result.octavo.median / reference,
        };
      });
      console.log(
        `${model.title}, ${threads} threads, ${runs} runs in turn; tokens per second: median (lowest to highest)`,
      );
      console.log(`${limitsLine(limits)}\n`);
      console.log(
        formatTable(
          [
            '',
            'octavo',
            'node-llama-cpp',
            'ratio, run by run',
            'of limit',
            'limit',
            'of AMX',
            'reference',
            'ratio',
            'outside kernels',
          ],
          rows.map((row) => [
            row.task,
            formatSummary(row.octavo),
            row.peer === null ? '-' : `${formatSummary(row.peer)}, ${row.peer.setting}`,
            row.ratio === null ? '-' : formatSummary(row.ratio, 2),
            formatShare(row.share),
            row.limit,
            formatShare(row.tileShare),
            row.reference === null ? '-' : row.reference.toFixed(1),
            formatRatio(row.toReference),
            row.outsideKernels === null
              ? '-'
              : `${formatShare(row.outsideKernels.share)}, ${row.outsideKernels.msPerStep.toFixed(2)} ms`,
          ]),
        ),
      );
      console.log(
        `Our event loop's delay p99: ${Math.max(...rows.map(({ delayP99Ms }) => delayP99Ms)).toFixed(1)} ms at most.\n`,
      );
      reports.push({ model: model.title, weights, limits, rows });
    }
    console.log(`reference: ${referenceName}, times today's limit over that machine's.`);
    return { threads, runs, reports };
  },
);
