// Where a step's time goes: kernels and everything else, for sequences that all decode, per way of sampling.

import { parseArgs } from 'node:util';
import { createEngine, type Engine, type SamplingParams } from '../src/index.ts';
import { randomPrompt } from './peer/protocol.ts';
import { formatSummary, summarize } from './stats.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'bench/.cache/smollm2-135m-q8_0.gguf' },
    sequences: { type: 'string', default: '16' },
    threads: { type: 'string', default: '2' },
    tokens: { type: 'string', default: '48' },
    runs: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
  },
});
const sequences = Number(values.sequences);
const tokens = Number(values.tokens);

const ways: Record<string, SamplingParams> = {
  greedy: { temperature: 0 },
  'temperature 0.8, top-k 40, top-p 0.95': { temperature: 0.8, topK: 40, topP: 0.95, seed: 1 },
  'temperature 1, top-p 0.9': { temperature: 1, topP: 0.9, seed: 1 },
  'temperature 1': { temperature: 1, seed: 1 },
  'greedy, penalties, logprobs 5': { temperature: 0, repetitionPenalty: 1.1, frequencyPenalty: 0.5, logprobs: 5 },
};

interface Sample {
  readonly stepMs: number;
  readonly kernelMs: number;
}

/** Mean time of a step and of its kernels, over the steps in which all sequences decode. */
async function measure(engine: Engine, sampling: SamplingParams, seed: number): Promise<Sample> {
  let begin: { ms: number; steps: number; kernelMs: number } | null = null;
  let sample: Sample | null = null;
  const read = () => ({ ms: performance.now(), steps: engine.stats().steps, kernelMs: engine.stats().kernelMs });
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
        if (i === sequences - 1 && count === 4) begin = read();
        if (i === 0 && count === tokens - 2 && begin !== null) {
          const end = read();
          const steps = end.steps - begin.steps;
          sample = { stepMs: (end.ms - begin.ms) / steps, kernelMs: (end.kernelMs - begin.kernelMs) / steps };
        }
      }
    }),
  );
  if (sample === null) throw new Error('the sequences never decoded together: use more tokens');
  return sample;
}

const engine = await createEngine({
  model: values.model,
  backend: 'cpu',
  threads: Number(values.threads),
  maxNumSeqs: sequences,
  maxModelLen: 512,
  enablePrefixCaching: true,
});
console.log(
  `${values.model}, ${engine.backendDescription}, ${sequences} sequences, ${values.runs} runs; milliseconds per step`,
);
const results: Record<string, unknown> = {};
await measure(engine, { temperature: 0 }, 99);
for (const [name, sampling] of Object.entries(ways)) {
  const samples: Sample[] = [];
  for (let run = 0; run < Number(values.runs); run++) samples.push(await measure(engine, sampling, run));
  const step = summarize(samples.map(({ stepMs }) => stepMs));
  const kernels = summarize(samples.map(({ kernelMs }) => kernelMs));
  const outside = summarize(samples.map(({ stepMs, kernelMs }) => stepMs - kernelMs));
  const share = summarize(samples.map(({ stepMs, kernelMs }) => (100 * (stepMs - kernelMs)) / stepMs));
  console.log(`\n${name}`);
  console.log(`  step             ${formatSummary(step, 3)}`);
  console.log(`  kernels          ${formatSummary(kernels, 3)}`);
  console.log(`  outside kernels  ${formatSummary(outside, 3)} ms, ${formatSummary(share, 1)} %`);
  results[name] = { step, kernels, outside, share };
}
await engine.close();
if (values.json) console.log(JSON.stringify({ model: values.model, sequences, results }));
