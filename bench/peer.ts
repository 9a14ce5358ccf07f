// Octavo against node-llama-cpp on the same file and cores, interleaved A B A B: prefill, decode, many sequences.

import { type ChildProcess, fork } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { synthesizeGguf } from '../src/models/synth/index.ts';
import type { Measurement, OutsideKernels, Task } from './peer/protocol.ts';
import { formatSummary, summarize } from './stats.ts';

const here = dirname(fileURLToPath(import.meta.url));
const { values } = parseArgs({
  options: {
    shape: { type: 'string', default: 'smollm2-135m' },
    type: { type: 'string', default: 'q8_0' },
    threads: { type: 'string', default: '2' },
    runs: { type: 'string', default: '5' },
    model: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(
    'npm run bench:peer -- [--shape smollm2-135m] [--type q8_0] [--threads 2] [--runs 5] [--model FILE.gguf] [--json]\n' +
      'Install the peer first: npm ci --prefix bench',
  );
  process.exit(0);
}
if (!existsSync(join(here, 'node_modules', 'node-llama-cpp'))) {
  console.error('The peer is not installed. Run: npm ci --prefix bench');
  process.exit(1);
}

interface Player {
  readonly name: string;
  readonly child: ChildProcess;
}

async function start(name: string, script: string, model: string, threads: number): Promise<Player> {
  const child = fork(join(here, 'peer', script), [model, String(threads)], {
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  await new Promise<void>((resolve, reject) => {
    child.once('message', () => resolve());
    child.once('exit', (code) => reject(new Error(`${name} ended with code ${code}`)));
  });
  return { name, child };
}

function measure({ name, child }: Player, task: Task, seed: number): Promise<Measurement> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null) => reject(new Error(`${name} ended with code ${code}`));
    child.once('exit', onExit);
    child.once('message', (message) => {
      child.off('exit', onExit);
      resolve(message as Measurement);
    });
    child.send({ task, seed });
  });
}

const cache = join(here, '.cache');
mkdirSync(cache, { recursive: true });
const model = values.model ?? join(cache, `${values.shape}-${values.type}.gguf`);
if (!existsSync(model)) {
  console.error(`Synthesising ${model} ...`);
  await synthesizeGguf({ shape: values.shape as never, dtype: values.type as never, path: model });
}
const threads = Number(values.threads);
const runs = Number(values.runs);
const tasks: readonly { readonly name: string; readonly task: Task }[] = [
  { name: 'prefill 512', task: { kind: 'prefill', tokens: 512 } },
  { name: 'decode 128', task: { kind: 'decode', prompt: 32, tokens: 128 } },
  ...[4, 16, 32].map((sequences) => ({
    name: `${sequences} sequences`,
    task: { kind: 'concurrent', sequences, prompt: 32, tokens: 64 } as Task,
  })),
];
const peerThreads = threads === 1 ? [1] : [1, threads];
const players = [
  await start('octavo', 'octavo.ts', model, threads),
  ...(await Promise.all(
    peerThreads.map((count) =>
      start(`node-llama-cpp, ${count} thread${count > 1 ? 's' : ''}`, 'llama.ts', model, count),
    ),
  )),
];

console.log(
  `${values.model ?? `${values.shape} ${values.type}`}, ${threads} threads, ${runs} interleaved runs; ` +
    'tokens per second: median (lowest to highest)',
);
const results: Record<string, unknown> = {};
for (const { name, task } of tasks) {
  console.log(`\n${name}`);
  // One run each to warm up; of the peer's settings only the better one goes on.
  const warm: Measurement[] = [];
  for (const player of players) warm.push(await measure(player, task, 1));
  const peers = players.slice(1);
  const speedOf = (player: Player) => warm[players.indexOf(player)].tokensPerSecond;
  const peer = peers.reduce((best, player) => (speedOf(player) > speedOf(best) ? player : best));
  for (const player of peers) {
    if (player !== peer)
      console.log(`  ${player.name.padEnd(28)} ${speedOf(player).toFixed(1)} in the warm-up: left out`);
  }
  const pair = [players[0], peer];
  const rates = pair.map(() => [] as number[]);
  const delays: number[] = [];
  const outside: OutsideKernels[] = [];
  for (let run = 1; run <= runs; run++) {
    for (const [i, player] of pair.entries()) {
      const { tokensPerSecond, delayP99Ms, outsideKernels } = await measure(player, task, run * 10 + i + 1);
      rates[i].push(tokensPerSecond);
      if (i === 0) delays.push(delayP99Ms);
      if (i === 0 && outsideKernels !== null) outside.push(outsideKernels);
    }
  }
  const summaries = rates.map(summarize);
  const ratios = summarize(rates[0].map((rate, run) => rate / rates[1][run]));
  for (const [i, player] of pair.entries()) console.log(`  ${player.name.padEnd(28)} ${formatSummary(summaries[i])}`);
  const delayP99Ms = summarize(delays).median;
  console.log(
    `  ratio, run by run            ${formatSummary(ratios, 2)}; our event-loop delay p99 ${delayP99Ms.toFixed(1)} ms`,
  );
  const outsideMs = summarize(outside.map(({ ms }) => ms));
  const outsidePercent = summarize(outside.map(({ share }) => 100 * share));
  if (outside.length > 0) {
    console.log(`  our step outside kernels     ${formatSummary(outsidePercent)} %, ${formatSummary(outsideMs, 2)} ms`);
  }
  results[name] = {
    octavo: summaries[0],
    peer: { setting: peer.name, ...summaries[1] },
    ratio: ratios,
    delayP99Ms,
    outsideKernels: outside.length > 0 ? { percent: outsidePercent, ms: outsideMs } : null,
  };
}
for (const { child } of players) child.disconnect();
if (values.json) console.log(JSON.stringify({ model: `${values.shape} ${values.type}`, threads, runs, results }));
