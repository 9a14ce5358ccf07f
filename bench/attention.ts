// Attention: paged against contiguous memory over block sizes, and shared prefixes with and without cascade; A B A B.

import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { kvBlockBytes } from '../src/backends/backend.ts';
import { createCpuBackend, type InstructionSet } from '../src/backends/cpu/index.ts';
import { resolveKvDTypes } from '../src/engine/kv-cache-dtype.ts';
import { attentionPair, type CascadePair, modelPair, type SharedCase } from './attention/cascade.ts';
import { type PagedCase, pagedVariants } from './attention/paged.ts';
import { typeVariants } from './attention/types.ts';
import { type AttentionShape, attentionShapes } from './attention/workload.ts';
import { formatSummary, type Summary, summarize } from './stats.ts';

const { values } = parseArgs({
  options: {
    shapes: { type: 'string', default: 'smollm2-135m,llama-3.2-1b' },
    threads: { type: 'string', default: '2' },
    runs: { type: 'string', default: '9' },
    layers: { type: 'string', default: '4' },
    'block-sizes': { type: 'string', default: '8,16,32,64,128' },
    parts: { type: 'string', default: 'paged,cascade,steps,types' },
    isa: { type: 'string', default: 'auto' },
    'kv-type': { type: 'string', default: 'f16' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(
    `npm run bench:attention -- [--shapes ${Object.keys(attentionShapes).join(',')}] [--threads 2] [--runs 9]\n` +
      '  [--layers 4] [--block-sizes 8,16,32,64,128] [--kv-type f16|int8|int8/f16|...] [--isa auto|amx|avx512|avx2|portable]\n' +
      '  [--parts paged,cascade,steps,types] [--json]\n' +
      'paged: scattered blocks against contiguous memory. cascade: attention of 16 sequences on a common prefix.\n' +
      'steps: whole steps of the same on a synthesised Q8_0 model (smollm2-135m, llama-3.2-1b; made on first use).\n' +
      'types: decoding with every KV type against f16, at a context of 4096.',
  );
  process.exit(0);
}
const threads = Number(values.threads);
const runs = Number(values.runs);
const layers = Number(values.layers);
const options = { threads, isa: values.isa as 'auto' | InstructionSet };
const parts = values.parts.split(',');
const results: Record<string, unknown> = {};

/** Times every variant once to warm up, then `runs` times in turn. */
async function interleave(measures: readonly (() => Promise<number>)[]): Promise<number[][]> {
  const times = measures.map(() => [] as number[]);
  for (let run = -1; run < runs; run++) {
    for (const [i, measure] of measures.entries()) {
      const ms = await measure();
      if (run >= 0) times[i].push(ms);
    }
  }
  return times;
}

const ratiosOf = (above: readonly number[], below: readonly number[]): Summary =>
  summarize(above.map((ms, run) => ms / below[run]));

/** What one layer's attention reads and computes: bytes of K and V, and two operations for each product. */
function costOf(shape: AttentionShape, { sequences, contextTokens, tokens }: PagedCase) {
  const { heads, kvHeads, headSize, keyDType, valueDType } = shape;
  const positions = tokens * contextTokens - (tokens * (tokens - 1)) / 2;
  return {
    bytes:
      sequences *
      kvBlockBytes({ layerCount: 1, kvHeadCount: kvHeads, headSize, blockSize: contextTokens, keyDType, valueDType }),
    operations: sequences * positions * heads * headSize * 4,
  };
}

async function benchPaged(name: string, shape: AttentionShape): Promise<void> {
  const cases: (PagedCase & { readonly title: string })[] = [
    { title: 'decode, 1 sequence of 8192', sequences: 1, contextTokens: 8192, tokens: 1 },
    { title: 'decode, 16 sequences of 2048', sequences: 16, contextTokens: 2048, tokens: 1 },
    { title: 'decode, 32 sequences of 256', sequences: 32, contextTokens: 256, tokens: 1 },
    { title: 'prefill, 512 tokens of 512', sequences: 1, contextTokens: 512, tokens: 512 },
    { title: 'prefill, 512 tokens of 4096', sequences: 1, contextTokens: 4096, tokens: 512 },
  ];
  const backend = createCpuBackend(options);
  const blockSizes = values['block-sizes'].split(',').map(Number);
  for (const work of cases) {
    const variants = await pagedVariants(backend, shape, work, layers, blockSizes);
    const times = await interleave(variants.map((it) => it.measure));
    const medians = times.map((it) => summarize(it).median);
    const reference = variants.reduce(
      (best, it, i) => (it.isReference && (best < 0 || medians[i] < medians[best]) ? i : best),
      -1,
    );
    const { bytes, operations } = costOf(shape, work);
    console.log(`\n${name}, ${work.title}: ms a layer, median (lowest to highest)`);
    const rows = variants.map((it, i) => {
      const summary = summarize(times[i]);
      const speed = ratiosOf(times[reference], times[i]);
      const rate =
        work.tokens === 1
          ? `${(bytes / summary.median / 1e6).toFixed(1)} GB/s`
          : `${(operations / summary.median / 1e6).toFixed(0)} GFLOP/s`;
      console.log(
        `  ${it.name.padEnd(24)} ${formatSummary(summary, 3).padEnd(26)} ${rate.padEnd(13)} ` +
          (i === reference ? 'reference' : `speed ${formatSummary(speed, 3)} of the reference`),
      );
      return { variant: it.name, ms: summary, speed, isReference: i === reference };
    });
    results[`${name}, ${work.title}`] = { bytes, operations, variants: rows };
    for (const it of variants) await it.close();
  }
  await backend.close();
}

async function benchTypes(name: string, shape: AttentionShape): Promise<void> {
  const backend = createCpuBackend(options);
  for (const sequences of [1, 8]) {
    const work = { sequences, contextTokens: 4096, blockSize: 16, layers };
    const variants = await typeVariants(backend, shape, work);
    const times = await interleave(variants.map((it) => it.measure));
    const reference = times[variants.findIndex((it) => it.dtype === 'f16')];
    const title = `${name}, decode, ${sequences} ${sequences === 1 ? 'sequence' : 'sequences'} of 4096, by KV type`;
    console.log(`\n${title}: ms a layer, median (lowest to highest)`);
    results[title] = variants.map((it, i) => {
      const [ms, speed] = [summarize(times[i]), ratiosOf(reference, times[i])];
      console.log(
        `  ${it.dtype.padEnd(10)} ${formatSummary(ms, 3).padEnd(26)} speed ${formatSummary(speed, 2)} of f16's`,
      );
      return { dtype: it.dtype, ms, speed };
    });
    for (const it of variants) await it.close();
  }
  await backend.close();
}

async function reportPair(title: string, pair: CascadePair): Promise<{ onMs: number; offMs: number }> {
  const [on, off] = await interleave([() => pair.measure(true), () => pair.measure(false)]);
  const [onMs, offMs] = [summarize(on), summarize(off)];
  const ratio = ratiosOf(off, on);
  console.log(
    `  ${title.padEnd(18)} with ${formatSummary(onMs, 2)} ms, without ${formatSummary(offMs, 2)} ms: ` +
      `${formatSummary(ratio, 2)} times as fast`,
  );
  results[title] = { onMs, offMs, ratio };
  await pair.close();
  return { onMs: onMs.median, offMs: offMs.median };
}

async function benchCascade(name: string, shape: AttentionShape): Promise<void> {
  const work: SharedCase = { sequences: 16, prefixTokens: 4096, ownTokens: 64, blockSize: 16 };
  console.log(`\n${name}, 16 sequences on a common prefix of 4096 tokens, 64 of their own, decoding; ms a step`);
  const cache = join(dirname(fileURLToPath(import.meta.url)), '.cache');
  const model =
    parts.includes('steps') && ['smollm2-135m', 'llama-3.2-1b'].includes(name)
      ? await modelPair(options, name, shape, work, cache)
      : null;
  const modelLayers = model?.layerCount ?? layers;
  const attention = await reportPair(
    `${name} attention`,
    await attentionPair(options, shape, work, Math.min(modelLayers, 8), modelLayers),
  );
  if (model === null) return;
  const step = await reportPair(`${name} step`, model);
  const share = (part: number, whole: number) => `${((part / whole) * 100).toFixed(0)} %`;
  console.log(
    `  attention's share of the step: ${share(attention.onMs, step.onMs)} with cascade, ${share(attention.offMs, step.offMs)} without`,
  );
}

const described = createCpuBackend(options);
console.log(`${described.description}, ${runs} interleaved runs`);
await described.close();
for (const name of values.shapes.split(',')) {
  const known = attentionShapes[name];
  if (known === undefined) throw new Error(`No shape ${name}; there are ${Object.keys(attentionShapes).join(', ')}.`);
  const shape: AttentionShape = { ...known, ...resolveKvDTypes(values['kv-type'], { weights: new Map() }) };
  if (parts.includes('paged')) await benchPaged(name, shape);
  if (parts.includes('types')) await benchTypes(name, shape);
  if (parts.includes('cascade')) await benchCascade(name, shape);
}
if (values.json) console.log(JSON.stringify({ threads, runs, layers, kvType: values['kv-type'], results }));
