// Where a step's time goes, region by region between its barriers, each against the least that the machine allows for its work.

import { availableParallelism } from 'node:os';
import { type CpuBackendOptions, createCpuBackend } from '../src/backends/cpu/index.ts';
import { kvLayerBytes } from '../src/backends/kv-layout.ts';
import { openModel } from '../src/models/open-model.ts';
import { type SynthDType, type SynthShapeName, synthDTypes, synthShapeNames } from '../src/models/synth/index.ts';
import type { WeightRef } from '../src/program/program.ts';
import { bindDesign } from '../src/simulation/calibration/bind-design.ts';
import { compileFilled } from './common/filled-model.ts';
import { chosenIsa, isaOption } from './common/isa.ts';
import { formatLimits, withLimits } from './common/limits.ts';
import { ensureModel } from './common/models.ts';
import { choices, integer, runBench, UsageError } from './common/options.ts';
import { progress } from './common/progress.ts';
import { formatShare, formatTable } from './common/table.ts';
import { type GroupTime, groupRegions, leastMs } from './regions/groups.ts';
import { formatSummary, summarize } from './stats.ts';

const blockSize = 16;
const warmUpSteps = 5;

const options = {
  model: choices(synthShapeNames, 'smollm2-135m', 'shapes of models'),
  type: choices(synthDTypes as readonly SynthDType[], 'q8_0', 'types of their weights'),
  sequences: integer(16, 'sequences', 1, 256),
  context: integer(64, 'tokens of context of each sequence', 1, 8192),
  tokens: integer(1, 'of them are computed in the step: 1 decodes, more is a prefill', 1, 8192),
  threads: integer(availableParallelism(), 'threads', 1, 512),
  isa: isaOption,
  steps: integer(60, 'steps that are timed', 1, 100_000),
};

/** Each sequence computes the last tokens of its context, and picks the likeliest token after them. */
type Step = { readonly sequences: number; readonly context: number; readonly tokens: number };

interface TimedStep {
  readonly groups: readonly GroupTime[];
  readonly kernelMs: number;
  readonly pickMs: number;
}

interface Timed {
  readonly steps: readonly TimedStep[];
  readonly description: string;
}

type Setting = Pick<CpuBackendOptions, 'threads' | 'isa'>;

async function timeSteps(path: string, step: Step, setting: Setting, steps: number): Promise<Timed> {
  const { sequences, context, tokens } = step;
  const backend = createCpuBackend({ ...setting, timesRegions: true });
  const model = await openModel(path);
  try {
    const { program, weights } = model;
    const { layerCount, kvHeadCount, headSize } = program;
    const kv = { layerCount, kvHeadCount, headSize, blockSize, keyDType: 'f16', valueDType: 'f16' } as const;
    const blockCount = sequences * Math.ceil(context / blockSize);
    const executable = await compileFilled(backend, program, {
      weights,
      kv,
      blockCount,
      limits: {
        maxTokens: sequences * tokens,
        maxSequences: sequences,
        maxOutputs: sequences,
        maxContextTokens: context,
      },
    });
    const shape = { ...step, outputs: sequences, kvBytes: kvLayerBytes(kv) / blockSize };
    const attentions = program.operations.filter((it) => it.kind === 'pagedAttention');
    const dtypeOf = (weight: WeightRef) => weights.weights.get(weight.name)!.dtype;
    const contexts = Array.from({ length: sequences }, () => ({ tokenCount: tokens, contextTokens: context }));
    const bindings = bindDesign({ sequences: contexts, sharedTokens: 0 }, blockSize, program.vocabSize);
    const timed: TimedStep[] = [];
    for (let i = -warmUpSteps; i < steps; i++) {
      const { kernelMs, pickMs } = await executable.execute(bindings);
      if (i < 0) continue;
      timed.push({ groups: groupRegions(executable.regionTimes(), shape, attentions, dtypeOf), kernelMs, pickMs });
    }
    return { steps: timed, description: backend.description };
  } finally {
    await backend.close();
    await model.close();
  }
}

/** Times a model's steps between two probes of the limits, prints the table and gives its figures. */
async function measure(model: SynthShapeName, type: SynthDType, step: Step, setting: Setting, steps: number) {
  const path = await ensureModel(model, type);
  progress(`${model} ${type}: ${steps} steps ...`);
  const { limits, result } = await withLimits(setting, () => timeSteps(path, step, setting, steps));
  const stepMs = summarize(result.steps.map(({ kernelMs }) => kernelMs));
  const pickMs = summarize(result.steps.map((it) => it.pickMs));
  const groups = result.steps[0].groups.map(({ label, count, work }, g) => {
    const workMs = summarize(result.steps.map((it) => it.groups[g].workMs));
    const waitMs = summarize(result.steps.map((it) => it.groups[g].waitMs));
    return { label, count, workMs, waitMs, work, least: work && leastMs(work, limits) };
  });
  const leastOfAll = groups.reduce((sum, { least }) => sum + (least?.ms ?? 0), 0);
  const { sequences, context, tokens } = step;
  console.log(
    `${model} in ${type}, ${result.description}: ${sequences} ${sequences === 1 ? 'sequence computes' : 'sequences compute'} ` +
      `${tokens} of ${context} tokens; milliseconds of a step, median of ${steps}\n`,
  );
  console.log(
    formatTable(
      ['', 'regions', 'work', 'waiting', 'of the step', 'least', 'of limit', 'limit'],
      [
        ...groups.map(({ label, count, workMs, waitMs, least }) => [
          label,
          String(count),
          formatSummary(workMs, 2),
          waitMs.median.toFixed(2),
          formatShare((workMs.median + waitMs.median) / stepMs.median),
          least === null ? '-' : least.ms.toFixed(2),
          formatShare(least && least.ms / workMs.median),
          least?.limit ?? '-',
        ]),
        ['picks', '', formatSummary(pickMs, 2), '', formatShare(pickMs.median / stepMs.median), '-', '-', '-'],
        [
          'all',
          '',
          formatSummary(stepMs, 2),
          '',
          '',
          leastOfAll.toFixed(2),
          formatShare(leastOfAll / stepMs.median),
          '',
        ],
      ],
    ),
  );
  console.log(`\n${formatLimits(limits)}\n`);
  return { model, type, backend: result.description, limits, stepMs, pickMs, groups };
}

await runBench(
  'bench:regions',
  "Where a step's time goes, region by region, each against the least that the limits of bench:machine allow for its work.",
  options,
  async (values) => {
    const { sequences, context, tokens, threads, steps } = values;
    if (tokens > context) throw new UsageError(`--tokens ${tokens} is more than --context ${context}`);
    const isa = chosenIsa(values.isa);
    const results = [];
    for (const model of values.model) {
      for (const type of values.type) {
        results.push(await measure(model, type, { sequences, context, tokens }, { threads, isa }, steps));
      }
    }
    return { sequences, context, tokens, threads, steps, results };
  },
);
