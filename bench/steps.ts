// Where a step's time goes: kernels and everything else, for sequences that all decode, per way of sampling; and what planning steps ahead saves of it.

import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { createEngine, type Engine, type EngineStats, type SamplingParams } from '../src/index.ts';
import { type SynthDType, synthDTypes, synthShapeNames } from '../src/models/synth/index.ts';
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
  tokens: integer(48, 'tokens that each sequence decodes', 12, 400),
  runs: integer(3, 'runs of each way of sampling', 1, 1000),
};

const ways: Record<string, SamplingParams> = {
  greedy: { temperature: 0 },
  'temperature 0.8, top-k 40, top-p 0.95': { temperature: 0.8, topK: 40, topP: 0.95, seed: 1 },
  'temperature 1, top-p 0.9': { temperature: 1, topP: 0.9, seed: 1 },
  'temperature 1': { temperature: 1, seed: 1 },
  'greedy, penalties, logprobs 5': { temperature: 0, repetitionPenalty: 1.1, frequencyPenalty: 0.5, logprobs: 5 },
};

/** Milliseconds per step: from its start to the start of the next, in kernels, and picking tokens in them. */
interface Sample {
  readonly stepMs: number;
  readonly kernelMs: number;
  readonly pickMs: number;
}

/** Mean time of a step and of its kernels, over the steps in which all sequences decode. */
async function measure(
  engine: Engine,
  sampling: SamplingParams,
  { sequences, tokens, seed }: { readonly sequences: number; readonly tokens: number; readonly seed: number },
): Promise<Sample> {
  let begin: EngineStats | null = null;
  let sample: Sample | null = null;
  await Promise.all(
    Array.from({ length: sequences }, async (_, i) => {
      let count = 0;
      const tokenIds = randomPrompt(24, seed * 1000 + i);
      for await (const event of engine.generate({
        tokenIds,
        sampling: { ...sampling, maxTokens: tokens, ignoreEos: true },
      })) {
        if (event.type !== 'token') continue;
        count++;
        // The last to be admitted is behind the others: it begins and the first one ends.
        if (i === sequences - 1 && count === 4) begin = engine.stats();
        if (i === 0 && count === tokens - 2 && begin !== null) {
          const end = engine.stats();
          const steps = end.followedSteps - begin.followedSteps;
          sample = {
            stepMs: (end.followedMs - begin.followedMs) / steps,
            kernelMs: (end.followedKernelMs - begin.followedKernelMs) / steps,
            pickMs: (end.pickMs - begin.pickMs) / (end.steps - begin.steps),
          };
        }
      }
    }),
  );
  if (sample === null) throw new Error('the sequences never decoded together: use more tokens');
  return sample;
}

async function pathOf(model: string, type: SynthDType): Promise<string> {
  const shape = synthShapeNames.find((name) => name === model);
  if (shape !== undefined) return ensureModel(shape, type);
  if (!existsSync(model)) throw new UsageError(`--model ${model} is neither a shape nor a file`);
  return model;
}

await runBench('bench:steps', 'Where the time of a decoding step goes.', options, async (values) => {
  const { sequences, tokens, threads, runs } = values;
  const model = await pathOf(values.model, values.type[0]);
  const options = { model, backend: 'cpu', threads, maxNumSeqs: sequences, maxModelLen: 512 } as const;
  await using engine = await createEngine({ ...options, asyncScheduling: false });
  await using ahead = await createEngine({ ...options, asyncScheduling: true });
  for (const each of [engine, ahead]) await measure(each, { temperature: 0 }, { sequences, tokens, seed: 99 });
  const results = [];
  for (const [name, sampling] of Object.entries(ways)) {
    const samples: Sample[] = [];
    const aheadRatios: number[] = [];
    for (let seed = 0; seed < runs; seed++) {
      const load = { sequences, tokens, seed };
      const sample = await measure(engine, sampling, load);
      samples.push(sample);
      aheadRatios.push((await measure(ahead, sampling, load)).stepMs / sample.stepMs);
    }
    results.push({
      name,
      step: summarize(samples.map(({ stepMs }) => stepMs)),
      kernels: summarize(samples.map(({ kernelMs }) => kernelMs)),
      picks: summarize(samples.map(({ pickMs }) => pickMs)),
      outside: summarize(samples.map(({ stepMs, kernelMs }) => stepMs - kernelMs)),
      outsidePercent: summarize(samples.map(({ stepMs, kernelMs }) => (100 * (stepMs - kernelMs)) / stepMs)),
      ahead: summarize(aheadRatios),
    });
  }
  console.log(
    `${values.model}, ${engine.backendDescription}, ${sequences} sequences, ${runs} runs; milliseconds per step; with steps planned ahead (asyncScheduling), parts of the time without\n`,
  );
  console.log(
    formatTable(
      ['', 'step', 'kernels', 'of them picks', 'outside kernels', 'outside, %', 'planned ahead'],
      results.map(({ name, step, kernels, picks, outside, outsidePercent, ahead }) => [
        name,
        formatSummary(step, 2),
        formatSummary(kernels, 2),
        formatSummary(picks, 3),
        formatSummary(outside, 3),
        formatSummary(outsidePercent),
        formatSummary(ahead, 3),
      ]),
    ),
  );
  return { sequences, threads, runs, results };
});
