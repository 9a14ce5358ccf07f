// What a viewer of the event stream costs: the time of a decoding step with one and without, on one engine that keeps explanations.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { createEngine, type Engine, type EngineStats } from '../src/index.ts';
import { type SynthDType, synthDTypes, synthShapeNames } from '../src/models/synth/index.ts';
import { startServer } from '../src/server/index.ts';
import { ensureModel } from './common/models.ts';
import { choices, integer, runBench, text, UsageError } from './common/options.ts';
import { formatTable } from './common/table.ts';
import { randomPrompt } from './peer/protocol.ts';
import { formatSummary, summarize } from './stats.ts';

const options = {
  model: text('smollm2-135m', `a shape (${synthShapeNames.join(', ')}), or a GGUF file`),
  type: choices(synthDTypes as readonly SynthDType[], 'q8_0', "type of the shape's weights"),
  sequences: integer(16, 'sequences that decode at once', 1, 256),
  threads: integer(availableParallelism(), 'threads', 1, 512),
  tokens: integer(64, 'tokens that each sequence decodes', 12, 2000),
  runs: integer(20, 'runs of each way', 1, 1000),
};

const settleMs = 250;
const ways = ['no viewer', 'a viewer'] as const;

/** Milliseconds from the start of a step to the start of the next, over the steps in which all sequences decode. */
async function measure(engine: Engine, sequences: number, tokens: number, seed: number): Promise<number> {
  let begin: EngineStats | null = null;
  let stepMs: number | null = null;
  await Promise.all(
    Array.from({ length: sequences }, async (_, i) => {
      let count = 0;
      const tokenIds = randomPrompt(24, seed * 1000 + i).map((id) => id % engine.config.vocabSize);
      const sampling = { temperature: 0, maxTokens: tokens, ignoreEos: true };
      for await (const event of engine.generate({ tokenIds, sampling })) {
        if (event.type !== 'token') continue;
        count++;
        if (i === sequences - 1 && count === 4) begin = engine.stats();
        if (i === 0 && count === tokens - 2 && begin !== null) {
          const end = engine.stats();
          stepMs = (end.followedMs - begin.followedMs) / (end.followedSteps - begin.followedSteps);
        }
      }
    }),
  );
  if (stepMs === null) throw new Error('the sequences never decoded together: use more tokens');
  return stepMs;
}

/** A process that reads the stream and does nothing with it; resolves when it has the state. */
async function startViewer(url: string): Promise<ChildProcess> {
  const script = `
    const { get } = require('node:http');
    get(${JSON.stringify(`${url}/v1/events`)}, (response) => {
      let bytes = 0;
      response.on('data', (data) => { if (bytes === 0) process.stdout.write('.'); bytes += data.length; });
    });`;
  const viewer = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve) => viewer.stdout!.once('data', resolve));
  return viewer;
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
  const samples = ways.map((): number[] => []);
  for (let run = 0; run <= runs; run++) {
    for (let turn = 0; turn < ways.length; turn++) {
      const way = (turn + run) % ways.length;
      const viewer = way === 1 ? await startViewer(server.url) : null;
      // A process that has just started is still busy with itself.
      await new Promise((resolve) => setTimeout(resolve, settleMs));
      const stepMs = await measure(engine, sequences, tokens, run);
      viewer?.kill();
      if (viewer !== null) await new Promise((resolve) => setTimeout(resolve, 100));
      // The first round warms up.
      if (run > 0) samples[way].push(stepMs);
    }
  }
  const rows = ways.map((way, i) => {
    const summary = summarize(samples[i]);
    // Each against the run beside it, which the machine treats alike.
    const ratio = summarize(samples[i].map((stepMs, run) => (100 * stepMs) / samples[0][run] - 100));
    return { way, summary, ratio };
  });
  console.log(`${values.model}, ${sequences} sequences, ${threads} threads, ${tokens} tokens each\n`);
  console.log(
    formatTable(
      ['', 'ms per step', 'more than without, %'],
      rows.map(({ way, summary, ratio }) => [way, formatSummary(summary, 3), formatSummary(ratio)]),
    ),
  );
  await engine.close();
  await server.close();
  return { sequences, threads, runs, rows };
});
