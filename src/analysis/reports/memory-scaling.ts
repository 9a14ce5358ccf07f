// Report: how memory grows with the context: KV cache against materialised attention.

import { planMemory } from '../../engine/memory-plan.ts';
import { kvDTypeNames } from '../../tensor/kv-dtype.ts';
import { byteAxis, linearAxis, lineChart, powersOfTwo, shareAxis, tokenAxis } from '../charts/index.ts';
import { formatBytes, formatNumber, formatShare, formatTokens } from '../format.ts';
import { text, words } from '../i18n/index.ts';
import { openSubject, type PlanSubject } from '../plan/index.ts';
import type { Report } from './report.ts';

interface Row {
  readonly tokens: number;
  readonly kvBytes: number;
  readonly headMatrixBytes: number;
  readonly layerMatrixBytes: number;
  readonly totalBytes: number;
  readonly kvShare: number;
  /** Against half as many tokens; null for the first. */
  readonly kvGrowth: number | null;
  readonly matrixGrowth: number | null;
  readonly totalGrowth: number | null;
}

const pricePerGib = 4;

/** Bytes of the pool that the engine plans for one sequence of this length. */
export function sequenceBytes(subject: PlanSubject, tokens: number, kvCacheDtype = 'auto', blockSize = 16): number {
  const { pools } = planMemory({
    // As if trained for this length.
    config: { ...subject.config, contextLength: tokens },
    groups: subject.groups,
    kvDTypes: subject.kvDTypes(kvCacheDtype),
    blockSize,
    maxNumSeqs: 1,
    maxModelLen: tokens,
    kvCacheMemoryBytes: undefined,
    availableBytes: 2 ** 52,
  });
  return pools.reduce((sum, pool) => sum + pool.sequenceBlocks * pool.blockBytes, 0);
}

function rowsOf(subject: PlanSubject, lengths: readonly number[]): Row[] {
  const rows: Row[] = [];
  for (const tokens of lengths) {
    const kvBytes = sequenceBytes(subject, tokens);
    const headMatrixBytes = tokens ** 2 * 4;
    const layerMatrixBytes = headMatrixBytes * subject.config.headCount;
    const totalBytes = kvBytes + layerMatrixBytes;
    const before = rows.at(-1);
    rows.push({
      tokens,
      kvBytes,
      headMatrixBytes,
      layerMatrixBytes,
      totalBytes,
      kvShare: kvBytes / totalBytes,
      kvGrowth: before ? kvBytes / before.kvBytes : null,
      matrixGrowth: before ? layerMatrixBytes / before.layerMatrixBytes : null,
      totalGrowth: before ? totalBytes / before.totalBytes : null,
    });
  }
  return rows;
}

export const memoryScaling: Report = {
  name: 'memory-scaling',
  title: text('Memory by context length', '内存随上下文长度的增长'),
  summary: text(
    'What one sequence needs from 512 to a million tokens: its KV cache, which grows with the context, and the attention matrix that a kernel which materialises it would need, which grows with the square.',
    '一个序列从 512 到一百万 token 所需的内存：KV 缓存随长度线性增长；若物化注意力矩阵，则随长度平方增长。',
  ),
  async run(options) {
    const subject = await openSubject(options.model ?? 'llama-7b');
    const lengths = powersOfTwo(512, 2 ** 20);
    const rows = rowsOf(subject, lengths);
    const types = kvDTypeNames.map((dtype) => ({ dtype, bytes: sequenceBytes(subject, 2 ** 20, dtype) }));
    const crossing = rows.find(({ layerMatrixBytes, kvBytes }) => layerMatrixBytes > kvBytes);
    const last = rows.at(-1)!;
    options.onProgress(1, 1);
    const growth = (value: number | null) => (value === null ? '-' : `${formatNumber(value)}x`);
    const points = (pick: (row: Row) => number | null) =>
      rows.flatMap((row) => {
        const value = pick(row);
        return value === null ? [] : [[row.tokens, value] as const];
      });
    const x = tokenAxis(text('Context (tokens)', '上下文（token）'), 512, 2 ** 20);
    return {
      findings: [
        text(
          `Each doubling of the context doubles the KV cache (${growth(last.kvGrowth)}) and quadruples the matrix (${growth(last.matrixGrowth)}).`,
          `上下文每翻一倍，KV 缓存增长 ${growth(last.kvGrowth)}，注意力矩阵增长 ${growth(last.matrixGrowth)}。`,
        ),
        ...(crossing
          ? [
              text(
                `From ${formatTokens(crossing.tokens)} tokens on the matrix of one layer is larger than the KV cache of all ${subject.config.layerCount} layers.`,
                `从 ${formatTokens(crossing.tokens)} 个 token 起，单层矩阵超过全部 ${subject.config.layerCount} 层的 KV 缓存。`,
              ),
            ]
          : []),
        text(
          `At a million tokens: ${formatBytes(last.kvBytes)} of KV cache, ${formatBytes(last.layerMatrixBytes)} of matrix. Kernels that keep a running softmax, as Octavo's do, hold no matrix at all.`,
          `一百万 token 时：KV 缓存 ${formatBytes(last.kvBytes)}，矩阵 ${formatBytes(last.layerMatrixBytes)}。Octavo 的内核采用在线 softmax，完全不保存该矩阵。`,
        ),
      ],
      charts: [
        lineChart({
          id: 'growth',
          title: text('Memory of one sequence', '单个序列的内存'),
          x,
          y: byteAxis(text('Memory', '内存'), [rows[0].headMatrixBytes, last.layerMatrixBytes]),
          series: [
            { label: words.kvCache, color: 0, points: points((row) => row.kvBytes) },
            {
              label: text('Matrix, all heads of a layer', '矩阵，单层所有头'),
              color: 4,
              points: points((row) => row.layerMatrixBytes),
            },
            {
              label: text('Matrix, one head', '矩阵，单头'),
              color: 1,
              isDashed: true,
              points: points((row) => row.headMatrixBytes),
            },
          ],
          levels: [
            { label: text('card of 24 GB', '24 GB 显卡'), value: 24 * 2 ** 30, color: 'muted' },
            { label: text('card of 80 GB', '80 GB 显卡'), value: 80 * 2 ** 30, color: 5 },
          ],
        }),
        lineChart({
          id: 'parts',
          title: text('Parts of the memory', '内存的组成'),
          caption: text('Of KV cache and the matrix of one layer together.', '以 KV 缓存与单层矩阵之和为 100 %。'),
          x,
          y: shareAxis(text('Share', '占比')),
          series: [
            { label: words.kvCache, color: 0, points: points((row) => row.kvShare) },
            { label: words.attentionMatrix, color: 4, points: points((row) => 1 - row.kvShare) },
          ],
        }),
        lineChart({
          id: 'rates',
          title: text('Growth with each doubling of the context', '上下文每翻一倍的增长倍数'),
          x,
          y: linearAxis(text('Times as much', '倍数'), [0, 4]),
          series: [
            { label: words.kvCache, color: 0, points: points((row) => row.kvGrowth) },
            { label: words.attentionMatrix, color: 4, points: points((row) => row.matrixGrowth) },
            { label: text('Both', '合计'), color: 3, isDashed: true, points: points((row) => row.totalGrowth) },
          ],
        }),
      ],
      tables: [
        {
          id: 'lengths',
          title: text(`By context length, ${subject.name}`, `按上下文长度，${subject.name}`),
          columns: [
            { label: words.tokens },
            { label: words.kvCache },
            { label: text('Matrix, one head', '矩阵，单头') },
            { label: text('Matrix, one layer', '矩阵，单层') },
            { label: text('KV share', 'KV 占比') },
            { label: text('KV growth', 'KV 增长') },
            { label: text('Matrix growth', '矩阵增长') },
            { label: text('Cost of the KV', 'KV 成本') },
          ],
          rows: rows.map((row) => [
            formatTokens(row.tokens),
            formatBytes(row.kvBytes),
            formatBytes(row.headMatrixBytes),
            formatBytes(row.layerMatrixBytes),
            formatShare(row.kvShare),
            growth(row.kvGrowth),
            growth(row.matrixGrowth),
            formatNumber((row.kvBytes / 2 ** 30) * pricePerGib),
          ]),
          note: text(`Cost at ${pricePerGib} per GiB.`, `成本按每 GiB ${pricePerGib} 计算。`),
        },
        {
          id: 'types',
          title: text('KV cache of a million tokens, by type', '一百万 token 的 KV 缓存，按类型'),
          columns: [{ label: words.kvType }, { label: words.kvCache }, { label: text('Of f16', '相对 f16') }],
          rows: types.map(({ dtype, bytes }) => [
            dtype,
            formatBytes(bytes),
            formatShare(bytes / types.find((one) => one.dtype === 'f16')!.bytes),
          ]),
        },
      ],
      method: [
        text(
          `KV bytes are those of the pool that the engine's own planning gives one sequence of ${subject.name} (blocks of 16), as if it were trained for that length.`,
          `KV 字节数取自引擎为 ${subject.name} 的一个序列规划的 KV 池（块大小 16），假定模型支持该长度。`,
        ),
        text(
          'The matrix is a formula: context² × 4 bytes (f32 scores) for each head, one layer at a time.',
          '矩阵按公式计算：每个头为上下文长度² × 4 字节（f32 分数），逐层计算。',
        ),
      ],
      data: { model: subject.name, headCount: subject.config.headCount, rows, types },
    };
  },
};
