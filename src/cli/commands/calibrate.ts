// `octavo calibrate`: measures a model on this machine, for `octavo simulate --calibration`.

import { constants, createReadStream } from 'node:fs';
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Command, Option } from 'commander';
import { readRecording } from '../../events/index.ts';
import type { Calibration, ModelCalibration, ServerFit, ServerSettings } from '../../simulation/calibration/index.ts';
import { CliError } from '../cli-error.ts';
import { kvCacheDtypeOption } from '../engine-flags.ts';
import { integerFlag, numberFlag } from '../flag-values.ts';
import { formatCount } from '../format.ts';
import { createProgress } from '../progress.ts';
import { resolveModel } from '../resolve-model.ts';

interface CalibrateFlags {
  readonly output: string;
  readonly backend: 'auto' | 'cpu' | 'reference';
  readonly threads?: number;
  readonly blockSize: number;
  readonly kvCacheDtype: string;
  readonly maxNumSeqs: number;
  readonly maxNumBatchedTokens: number;
  readonly maxStepStretch: number;
  readonly seconds: number;
  readonly server: boolean;
  readonly json: boolean;
  readonly verbose: boolean;
}

const notes = `
Runs steps of many shapes on the real backend, then small loads against \`octavo serve\` in a process of its own, and fits the cost model to
them. Let nothing else run meanwhile. The file holds coefficients, the model's fingerprint, the machine and how well the model fits.

Examples:
  octavo calibrate
  octavo calibrate ./model.gguf --output model.calibration.json
  octavo simulate --calibration calibration.json --generate poisson --rate 4 --capacity-blocks 2000`;

export function addCalibrateCommand(program: Command): void {
  program
    .command('calibrate')
    .summary('measure a model on this machine, for simulate')
    .description(
      'Measure how long the steps of a model take on this machine, and write a cost model for `octavo simulate`.',
    )
    .argument('[model]', 'a GGUF file, a safetensors folder or a Hugging Face id (default: the bundled model)')
    .option('--output <file>', 'where the calibration is written', 'calibration.json')
    .addOption(new Option('--backend <name>', 'what computes').choices(['auto', 'cpu', 'reference']).default('auto'))
    .option('--threads <count>', 'threads of the CPU backend (default: the number of cores)', integerFlag(1, 256))
    .option('--block-size <tokens>', 'token slots in a KV block', integerFlag(1, 256), 16)
    .addOption(kvCacheDtypeOption())
    .option('--max-num-seqs <count>', 'sequences that run at once', integerFlag(1, 4096), 64)
    .option('--max-num-batched-tokens <tokens>', 'token budget of a step', integerFlag(1, 65536), 512)
    .option('--max-step-stretch <factor>', 'of the server that is measured', numberFlag(1.01, 1e6), 3.5)
    .option(
      '--seconds <count>',
      'time for the steps, for warming a server up, and for the loads; each is run at least once',
      numberFlag(1, 3600),
      25,
    )
    .option('--no-server', 'measure the steps only, and nothing over HTTP')
    .option('--json', 'print the calibration as one JSON object', false)
    .option('--verbose', 'show stack traces of errors', false)
    .addHelpText('after', notes)
    .action(async (model: string | undefined, flags: CalibrateFlags) => calibrate(model, flags));
}

async function calibrate(model: string | undefined, flags: CalibrateFlags): Promise<void> {
  if (flags.maxNumBatchedTokens < flags.maxNumSeqs) {
    throw new CliError('--max-num-batched-tokens must be at least --max-num-seqs.', null, 2);
  }
  // Not after two minutes of measuring.
  await access(dirname(flags.output), constants.W_OK).catch((error: NodeJS.ErrnoException) => {
    throw new CliError(`${flags.output} cannot be written (${error.code}).`, null, 2, { cause: error });
  });
  const path = await resolveModel(model);
  const { calibrateModel } = await import('../../simulation/calibration/index.ts');
  const threads = flags.threads ?? availableParallelism();
  const steps = createProgress('Measuring steps', process.stderr, (count) => `${formatCount(count)} steps`);
  let measured: ModelCalibration;
  try {
    measured = await calibrateModel({
      ...flags,
      model: path,
      threads,
      budgetSeconds: flags.seconds,
      availableBytes: process.availableMemory(),
      now: () => performance.now(),
      onProgress: steps.update,
    });
  } finally {
    steps.end();
  }
  const server = flags.server ? await measureServer(path, measured, flags, threads) : null;
  const calibration = toCalibration(measured, server, flags, threads);
  await writeFile(flags.output, `${JSON.stringify(calibration, null, 2)}\n`).catch((error: NodeJS.ErrnoException) => {
    throw new CliError(`${flags.output} cannot be written (${error.code}).`, null, 1, { cause: error });
  });
  process.stdout.write(`${flags.json ? JSON.stringify(calibration) : describe(calibration, flags.output)}\n`);
}

async function measureServer(
  path: string,
  measured: ModelCalibration,
  flags: CalibrateFlags,
  threads: number,
): Promise<ServerFit> {
  const [
    { fitServer, readServerHistory, simulateLoad },
    { designLoads, measureLoads, requestsOf },
    { startServeProcess },
  ] = await Promise.all([
    import('../../simulation/calibration/index.ts'),
    import('../load/server-loads.ts'),
    import('../load/serve-process.ts'),
  ]);
  const { blockSize, maxNumSeqs, maxNumBatchedTokens, maxStepStretch } = flags;
  const maxModelLen = Math.min(measured.maxContextTokens, 512);
  const blockCount = maxNumSeqs * Math.ceil(maxModelLen / blockSize);
  const settings: ServerSettings = {
    blockCount,
    blockSize,
    maxNumSeqs,
    maxNumBatchedTokens,
    maxModelLen,
    maxStepStretch,
  };
  const designs = designLoads(maxModelLen).map((design) => {
    // A slow model gets fewer requests: about eight seconds of each load.
    const [seconds] = simulateLoad(
      { requests: requestsOf(design), concurrency: design.concurrency },
      { step: measured.step, server: null },
      settings,
    );
    const affordable = Math.round((design.requestCount * 8) / Math.max(seconds, 0.001));
    return { ...design, requestCount: Math.max(design.concurrency, Math.min(design.requestCount, affordable)) };
  });
  const progress = createProgress('Measuring the server', process.stderr, (count) => `${formatCount(count)} requests`);
  const folder = await mkdtemp(join(tmpdir(), 'octavo-calibrate-'));
  const recording = join(folder, 'loads.jsonl');
  const server = await startServeProcess({
    entry: [...process.execArgv, process.argv[1]],
    args: [
      path,
      ...['--backend', flags.backend],
      ...['--threads', String(threads)],
      ...['--block-size', String(blockSize)],
      ...['--kv-cache-dtype', measured.kvCacheDtype],
      ...['--max-num-seqs', String(maxNumSeqs)],
      ...['--max-num-batched-tokens', String(maxNumBatchedTokens)],
      ...['--max-step-stretch', String(maxStepStretch)],
      ...['--max-model-len', String(maxModelLen)],
      ...['--kv-cache-memory-bytes', String(blockCount * measured.blockBytes)],
      ...['--record', recording, '--record-events'],
    ],
  });
  try {
    const { loads, runs, warmRequests } = await measureLoads(designs, {
      url: server.url,
      vocabSize: measured.vocabSize,
      rounds: 5,
      budgetSeconds: flags.seconds,
      onProgress: progress.update,
    });
    await server.stop();
    const lines = readRecording(createInterface({ input: createReadStream(recording) }));
    const history = await readServerHistory(lines, warmRequests);
    return fitServer(measured.step, settings, history, runs, loads);
  } finally {
    progress.end();
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

function toCalibration(
  measured: ModelCalibration,
  server: ServerFit | null,
  flags: CalibrateFlags,
  threads: number,
): Calibration {
  return {
    format: 'octavo-calibration',
    version: 2,
    date: new Date().toISOString(),
    model: { name: measured.name, fingerprint: measured.fingerprint, vocabSize: measured.vocabSize },
    machine: {
      processor: cpus()[0]?.model.trim() ?? 'unknown',
      cores: availableParallelism(),
      memoryBytes: totalmem(),
    },
    backend: measured.backend,
    build: measured.build,
    threads,
    blockSize: flags.blockSize,
    kvCacheDtype: measured.kvCacheDtype,
    blockBytes: measured.blockBytes,
    limits: {
      maxNumSeqs: flags.maxNumSeqs,
      maxNumBatchedTokens: flags.maxNumBatchedTokens,
      maxContextTokens: measured.maxContextTokens,
    },
    step: measured.step,
    server: server?.costs ?? null,
    pageSeconds: measured.pageSeconds,
    fit: { ...measured.quality, rounds: measured.rounds, server: server?.loads ?? null },
  };
}

function describe({ model, backend, fit, server, machine }: Calibration, path: string): string {
  const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
  const lines = [
    `${model.name}, ${backend}, ${machine.processor}`,
    `  steps   ${fit.steps} shapes, ${fit.rounds} rounds; off by ${percent(fit.medianError)} (median), ${percent(fit.p90Error)} (p90), ${percent(fit.maxError)} (most)`,
    `          the steps themselves spread by ${percent(fit.spread)}`,
  ];
  if (server !== null) {
    const ms = (seconds: number) => `${(seconds * 1000).toFixed(3)} ms`;
    lines.push(
      `  server  ${ms(server.stepSeconds)} between steps; ${ms(server.requestSeconds)} to read a request, ${ms(server.latencySeconds)} on the way, ${ms(server.deliverySeconds)} more a token beside it`,
      `          a step beside which it publishes takes ${ms(server.disturbedSeconds)} and ${percent(server.disturbedShare)} longer, ${ms(server.sampledSeconds)} more a token and ${ms(server.firstSampledSeconds)} for the first eight,`,
      `          ${ms(server.endedSeconds)} more where requests end; ${ms(server.readSeconds)} a request that it reads`,
    );
    for (const { concurrency, requests, durationRatio, ttftRatio } of fit.server ?? []) {
      lines.push(
        `          ${requests} requests, ${concurrency} at once: simulated / measured ${durationRatio.toFixed(2)}, TTFT ${ttftRatio.toFixed(2)}`,
      );
    }
  }
  lines.push(`Written to ${path}.`);
  return lines.join('\n');
}
