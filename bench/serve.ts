// A load generator over HTTP against our own server, with the measures of `vllm bench serve`; --peer runs the same
// requests through node-llama-cpp's sequences, ours and the peer's in turn.

import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { type SynthDType, synthDTypes, synthShapeNames } from '../src/models/synth/index.ts';
import { formatHandover, type MachineLimits, withLimits } from './common/limits.ts';
import { ensureModel } from './common/models.ts';
import {
  choices,
  flag,
  integer,
  optionalInteger,
  optionalNumber,
  optionalText,
  positive,
  runBench,
  text,
  UsageError,
} from './common/options.ts';
import { progress } from './common/progress.ts';
import { type Side, type SideRun, startOctavo, startPeer } from './serve/contestants.ts';
import { parseObjectives } from './serve/measures.ts';
import { comparisonTable, type SideRuns, serverLines } from './serve/report.ts';
import { readTrace } from './serve/trace.ts';
import { type Arrivals, longestTokens, syntheticWorkload, traceWorkload, type Workload } from './serve/workload.ts';

const options = {
  model: optionalText('a model file; else one is synthesised from --shape and --type'),
  shape: choices(synthShapeNames, 'smollm2-135m', 'shape of the synthesised model'),
  type: choices(synthDTypes as readonly SynthDType[], 'q8_0', 'type of its weights'),
  threads: integer(availableParallelism(), 'threads of our server', 1, 512),
  requests: integer(64, 'requests of a run'),
  concurrency: optionalInteger('closed loop: requests in flight; 16 unless --rate or --trace is given'),
  rate: optionalNumber('open loop: requests per second'),
  burstiness: positive(1, 'of the open loop: 1 is Poisson, less is more bursty (gamma distributed gaps)'),
  'input-tokens': integer(512, 'length of a prompt'),
  'output-tokens': integer(64, 'length of an answer'),
  'shared-prefix': integer(384, 'leading tokens that all prompts have in common', 0),
  trace: optionalText('lengths, arrivals and prefix sharing from a Mooncake .jsonl or an Azure .csv file'),
  scale: positive(0.1, 'factor of the lengths in the trace'),
  speed: positive(1, "factor of the trace's rate of arrival"),
  'max-tokens': integer(2048, 'prompt and answer of a request of the trace at most', 2),
  goodput: optionalText('objectives, such as ttft:500,tpot:50,e2e:5000'),
  runs: integer(3, 'runs, each with prompts of its own', 1, 1000),
  seed: integer(1, 'the same seed gives the same requests', 0),
  'kv-cache-memory-bytes': text('512M', "size of our server's pool"),
  'server-flags': text('', 'more flags for octavo serve, separated by spaces'),
  peer: flag('run the same through node-llama-cpp, in turn'),
  'peer-threads': choices(
    ['1', '2', '4', '8', '16', 'best'] as const,
    'best',
    "the peer's threads; best tries 1 and --threads",
  ),
  'no-limits': flag("do not measure the machine's limits around the runs"),
};

await runBench(
  'bench:serve',
  'Our server under load over HTTP: rates, TTFT, ITL, TPOT, E2E, goodput, memory. The reference is node-llama-cpp (--peer).',
  options,
  async (values) => {
    if (values['shared-prefix'] > values['input-tokens'])
      throw new UsageError(
        `--shared-prefix ${values['shared-prefix']} is more than --input-tokens ${values['input-tokens']}`,
      );
    if (values.rate !== null && (values.concurrency !== null || values.trace !== null))
      throw new UsageError('--rate goes with neither --concurrency nor --trace');
    if (values.peer && !existsSync(new URL('node_modules/node-llama-cpp', import.meta.url)))
      throw new UsageError('the peer is not installed; run: npm ci --prefix bench');
    if (values.model !== null && !existsSync(values.model)) throw new UsageError(`there is no file ${values.model}`);
    const objectives = values.goodput === null ? null : parseObjectives(values.goodput);
    const entries = values.trace === null ? null : readTrace(values.trace, values.requests);

    const workloadOf = (seed: number, requestCount: number): Workload => {
      if (entries !== null) {
        return traceWorkload({
          entries: entries.slice(0, requestCount),
          scale: values.scale,
          speed: values.speed,
          maxTokens: values['max-tokens'],
          concurrency: values.concurrency,
          seed,
        });
      }
      const arrivals: Arrivals =
        values.rate === null
          ? { kind: 'closed', concurrency: values.concurrency ?? 16 }
          : { kind: 'open', ratePerSecond: values.rate, burstiness: values.burstiness };
      return syntheticWorkload({
        requestCount,
        inputTokens: values['input-tokens'],
        outputTokens: values['output-tokens'],
        sharedPrefix: values['shared-prefix'],
        arrivals,
        seed,
      });
    };

    const model = values.model ?? (await ensureModel(values.shape[0], values.type[0]));
    const first = workloadOf(values.seed, values.requests);
    const longest = longestTokens(first);
    const sequences = first.concurrency ?? 64;
    const warmUp = (seed: number) => workloadOf(seed, Math.min(values.requests, first.concurrency ?? 16));
    const sides: Side[] = [];
    const runs: SideRun[][] = [];
    const body = async () => {
      progress('starting our server ...');
      const ours = await startOctavo({
        model,
        threads: values.threads,
        maxModelLen: Math.ceil((longest + 1) / 16) * 16,
        maxNumSeqs: sequences,
        kvCacheMemoryBytes: values['kv-cache-memory-bytes'],
        extraFlags: values['server-flags'].split(' ').filter((it) => it !== ''),
      });
      sides.push(ours);
      progress(`warming up ${ours.name} ...`);
      await ours.run(warmUp(values.seed + 1_000_000), objectives);
      if (values.peer) sides.push(await warmPeer());
      for (const _ of sides) runs.push([]);
      for (let run = 0; run < values.runs; run++) {
        const workload = run === 0 ? first : workloadOf(values.seed + run, values.requests);
        for (const [i, side] of sides.entries()) {
          progress(`run ${run + 1} of ${values.runs}: ${side.name}, ${workload.requests.length} requests ...`);
          const result = await side.run(workload, objectives);
          if (result.failed > 0) progress(`  ${result.failed} requests failed: ${result.firstError}`);
          runs[i].push(result);
        }
      }
    };

    async function warmPeer(): Promise<Side> {
      const wanted = values['peer-threads'][0];
      const settings = wanted === 'best' ? [...new Set([1, values.threads])] : [Number(wanted)];
      let best: { side: Side; rate: number } | null = null;
      for (const threads of settings) {
        const peerSequences = first.concurrency ?? 16;
        const side = await startPeer({ model, threads, sequences: peerSequences, contextTokens: longest + 8 });
        progress(`warming up ${side.name} ...`);
        const { outputTokensPerSecond: rate } = await side.run(warmUp(values.seed + 1_000_000), objectives);
        progress(`  ${rate.toFixed(1)} output tok/s`);
        if (best !== null && best.rate >= rate) {
          await side.stop();
        } else {
          await best?.side.stop();
          best = { side, rate };
        }
      }
      return best!.side;
    }

    let limits: MachineLimits | null = null;
    try {
      if (values['no-limits']) await body();
      else ({ limits } = await withLimits({ threads: values.threads }, body));
    } finally {
      for (const side of sides) await side.stop();
    }

    const results: SideRuns[] = sides.map(({ name }, i) => ({ name, runs: runs[i] }));
    const load =
      entries !== null
        ? `${first.requests.length} requests of ${values.trace!.split('/').at(-1)}, lengths times ${values.scale}`
        : `${values.requests} requests of ${values['input-tokens']} tokens in (${values['shared-prefix']} shared), ${values['output-tokens']} out`;
    const arrival =
      first.concurrency !== null
        ? `${first.concurrency} at once`
        : values.rate !== null
          ? `${values.rate} a second, burstiness ${values.burstiness}`
          : `at ${values.speed} times the recorded rate`;
    const modelName = values.model ?? `${values.shape[0]} ${values.type[0]}`;
    console.log(
      `${modelName}, ${values.threads} threads; ${load}, ${arrival}; ${values.runs} runs: median (lowest to highest)\n`,
    );
    console.log(comparisonTable(results));
    console.log(`\n${serverLines(results[0]).join('\n')}`);
    if (limits !== null)
      console.log(
        `Limits around the runs: int8 ${((limits.int8?.all.median ?? Number.NaN) / 1e9).toFixed(0)} GOP/s, read ${(limits.read.all.median / 1e9).toFixed(1)} GB/s${formatHandover(limits.handoverNs)}`,
      );
    return { model: modelName, load, arrival, threads: values.threads, results, limits };
  },
);
