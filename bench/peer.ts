// Octavo against node-llama-cpp on the same file and cores, interleaved A B A B: prefill, decode, many sequences.

import { type ChildProcess, fork } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { synthesizeGguf } from '../src/models/synth/index.ts';
import type { Measurement, Task } from './peer/protocol.ts';
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
    task: { kind: 'concurrent', sequences, prompt: 32, tokens: 96 } as Task,
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
  `${values.model ?? `${values.shape} ${values.type}`}, ${threads} threads, ${runs} interleaved runs; tokens per second: median (lowest to highest)`,
);
const results: Record<string, unknown> = {};
for (const { name, task } of tasks) {
  const rates = players.map(() => [] as number[]);
  const delays: number[] = [];
  for (let run = 0; run <= runs; run++) {
    for (const [i, player] of players.entries()) {
      const { tokensPerSecond, delayP99Ms } = await measure(player, task, run * 10 + i + 1);
      if (run === 0) continue;
      rates[i].push(tokensPerSecond);
      if (i === 0) delays.push(delayP99Ms);
    }
  }
  const summaries = rates.map(summarize);
  const best = Math.max(...summaries.slice(1).map(({ median }) => median));
  const ratio = summaries[0].median / best;
  console.log(`\n${name}`);
  players.forEach((player, i) => {
    console.log(`  ${player.name.padEnd(28)} ${formatSummary(summaries[i])}`);
  });
  console.log(
    `  ratio to the peer at its better setting: ${ratio.toFixed(2)}; event-loop delay p99 ${summarize(delays).median.toFixed(1)} ms`,
  );
  results[name] = { octavo: summaries[0], peer: best, ratio, delayP99Ms: summarize(delays).median };
}
for (const { child } of players) child.disconnect();
if (values.json) console.log(JSON.stringify({ model: `${values.shape} ${values.type}`, threads, runs, results }));
