// What a viewer of the event stream costs: tokens a second of a decoding engine that keeps explanations, with a viewer and without one in turn.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { createEngine, type Engine } from '../src/index.ts';
import { type SynthDType, synthDTypes, synthShapeNames } from '../src/models/synth/index.ts';
import { startServer } from '../src/server/index.ts';
import { ensureModel } from './common/models.ts';
import { choices, integer, runBench, text, UsageError } from './common/options.ts';
import { progress } from './common/progress.ts';
import { formatTable } from './common/table.ts';
import { randomPrompt } from './peer/protocol.ts';
import { formatSummary, mean, summarize } from './stats.ts';

const options = {
  model: text('smollm2-135m', `a shape (${synthShapeNames.join(', ')}), or a GGUF file`),
  type: choices(synthDTypes as readonly SynthDType[], 'q8_0', "type of the shape's weights"),
  sequences: integer(16, 'sequences that decode at once', 1, 256),
  threads: integer(availableParallelism(), 'threads', 1, 512),
  tokens: integer(200, 'tokens of an answer, when the sequence begins another', 12, 2000),
  runs: integer(40, 'times with a viewer, each between two without', 3, 1000),
  'run-ms': integer(700, 'how long each time is', 50, 60_000),
};

/** After a viewer came or went: it has read the state. */
const settleMs = 200;
const warmMs = 5000;

interface Load {
  /** Tokens made so far. */
  readonly tokens: number;
  stop(): Promise<void>;
}

/** Sequences that decode until they are stopped. */
function startLoad(engine: Engine, sequences: number, tokens: number): Load {
  let made = 0;
  const stopped = new AbortController();
  const { signal } = stopped;
  const ended = Array.from({ length: sequences }, async (_, i) => {
    for (let answer = 0; !signal.aborted; answer++) {
      const tokenIds = randomPrompt(24, answer * 1000 + i).map((id) => id % engine.config.vocabSize);
      // The first ones are cut short, each at another length, so that answers do not end together.
      const maxTokens = answer === 0 ? Math.ceil((tokens * (i + 1)) / sequences) : tokens;
      const sampling = { temperature: 0, maxTokens, ignoreEos: true };
      for await (const event of engine.generate({ tokenIds, sampling, signal })) {
        if (event.type === 'token') made++;
      }
    }
  });
  return {
    get tokens() {
      return made;
    },
    async stop() {
      stopped.abort();
      await Promise.allSettled(ended);
    },
  };
}

interface Viewer {
  /** Resolves when it has the state. */
  watch(): Promise<void>;
  leave(): Promise<void>;
  kill(): void;
}

/** A process that reads the stream and does nothing with it, when it is told to. One for all runs: a process that has just started is busy with itself. */
function startViewer(url: string): Viewer {
  const script = `
    const { get } = require('node:http');
    let request = null;
    process.on('message', (isWatching) => {
      if (!isWatching) {
        request.destroy();
        process.send('left');
        return;
      }
      let bytes = 0;
      request = get(${JSON.stringify(`${url}/v1/events`)}, (response) => {
        response.on('error', () => {});
        response.on('data', (data) => { if (bytes === 0) process.send('watching'); bytes += data.length; });
      });
      request.on('error', () => {});
    });`;
  const process_: ChildProcess = spawn(process.execPath, ['-e', script], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const tell = (isWatching: boolean) =>
    new Promise<void>((resolve, reject) => {
      const onExit = (code: number | null) => reject(new Error(`the viewer ended with code ${code}`));
      process_.once('exit', onExit);
      process_.once('message', () => {
        process_.off('exit', onExit);
        resolve();
      });
      process_.send(isWatching);
    });
  return { watch: () => tell(true), leave: () => tell(false), kill: () => process_.kill() };
}

/** Tokens a second; what they are less than those beside them, in per cent, and how sure the mean of that is. */
function rowOf(way: string, rates: readonly number[], lost: readonly number[]): string[] {
  const average = mean(lost);
  const variance = lost.reduce((sum, value) => sum + (value - average) ** 2, 0) / (lost.length - 1);
  const error = Math.sqrt(variance / lost.length);
  return [
    way,
    formatSummary(summarize(rates), 0),
    formatSummary(summarize(lost)),
    `${average.toFixed(1)} ± ${error.toFixed(1)}`,
  ];
}

await runBench('bench:events', 'What a viewer of the event stream costs decoding.', options, async (values) => {
  const { sequences, tokens, runs, threads } = values;
  const shape = synthShapeNames.find((name) => name === values.model);
  if (shape === undefined && !existsSync(values.model)) {
    throw new UsageError(`--model ${values.model} is neither a shape nor a file`);
  }
  const model = shape === undefined ? values.model : await ensureModel(shape, values.type[0]);
  const engine = await createEngine({
    model,
    threads,
    maxNumSeqs: sequences,
    maxModelLen: 32 + tokens,
    explainedRequests: 1000,
  });
  const server = await startServer({ engine, servedModelName: 'model', port: 0, viewerLingerMs: 0 });
  const viewer = startViewer(server.url);
  const load = startLoad(engine, sequences, tokens);

  async function tokensPerSecond(): Promise<number> {
    await sleep(settleMs);
    const before = load.tokens;
    const startMs = performance.now();
    await sleep(values['run-ms']);
    return (1000 * (load.tokens - before)) / (performance.now() - startMs);
  }

  const without: number[] = [];
  const watched: number[] = [];
  try {
    await viewer.watch();
    await sleep(warmMs);
    await viewer.leave();
    without.push(await tokensPerSecond());
    for (let run = 0; run < runs; run++) {
      progress(`run ${run + 1} of ${runs} ...`);
      await viewer.watch();
      watched.push(await tokensPerSecond());
      await viewer.leave();
      without.push(await tokensPerSecond());
    }
  } finally {
    viewer.kill();
    await load.stop();
    await engine.close();
    await server.close();
  }
  // Each against the runs beside it, which the machine treats alike.
  const lost = watched.map((rate, run) => 100 - (200 * rate) / (without[run] + without[run + 1]));
  const apart = without.slice(2).map((rate, run) => 100 - (200 * without[run + 1]) / (without[run] + rate));
  console.log(
    `${values.model}, ${sequences} sequences, ${threads} threads, ${tokens} tokens an answer, ${runs} runs\n`,
  );
  console.log(
    formatTable(
      ['', 'tok/s', 'less than without, %', 'mean ± its error'],
      [rowOf('no viewer', without, apart), rowOf('a viewer', watched, lost)],
    ),
  );
  return { sequences, threads, runs, without, watched, lost: summarize(lost) };
});
