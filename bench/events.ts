// What events cost: the time of a decoding step with nobody listening, with explanations kept, and with a viewer on the event stream.

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
  runs: integer(5, 'runs of each way', 1, 1000),
};

const ways = ['nobody listens', 'explanations', 'explanations and a viewer'] as const;

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
  const common = { model, threads, maxNumSeqs: sequences, maxModelLen: 32 + tokens };
  // One engine for each way, so that a viewer that goes, and is waited for, disturbs nobody.
  const engines = [
    await createEngine(common),
    await createEngine({ ...common, explainedRequests: 1000 }),
    await createEngine({ ...common, explainedRequests: 1000 }),
  ];
  const server = await startServer({ engine: engines[2], servedModelName: 'model', port: 0 });
  const viewer = await startViewer(server.url);
  const samples = ways.map((): number[] => []);
  for (let run = 0; run <= runs; run++) {
    for (let turn = 0; turn < ways.length; turn++) {
      const way = (turn + run) % ways.length;
      const stepMs = await measure(engines[way], sequences, tokens, run);
      // The first round warms up.
      if (run > 0) samples[way].push(stepMs);
    }
  }
  viewer.kill();
  const rows = ways.map((way, i) => {
    const summary = summarize(samples[i]);
    // Each against the run beside it, which the machine treats alike.
    const ratio = summarize(samples[i].map((stepMs, run) => (100 * stepMs) / samples[0][run] - 100));
    return { way, summary, ratio };
  });
  console.log(`${values.model}, ${sequences} sequences, ${threads} threads, ${tokens} tokens each\n`);
  console.log(
    formatTable(
      ['who listens', 'ms per step', 'more than for nobody, %'],
      rows.map(({ way, summary, ratio }) => [way, formatSummary(summary, 3), formatSummary(ratio)]),
    ),
  );
  for (const engine of engines) await engine.close();
  await server.close();
  return { sequences, threads, runs, rows };
});
