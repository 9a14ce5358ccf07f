// Report: tokens per second by batch size and model: static batches in contiguous memory against continuous batches in pages, on the engine.

import { join } from 'node:path';
import type { Engine } from '../../engine/api.ts';
import { createEngine } from '../../engine/index.ts';
import { planMemory } from '../../engine/memory-plan.ts';
import type { MemoryMode } from '../../memory/index.ts';
import { synthesizeGguf } from '../../models/synth/index.ts';
import { linearAxis, lineChart } from '../charts/index.ts';
import { formatCount, formatMs, formatNumber } from '../format.ts';
import { type Text, text, words } from '../i18n/index.ts';
import { type BatchRun as Run, randomRequests, runBatches } from '../measure/engine-run.ts';
import { openSubject } from '../plan/index.ts';
import { median, quantile } from '../statistics.ts';
import type { Report, ReportOptions } from './report.ts';

interface Variant {
  readonly id: 'static-contiguous' | 'continuous-contiguous' | 'continuous-paged';
  readonly name: Text;
  readonly batching: 'static' | 'continuous';
  readonly memory: MemoryMode;
  readonly color: number;
}

const variants: readonly Variant[] = [
  {
    id: 'static-contiguous',
    name: text('Static batches, contiguous', '静态批处理，连续分配'),
    batching: 'static',
    memory: 'contiguous-max',
    color: 4,
  },
  {
    id: 'continuous-contiguous',
    name: text('Continuous, contiguous', '连续批处理，连续分配'),
    batching: 'continuous',
    memory: 'contiguous-max',
    color: 1,
  },
  {
    id: 'continuous-paged',
    name: text('Continuous, paged', '连续批处理，分页'),
    batching: 'continuous',
    memory: 'paged',
    color: 0,
  },
];

/** What the founding documents say that paging gains, by batch size. */
const claimed: Readonly<Record<number, number>> = { 1: 1.8, 8: 2.4, 32: 3.2, 128: 4.1 };

interface Measured {
  readonly model: string;
  readonly batchSize: number;
  readonly variant: Variant['id'];
  readonly requests: number;
  /** Of which the median is told. */
  readonly rounds: number;
  readonly generatedTokens: number;
  readonly seconds: number;
  readonly tokensPerSecond: number;
  readonly latencyP50Ms: number;
  readonly latencyP99Ms: number;
  readonly steps: number;
  /** Sequences of a step, on average. */
  readonly meanBatch: number;
  readonly preemptions: number;
}

/** Short runs are repeated, in turn, until they took so long together. */
const repeatBelowSeconds = 2;

/** Sequences of full length that the pool holds. */
const fullSequences = 16;

async function modelsOf({ model, bundledModelPath, scratchFolder, quick }: ReportOptions): Promise<string[]> {
  if (model !== null) return [model];
  if (quick) return [bundledModelPath];
  const path = join(scratchFolder, 'tiny-qwen3.gguf');
  await synthesizeGguf({ shape: 'tiny-qwen3', dtype: 'q8_0', path });
  return [path, bundledModelPath];
}

export const throughput: Report = {
  name: 'throughput',
  title: text('Throughput by batch size', '吞吐量与批大小'),
  summary: text(
    'Generated tokens per second of the same requests in the same memory: static batches in contiguous memory, as servers ran before paging, against continuous batches, contiguous and paged. All run on the engine.',
    '相同请求、相同内存下每秒生成的 token 数：分页之前的静态批处理加连续分配，与连续批处理（连续分配及分页）对比，均在引擎上实际运行。',
  ),
  async run(options) {
    const { seed, quick, now, onProgress } = options;
    const batchSizes = quick ? [1, 4] : [1, 8, 32, 128];
    const models = await modelsOf(options);
    const total = models.length * batchSizes.length * variants.length;
    const results: Measured[] = [];
    let longest = 0;
    for (const path of models) {
      const subject = await openSubject(path);
      longest = Math.min(subject.config.contextLength, quick ? 64 : 256);
      const blockSize = 16;
      const kvDTypes = subject.kvDTypes('auto');
      for (const batchSize of batchSizes) {
        const requests = randomRequests(quick ? 4 : Math.max(16, batchSize * 2), seed, {
          vocabSize: subject.config.vocabSize,
          promptTokens: [8, Math.floor(longest / 4)],
          meanTokens: longest / 5,
          longest,
        });
        const open = (variant: Variant) =>
          createEngine({
            model: path,
            memory: variant.memory,
            maxNumSeqs: batchSize,
            maxModelLen: longest,
            blockSize,
            enablePrefixCaching: false,
            kvCacheMemoryBytes: poolBytes(subject.config, kvDTypes, blockSize, longest),
            now,
          });
        const engines: Engine[] = [];
        try {
          for (const variant of variants) {
            const engine = await open(variant);
            engines.push(engine);
            await runBatches(engine, requests.slice(0, 2), 'continuous', 2, now);
          }
          const runs: Run[][] = variants.map(() => []);
          for (let round = 0, seconds = 0; round < 3 && seconds < repeatBelowSeconds; round++) {
            for (const [i, variant] of variants.entries()) {
              const run = await runBatches(engines[i], requests, variant.batching, batchSize, now);
              runs[i].push(run);
              seconds += run.seconds;
            }
          }
          variants.forEach((variant, i) => {
            results.push(
              summarise(subject.name.replace(/ \(random weights\)$/, ''), batchSize, variant, requests.length, runs[i]),
            );
            onProgress(results.length, total);
          });
        } finally {
          for (const engine of engines) await engine.close();
        }
      }
    }
    const names = [...new Set(results.map(({ model }) => model))];
    const of = (model: string, batchSize: number, variant: Variant['id']) =>
      results.find((one) => one.model === model && one.batchSize === batchSize && one.variant === variant)!;
    const gains = names.map((model) => ({
      model,
      gains: batchSizes.map((size) => ({
        batchSize: size,
        gain:
          of(model, size, 'continuous-paged').tokensPerSecond / of(model, size, 'static-contiguous').tokensPerSecond,
        ofPaging:
          of(model, size, 'continuous-paged').tokensPerSecond /
          of(model, size, 'continuous-contiguous').tokensPerSecond,
      })),
    }));
    const largest = batchSizes.at(-1)!;
    const times = (value: number) => `${formatNumber(value)}x`;
    const batchAxis = {
      label: words.batchSize,
      scale: 'log',
      ticks: batchSizes,
      domain: [1, largest],
    } as const;
    return {
      findings: gains.map(({ model, gains: values }) =>
        text(
          `${model}: ${values.map(({ batchSize, gain }) => `${times(gain)} at ${batchSize}`).join(', ')}; of that paging alone ${values.map(({ ofPaging }) => times(ofPaging)).join(', ')}.`,
          `${model}：${values.map(({ batchSize, gain }) => `批大小 ${batchSize} 时 ${times(gain)}`).join('，')}；其中分页本身贡献 ${values.map(({ ofPaging }) => times(ofPaging)).join('，')}。`,
        ),
      ),
      charts: [
        ...names.map((model, i) =>
          lineChart({
            id: `model-${i + 1}`,
            title: text(`Throughput, ${model}`, `吞吐量，${model}`),
            x: batchAxis,
            y: linearAxis(
              text('Tokens per second', '每秒 token 数'),
              results.filter((one) => one.model === model).map(({ tokensPerSecond }) => tokensPerSecond),
            ),
            series: variants.map(({ id, name, color }) => ({
              label: name,
              color,
              points: batchSizes.map((size) => [size, of(model, size, id).tokensPerSecond] as const),
            })),
          }),
        ),
        lineChart({
          id: 'gain',
          title: text('Continuous and paged against static and contiguous', '连续批处理加分页相对静态批处理加连续分配'),
          x: batchAxis,
          y: linearAxis(text('Times as fast', '倍数'), [
            ...gains.flatMap((one) => one.gains.map(({ gain }) => gain)),
            ...batchSizes.map((size) => claimed[size] ?? 1),
          ]),
          series: [
            ...gains.map(({ model, gains: values }, i) => ({
              label: model,
              color: [0, 2, 3][i % 3],
              points: values.map(({ batchSize, gain }) => [batchSize, gain] as const),
            })),
            ...(batchSizes.every((size) => size in claimed)
              ? [
                  {
                    label: words.claim,
                    color: 'muted' as const,
                    isDashed: true,
                    points: batchSizes.map((size) => [size, claimed[size]] as const),
                  },
                ]
              : []),
          ],
        }),
      ],
      tables: [
        {
          id: 'runs',
          title: text('Runs', '各次运行'),
          columns: [
            { label: words.model },
            { label: words.batchSize },
            { label: text('How', '方式'), align: 'left' },
            { label: text('Tokens/s', 'token/s') },
            { label: text('Gain', '提升') },
            { label: words.claim },
            { label: text('Sequences in a step', '每步序列数') },
            { label: text('Latency P50', '延迟 P50') },
            { label: text('Latency P99', '延迟 P99') },
            { label: words.preemptions },
          ],
          rows: results.map((one) => [
            one.model,
            formatCount(one.batchSize),
            variants.find(({ id }) => id === one.variant)!.name,
            formatNumber(one.tokensPerSecond),
            times(one.tokensPerSecond / of(one.model, one.batchSize, 'static-contiguous').tokensPerSecond),
            one.variant === 'continuous-paged' && one.batchSize in claimed ? times(claimed[one.batchSize]) : '-',
            formatNumber(one.meanBatch),
            formatMs(one.latencyP50Ms),
            formatMs(one.latencyP99Ms),
            formatCount(one.preemptions),
          ]),
          note: text(
            'Latency from the start, when all requests are there, to the end of each.',
            '延迟自开始（所有请求均已到达）起计，到各请求结束为止。',
          ),
        },
      ],
      method: [
        text(
          `Requests of random tokens with answers of log-normal lengths, at least 16 and twice the batch size of them, on the engine with all cores. The pool holds ${fullSequences} sequences of ${formatCount(longest)} tokens however it is used; no prefix cache. Two requests warm up; short runs are repeated in turn up to three times and the median is told.`,
          `随机 token 的请求，回答长度服从对数正态分布，数量不少于 16 且为批大小的两倍；引擎使用全部核心。池均可容纳 ${fullSequences} 个 ${formatCount(longest)} token 的序列；不使用前缀缓存。先以两个请求预热；较短的运行交替重复至多三次，取中位数。`,
        ),
        text(
          'Contiguous memory sets the longest sequence aside for each request. Continuous batching in it shows what comes from batching and what from paging.',
          '连续分配为每个请求预留最大长度。“连续批处理，连续分配”用于区分批处理与分页各自的贡献。',
        ),
      ],
      data: { fullSequences, maxModelLen: longest, claimed, results, gains },
    };
  },
};

function summarise(
  model: string,
  batchSize: number,
  variant: Variant,
  requests: number,
  runs: readonly Run[],
): Measured {
  const rates = runs.map(({ generatedTokens, seconds }) => generatedTokens / seconds);
  const typical = runs[rates.indexOf(median(rates))];
  return {
    model,
    batchSize,
    variant: variant.id,
    requests,
    rounds: runs.length,
    generatedTokens: typical.generatedTokens,
    seconds: typical.seconds,
    tokensPerSecond: median(rates),
    latencyP50Ms: median(typical.latenciesMs),
    latencyP99Ms: quantile(typical.latenciesMs, 0.99),
    steps: typical.steps,
    meanBatch: typical.generatedTokens / typical.steps,
    preemptions: typical.preemptions,
  };
}

type Config = Awaited<ReturnType<typeof openSubject>>['config'];
type KvDTypes = ReturnType<Awaited<ReturnType<typeof openSubject>>['kvDTypes']>;

function poolBytes(config: Config, kvDTypes: KvDTypes, blockSize: number, tokens: number): number {
  const { blockBytes } = planMemory({
    config,
    kvDTypes,
    blockSize,
    maxNumSeqs: 1,
    maxModelLen: tokens,
    kvCacheMemoryBytes: undefined,
    availableBytes: 2 ** 52,
  });
  return fullSequences * Math.ceil(tokens / blockSize) * blockBytes;
}
