// Report: what the size of a block costs and saves: waste, metadata, transfers, speed of attention.

import { kvBlockBytes } from '../../backends/kv-layout.ts';
import { createMemory } from '../../memory/index.ts';
import { defaultCostModel, replay } from '../../simulation/index.ts';
import { type Axis, byteAxis, decadeAxis, linearAxis, lineChart } from '../charts/index.ts';
import { formatBytes, formatCount, formatMs, formatNumber, formatShare } from '../format.ts';
import { text, words } from '../i18n/index.ts';
import { measureArrayBytes } from '../measure/array-bytes.ts';
import { createAttentionProbe, interleave } from '../measure/attention.ts';
import { kernelBackend } from '../measure/backend.ts';
import { openSubject } from '../plan/index.ts';
import { median } from '../statistics.ts';
import { workloadOf } from '../workload/requests.ts';
import type { Report } from './report.ts';

const gibibyte = 2 ** 30;
/** Of the pool whose metadata is weighed. */
const poolBytes = 16 * gibibyte;
const maxSequenceTokens = 8192;
const maxNumSeqs = 256;

interface Row {
  readonly blockSize: number;
  readonly blockBytes: number;
  readonly slotUse: number;
  readonly requestsInFlight: number;
  readonly blockCount: number;
  readonly metadataBytes: number;
  /** Of the pool. */
  readonly metadataShare: number;
  /** Milliseconds of a layer's attention; null without the native kernels. */
  readonly attentionMs: number | null;
  /** Fastest size = 1. */
  readonly attentionSpeed: number | null;
}

export const blockSizes: Report = {
  name: 'block-size',
  title: text('Which block size', '块大小的取舍'),
  summary: text(
    'Small blocks waste less in last blocks and cost more metadata and smaller transfers; large ones the other way round. What each size does on the real memory manager, scheduler and kernels.',
    '小块减少末块浪费，但元数据更多、传输更碎；大块则相反。以下为各块大小在真实内存管理器、调度器与内核上的表现。',
  ),
  async run({ model, trace, seed, quick, onProgress }) {
    const subject = await openSubject(model ?? 'llama-3.2-1b');
    const { config } = subject;
    const sizes = quick ? [8, 16, 64] : [4, 8, 16, 32, 64, 128, 256];
    const workload = workloadOf(trace, quick ? 40 : 250, seed);
    const longest = workload.requests.reduce((most, one) => Math.max(most, one.promptTokens + one.outputTokens), 1);
    const poolTokens = 16 * Math.ceil(longest / 256) * 256;
    const total = sizes.length + 1;
    const attention = quick
      ? { sequences: 2, contextTokens: 512, layerCount: 2 }
      : { sequences: 4, contextTokens: 2048, layerCount: 4 };
    const runs = quick ? 2 : 11;

    const backend = kernelBackend();
    const times: number[] = [];
    if (backend !== null) {
      const probes = [];
      for (const blockSize of sizes) {
        const { headCount, kvHeadCount, headSize } = config;
        probes.push(
          await createAttentionProbe(backend, { ...attention, headCount, kvHeadCount, headSize, blockSize }, seed),
        );
      }
      const measured = await interleave(
        probes.map((probe) => probe.measure),
        runs,
      );
      times.push(...measured.map(median));
      for (const probe of probes) await probe.close();
      await backend.close();
    }
    onProgress(1, total);

    const kvDTypes = subject.kvDTypes('auto');
    const rows = sizes.map((blockSize, i): Row => {
      const blockBytes = kvBlockBytes({ ...config, blockSize, ...kvDTypes });
      const result = replay(workload.requests, {
        blockCount: Math.floor(poolTokens / blockSize),
        blockSize,
        memory: 'paged',
        enablePrefixCaching: false,
        maxNumSeqs,
        maxNumBatchedTokens: 16_384,
        arrivals: 'saturated',
        cost: defaultCostModel,
        seed,
      });
      const occupancy = result.saturated ?? result.overall!;
      const blockCount = Math.floor(poolBytes / blockBytes);
      const metadataBytes = measureArrayBytes(() =>
        createMemory('paged', {
          blockCount,
          blockSize,
          maxNumSeqs,
          maxBlocksPerSequence: Math.ceil(maxSequenceTokens / blockSize),
        }),
      );
      onProgress(i + 2, total);
      return {
        blockSize,
        blockBytes,
        slotUse: occupancy.slotUse,
        requestsInFlight: occupancy.requestsInFlight,
        blockCount,
        metadataBytes,
        metadataShare: metadataBytes / (blockCount * blockBytes),
        attentionMs: times[i] ?? null,
        attentionSpeed: times.length === 0 ? null : Math.min(...times) / times[i],
      };
    });

    const x: Axis = {
      label: text('Block size (tokens)', '块大小（token）'),
      scale: 'log',
      ticks: sizes,
      domain: [sizes[0], sizes.at(-1)!],
    };
    const usual = rows.find(({ blockSize }) => blockSize === 16)!;
    const [smallest, largest] = [rows[0], rows.at(-1)!];
    const percent = (value: number) => `${formatNumber(value)} %`;
    return {
      findings: [
        text(
          `Waste grows from ${formatShare(1 - smallest.slotUse, 2)} at ${smallest.blockSize} tokens to ${formatShare(1 - largest.slotUse, 1)} at ${largest.blockSize}; at 16 it is ${formatShare(1 - usual.slotUse, 2)}.`,
          `浪费从 ${smallest.blockSize} token 时的 ${formatShare(1 - smallest.slotUse, 2)} 增至 ${largest.blockSize} token 时的 ${formatShare(1 - largest.slotUse, 1)}；16 token 时为 ${formatShare(1 - usual.slotUse, 2)}。`,
        ),
        text(
          `Metadata is ${formatShare(usual.metadataShare, 3)} of the pool at 16 tokens, ${formatShare(smallest.metadataShare, 3)} at ${smallest.blockSize}: far from the 15 % that the documents name for blocks below 512.`,
          `16 token 时元数据占池的 ${formatShare(usual.metadataShare, 3)}，${smallest.blockSize} token 时为 ${formatShare(smallest.metadataShare, 3)}：远低于文档所述“块小于 512 时占 15 %”。`,
        ),
        ...(usual.attentionSpeed === null
          ? []
          : [
              text(
                `Attention over blocks of 16 runs at ${formatShare(usual.attentionSpeed, 0)} of the fastest size's speed, over ${smallest.blockSize} at ${formatShare(smallest.attentionSpeed!, 0)}.`,
                `块大小 16 时注意力速度为最快值的 ${formatShare(usual.attentionSpeed, 0)}，${smallest.blockSize} 时为 ${formatShare(smallest.attentionSpeed!, 0)}。`,
              ),
            ]),
      ],
      charts: [
        lineChart({
          id: 'waste',
          title: text('Waste in last blocks, under load', '负载下末块的浪费'),
          x,
          y: linearAxis(
            text('Waste (% of held slots)', '浪费（占用槽位的 %）'),
            rows.map((row) => (1 - row.slotUse) * 100),
            percent,
          ),
          series: [
            { label: words.waste, color: 4, points: rows.map((row) => [row.blockSize, (1 - row.slotUse) * 100]) },
          ],
        }),
        lineChart({
          id: 'metadata',
          title: text('Metadata of a pool of 16 GiB', '16 GiB 池的元数据'),
          x,
          y: decadeAxis(
            text('Metadata (% of the pool)', '元数据（占池的 %）'),
            rows.map((row) => row.metadataShare * 100),
            percent,
          ),
          series: [
            { label: words.metadata, color: 3, points: rows.map((row) => [row.blockSize, row.metadataShare * 100]) },
          ],
        }),
        lineChart({
          id: 'transfer',
          title: text('What one transfer moves', '单次传输的大小'),
          x,
          y: byteAxis(
            text('Bytes of a block', '块的字节数'),
            rows.map(({ blockBytes }) => blockBytes),
          ),
          series: [{ label: subject.name, color: 0, points: rows.map((row) => [row.blockSize, row.blockBytes]) }],
        }),
        ...(times.length === 0
          ? []
          : [
              lineChart({
                id: 'attention',
                title: text('Measured speed of attention', '实测注意力速度'),
                caption: text(
                  `Decoding ${attention.sequences} sequences of ${formatCount(attention.contextTokens)} tokens over scattered blocks.`,
                  `解码 ${attention.sequences} 个 ${formatCount(attention.contextTokens)} token 的序列，块分散于池中。`,
                ),
                x,
                y: linearAxis(text('Speed (% of the fastest)', '速度（占最快值的 %）'), [100], percent),
                series: [
                  {
                    label: text('Attention', '注意力'),
                    color: 2,
                    points: rows.map((row) => [row.blockSize, row.attentionSpeed! * 100]),
                  },
                ],
              }),
            ]),
      ],
      tables: [
        {
          id: 'sizes',
          title: text('By block size', '按块大小'),
          columns: [
            { label: words.blockSize },
            { label: words.waste },
            { label: text('In flight', '同时处理') },
            { label: text('Block bytes', '块字节数') },
            { label: text('Blocks in 16 GiB', '16 GiB 内的块数') },
            { label: words.metadata },
            { label: text('Metadata share', '元数据占比') },
            { label: text('Attention, one layer', '单层注意力') },
            { label: text('Speed', '速度') },
          ],
          rows: rows.map((row) => [
            formatCount(row.blockSize),
            formatShare(1 - row.slotUse, 2),
            formatNumber(row.requestsInFlight),
            formatBytes(row.blockBytes),
            formatCount(row.blockCount),
            formatBytes(row.metadataBytes),
            formatShare(row.metadataShare, 3),
            row.attentionMs === null ? '-' : formatMs(row.attentionMs),
            row.attentionSpeed === null ? '-' : formatShare(row.attentionSpeed, 0),
          ]),
        },
      ],
      method: [
        text(
          `Waste: ${formatCount(workload.requests.length)} requests (${workload.name.en}) at once through the real scheduler and memory manager, a pool of ${formatCount(poolTokens)} slots.`,
          `浪费：${formatCount(workload.requests.length)} 个请求（${workload.name.zh}）经真实调度器与内存管理器执行，池共 ${formatCount(poolTokens)} 个槽位。`,
        ),
        text(
          `Metadata: growth of the process's typed arrays when the memory manager is made for a pool of 16 GiB of ${subject.name}, prefix cache included, ${maxNumSeqs} sequences of up to ${formatCount(maxSequenceTokens)} tokens.`,
          `元数据：为 ${subject.name} 的 16 GiB 池创建内存管理器（含前缀缓存，${maxNumSeqs} 个最长 ${formatCount(maxSequenceTokens)} token 的序列）时进程类型化数组的增长。`,
        ),
        times.length === 0
          ? text(
              'The native kernels are not built here: attention was not measured.',
              '此处未构建原生核函数，未测量注意力。',
            )
          : text(
              `Attention: the native kernels alone, heads of ${subject.name}, f16, ${attention.layerCount} layers, median of ${runs} interleaved runs.`,
              `注意力：仅原生核函数，${subject.name} 的头结构，f16，${attention.layerCount} 层，${runs} 次交错运行的中位数。`,
            ),
      ],
      data: {
        model: subject.name,
        workload: workload.name.en,
        requests: workload.requests.length,
        poolTokens,
        attention,
        rows,
      },
    };
  },
};
