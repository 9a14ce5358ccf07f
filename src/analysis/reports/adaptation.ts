// Report: how fast memory adapts: what allocation, extension and release cost while sequences come and go.

import { type MemoryMode, memoryModes } from '../../memory/index.ts';
import { barChart, decadeAxis } from '../charts/index.ts';
import { formatCount, formatMs, formatShare } from '../format.ts';
import { joinTexts, type Text, text, words } from '../i18n/index.ts';
import { modeColors, modeNames } from '../names.ts';
import { median, quantile } from '../statistics.ts';
import { type ChurnResult, runChurn } from '../workload/churn.ts';
import { workloadOf } from '../workload/requests.ts';
import type { Report } from './report.ts';

interface Subject {
  readonly id: string;
  readonly name: Text;
  readonly mode: MemoryMode;
  readonly enablePrefixCaching?: boolean;
  readonly color: number;
}

const subjects: readonly Subject[] = [
  { id: 'paged', name: words.paged, mode: 'paged', color: modeColors.paged },
  {
    id: 'paged-prefix-cache',
    name: text('Paged, with the prefix cache', '分页，启用前缀缓存'),
    mode: 'paged',
    enablePrefixCaching: true,
    color: 6,
  },
  ...memoryModes
    .filter((mode) => mode !== 'paged')
    .map((mode) => ({ id: mode, name: modeNames[mode], mode, color: modeColors[mode] })),
];

const operations = [
  { key: 'allocateMs', name: words.allocate },
  { key: 'extendMs', name: words.extend },
  { key: 'releaseMs', name: words.release },
] as const;

interface Latency {
  readonly count: number;
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

function latencyOf(values: readonly number[]): Latency | null {
  if (values.length === 0) return null;
  return { count: values.length, medianMs: median(values), p99Ms: quantile(values, 0.99), maxMs: quantile(values, 1) };
}

/** Claimed by the founding documents for contiguous and paged allocation. */
const claimedMs = { contiguous: [10, 50], paged: [0.1, 1] } as const;

export const adaptation: Report = {
  name: 'adaptation',
  title: text('How fast memory adapts', '内存的动态适应速度'),
  summary: text(
    'What it costs to give a sequence its memory, to extend it and to take it back, while hundreds of sequences come and go: the calls of the real memory managers, each timed.',
    '数百个序列不断到来与离开时，为序列分配、扩展与释放内存的耗时：对真实内存管理器的每次调用计时。',
  ),
  async run({ trace, seed, quick, now, onProgress }) {
    const workload = workloadOf(trace, quick ? 80 : 1200, seed);
    const requests = workload.requests.map(({ promptTokens, outputTokens }) => ({ promptTokens, outputTokens }));
    const longest = requests.reduce((most, one) => Math.max(most, one.promptTokens + one.outputTokens), 1);
    const blockSize = 16;
    const blockCount = Math.ceil((quick ? 8 : 64) * (longest / blockSize));
    const results = subjects.map(({ mode, enablePrefixCaching, ...rest }, i) => {
      const run = (): ChurnResult =>
        runChurn({
          mode,
          enablePrefixCaching,
          blockCount,
          blockSize,
          maxSequenceTokens: longest,
          requests,
          maxNumSeqs: 512,
          now,
        });
      // The first run is the compiler's.
      if (!quick && i === 0) run();
      const churn = run();
      onProgress(i + 1, subjects.length);
      const latencies = Object.fromEntries(operations.map(({ key }) => [key, latencyOf(churn[key])])) as Record<
        (typeof operations)[number]['key'],
        Latency | null
      >;
      return { ...rest, mode, churn, latencies };
    });
    const of = (id: string) => results.find((one) => one.id === id)!;
    const worst = (id: string) => formatMs(of(id).latencies.allocateMs!.p99Ms);
    return {
      findings: [
        text(
          `Allocation takes ${formatMs(of('paged').latencies.allocateMs!.medianMs)} paged and ${formatMs(of('contiguous-max').latencies.allocateMs!.medianMs)} contiguous (P99 ${worst('paged')} and ${worst('contiguous-max')}): both are far below the documents' ${claimedMs.contiguous.join(' to ')} ms and ${claimedMs.paged.join(' to ')} ms.`,
          `分配耗时：分页 ${formatMs(of('paged').latencies.allocateMs!.medianMs)}，连续 ${formatMs(of('contiguous-max').latencies.allocateMs!.medianMs)}（P99 分别为 ${worst('paged')} 与 ${worst('contiguous-max')}）：均远低于文档所述的 ${claimedMs.contiguous.join(' 至 ')} 毫秒与 ${claimedMs.paged.join(' 至 ')} 毫秒。`,
        ),
        text(
          `What differs is waiting: allocation by maximum refused ${formatCount(of('contiguous-max').churn.refused)} admissions and took ${formatCount(of('contiguous-max').churn.steps)} steps for the load, paged memory ${formatCount(of('paged').churn.steps)}.`,
          `真正的差别在于等待：按最大长度分配拒绝接纳 ${formatCount(of('contiguous-max').churn.refused)} 次，整个负载用 ${formatCount(of('contiguous-max').churn.steps)} 步；分页用 ${formatCount(of('paged').churn.steps)} 步。`,
        ),
      ],
      charts: operations.map(({ key, name }) => {
        const shown = results.flatMap(({ name: who, color, latencies }) => {
          const latency = latencies[key];
          return latency === null ? [] : [{ who, color, latency }];
        });
        const values = shown.flatMap(({ latency }) => [latency.medianMs, latency.p99Ms]).filter((value) => value > 0);
        return barChart({
          id: key.replace('Ms', ''),
          title: joinTexts([name, text(': median and P99', '：中位数与 P99')]),
          caption:
            key === 'extendMs'
              ? text(
                  'Contiguous memory has its whole run from the start and is not extended.',
                  '连续分配从一开始就占有整段内存，无需扩展。',
                )
              : undefined,
          x: decadeAxis(text('Time of a call', '单次调用耗时'), values, formatMs),
          rows: shown.flatMap(({ who, color, latency }) => [
            {
              label: joinTexts([who, text(', median: ', '，中位数：'), formatMs(latency.medianMs)]),
              segments: [{ value: latency.medianMs, color }],
            },
            {
              label: joinTexts([who, text(', P99: ', '，P99：'), formatMs(latency.p99Ms)]),
              segments: [{ value: latency.p99Ms, color }],
            },
          ]),
        });
      }),
      tables: [
        {
          id: 'latencies',
          title: text('Time of each call', '每次调用耗时'),
          columns: [
            { label: words.allocation },
            { label: text('Call', '操作'), align: 'left' },
            { label: text('Calls', '次数') },
            { label: words.median },
            { label: 'P99' },
            { label: text('Longest', '最长') },
          ],
          rows: results.flatMap(({ name: who, latencies }) =>
            operations.flatMap(({ key, name }) => {
              const latency = latencies[key];
              if (latency === null) return [];
              return [
                [
                  who,
                  name,
                  formatCount(latency.count),
                  formatMs(latency.medianMs),
                  formatMs(latency.p99Ms),
                  formatMs(latency.maxMs),
                ],
              ];
            }),
          ),
          note: text(
            'An extension is the reservation of one token that takes a new block. The longest calls are those that a garbage collection fell into.',
            '扩展指预留一个 token 时需要新块的调用。最长的调用通常是恰逢垃圾回收。',
          ),
        },
        {
          id: 'load',
          title: text('The load as a whole', '整个负载'),
          columns: [
            { label: words.allocation },
            { label: text('Steps', '步数') },
            { label: text('In flight', '同时处理') },
            { label: words.utilisation },
            { label: text('Refused admissions', '拒绝接纳次数') },
            { label: text('of them despite room', '其中有空间') },
            { label: words.preemptions },
          ],
          rows: results.map(({ name: who, churn }) => [
            who,
            formatCount(churn.steps),
            churn.inFlight === null ? '-' : churn.inFlight.toFixed(1),
            churn.slotUse === null ? '-' : formatShare(churn.slotUse),
            formatCount(churn.refused),
            formatCount(churn.refusedDespiteRoom),
            formatCount(churn.preemptions),
          ]),
        },
      ],
      method: [
        text(
          `${formatCount(requests.length)} requests (${workload.name.en}) in a pool of ${formatCount(blockCount)} blocks of ${blockSize}: each is opened, grown token by token and released on the real memory manager, without kernels or scheduler. One clock reading before and after each call.`,
          `${formatCount(requests.length)} 个请求（${workload.name.zh}），池共 ${formatCount(blockCount)} 块，块大小 ${blockSize}：在真实内存管理器上逐个打开、逐 token 增长并释放，不含内核与调度器。每次调用前后各读一次时钟。`,
        ),
        text(
          'The memory itself is allocated once, when the engine starts: no call waits for the operating system.',
          '内存在引擎启动时一次性分配：任何调用都不等待操作系统。',
        ),
      ],
      data: {
        workload: workload.name.en,
        requests: requests.length,
        blockCount,
        blockSize,
        claimedMs,
        subjects: results.map(({ id, mode, latencies, churn }) => {
          const { allocateMs, extendMs, tokenMs, releaseMs, ...figures } = churn;
          return { id, mode, latencies, tokenCalls: tokenMs.length, ...figures };
        }),
      },
    };
  },
};
