// Every headline claim of the founding documents beside what Octavo measures on the same kind of work: writes docs/claims.md.

import { existsSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createCpuBackend } from '../src/backends/cpu/index.ts';
import { type SynthDType, type SynthShapeName, synthShape } from '../src/models/synth/index.ts';
import { bundledModelPath } from '../src/models/testing/bundled-model.ts';
import { readTrace } from '../src/simulation/index.ts';
import { pagedVariants } from './attention/paged.ts';
import { attentionShapes } from './attention/workload.ts';
import type { ClaimGroup } from './claims/claim.ts';
import { measureAllocation } from './claims/measures/allocation.ts';
import { measureFirstToken } from './claims/measures/first-token.ts';
import { measureKvTypes } from './claims/measures/kv-types.ts';
import { measureMetadata } from './claims/measures/metadata.ts';
import { measureServing } from './claims/measures/serving.ts';
import { measureThroughput } from './claims/measures/throughput.ts';
import { kvTypeClaims, metadataClaims, sharingClaims, utilisationClaims } from './claims/memory-claims.ts';
import { countVerdicts, renderClaims } from './claims/render.ts';
import { otherClaims, servingClaims } from './claims/serving-claims.ts';
import { accessClaims, allocationClaims, throughputClaims } from './claims/speed-claims.ts';
import { ensureModel } from './common/models.ts';
import { flag, integer, integers, optionalText, runBench, text } from './common/options.ts';
import { progress } from './common/progress.ts';
import { formatTable } from './common/table.ts';
import { chatRequests } from './memory/lengths.ts';
import { measureSaving } from './memory/sharing.ts';
import { measureUse, type TraceUse } from './memory/slot-use.ts';
import { summarize } from './stats.ts';

const options = {
  traces: optionalText('folder with AzureLLMInferenceTrace_*.csv; without it ShareGPT-shaped lengths alone'),
  shape: text('smollm2-135m', 'shape of the synthesised model'),
  type: text('q8_0', 'type of its weights'),
  threads: integer(2, 'threads', 1, 256),
  'batch-sizes': integers('1,8,32,128', 'batches of the throughput claims', 1, 256),
  prompt: integer(4096, 'tokens of the long prompt', 64, 32_768),
  runs: integer(3, 'runs of timed pairs'),
  seed: integer(1, 'of lengths', 0),
  out: text(fileURLToPath(new URL('../docs/claims.md', import.meta.url)), 'the page to write'),
  quick: flag('small loads, to see that it runs; what it writes is worth nothing'),
};

/** K and V of a token in f16. */
function kvBytesOf(shape: string): number {
  const { layerCount, kvHeadCount, headSize } = synthShape(shape);
  return layerCount * kvHeadCount * headSize * 2 * 2;
}

async function measureUses(traces: string | null, seed: number, quick: boolean): Promise<TraceUse[]> {
  const uses: TraceUse[] = [];
  for (const file of ['AzureLLMInferenceTrace_conv.csv', 'AzureLLMInferenceTrace_code.csv']) {
    const path = traces === null ? null : join(traces, file);
    if (path === null || !existsSync(path)) continue;
    progress(`memory in use: ${file}`);
    const { requests } = await readTrace(path, quick ? 500 : 4000);
    uses.push(measureUse(basename(file, '.csv'), requests, 131_072, seed));
  }
  progress('memory in use: lengths shaped like ShareGPT');
  uses.push(measureUse('ShareGPT-shaped lengths', chatRequests(quick ? 300 : 2000, seed, 0.7), 16_384, seed));
  return uses;
}

async function measureAccess(shapeName: string, threads: number, runs: number) {
  const backend = createCpuBackend({ threads });
  try {
    const ratios = [];
    for (const sequences of [1, 16]) {
      progress(`attention: ${sequences} sequences of 2,048 tokens`);
      const work = { sequences, contextTokens: 2048, tokens: 1 };
      const variants = await pagedVariants(backend, attentionShapes[shapeName], work, 4, [16]);
      const times = variants.map(() => [] as number[]);
      for (let run = -1; run < runs * 3; run++) {
        for (const [i, variant] of variants.entries()) {
          const ms = await variant.measure();
          if (run >= 0) times[i].push(ms);
        }
      }
      const contiguous = times.slice(0, -1).reduce((a, b) => (summarize(b).median < summarize(a).median ? b : a));
      const paged = times[times.length - 1];
      ratios.push({
        name: `${sequences} ${sequences === 1 ? 'sequence' : 'sequences'}`,
        ratio: summarize(contiguous.map((ms, run) => ms / paged[run])),
      });
      for (const variant of variants) await variant.close();
    }
    return ratios;
  } finally {
    await backend.close();
  }
}

await runBench('bench:claims', 'The founding documents’ claims beside measurements.', options, async (values) => {
  const { threads, seed, quick, runs } = values;
  const shape = values.shape as SynthShapeName;
  const model = await ensureModel(shape, values.type as SynthDType);
  const kvBytesPerToken = kvBytesOf(shape);
  const groups: ClaimGroup[] = [];
  groups.push(utilisationClaims(await measureUses(values.traces, seed, quick)));
  progress('sharing');
  groups.push(
    sharingClaims(
      (['parallel', 'beam'] as const).flatMap((kind) =>
        [2, 4, 6].map((width) =>
          measureSaving(kind, width, { requestCount: quick ? 20 : 300, atOnce: 16, seed, outputSigma: 0.7 }),
        ),
      ),
    ),
  );
  const batches = await measureThroughput({
    model,
    threads,
    batchSizes: quick ? [1, 4] : values['batch-sizes'],
    maxModelLen: quick ? 256 : 1024,
    poolSequences: quick ? 2 : 16,
    seed,
  });
  groups.push(throughputClaims(batches, `${shape} ${values.type}`));
  const widest = batches[batches.length - 1];
  progress('allocation');
  groups.push(
    allocationClaims(
      (['contiguous-max', 'contiguous-pow2', 'contiguous-exact', 'paged'] as const).map((mode) =>
        measureAllocation(mode, 65_536, quick ? 200 : 2000, seed),
      ),
      { sequences: widest.batchSize, stepMs: widest.paged.tokenGapMs },
    ),
  );
  groups.push(
    accessClaims({
      shape,
      ratios: await measureAccess(shape, threads, runs),
      firstToken: await measureFirstToken(model, threads, quick ? 256 : values.prompt, runs),
    }),
  );
  const load = { model, threads, conversations: quick ? 2 : 8, turns: quick ? 2 : 6, seed };
  groups.push(servingClaims(await measureServing(load), load));
  groups.push(kvTypeClaims(await measureKvTypes(bundledModelPath(), ['int8', 'fp8_e4m3', 'fp8_e5m2'])));
  progress('metadata');
  groups.push(metadataClaims(measureMetadata([1, 16, 64, 256, 512], 2 ** 21, kvBytesPerToken), kvBytesPerToken));
  groups.push(otherClaims(kvBytesPerToken));

  const traces = values.traces === null ? '' : ' -- --traces FOLDER';
  const page = renderClaims(groups, {
    date: new Date().toISOString().slice(0, 10),
    machine: `${threads} threads of an ${cpus()[0].model.trim()}`,
    command: `npm run bench:claims${traces}`,
  });
  writeFileSync(values.out, page);
  for (const { title, claims } of groups) {
    console.log(`\n${title}\n`);
    console.log(
      formatTable(
        ['claim', 'verdict'],
        claims.map(({ says, judgement }) => [says, judgement.verdict]),
      ),
    );
  }
  console.log(
    `\n${[...countVerdicts(groups)].map(([verdict, count]) => `${count} ${verdict}`).join(', ')}; written to ${values.out}`,
  );
  return { groups };
});
