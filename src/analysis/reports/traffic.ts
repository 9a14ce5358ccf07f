// Report: what attention reads and writes: materialised against paged.

import { kvLayerBytes } from '../../backends/kv-layout.ts';
import { byteAxis, linearAxis, lineChart, powersOfTwo, tokenAxis } from '../charts/index.ts';
import { formatBytes, formatMs, formatNumber, formatTokens } from '../format.ts';
import { text, words } from '../i18n/index.ts';
import { createAttentionProbe, interleave } from '../measure/attention.ts';
import { kernelBackend } from '../measure/backend.ts';
import { openSubject, type PlanSubject } from '../plan/index.ts';
import { median } from '../statistics.ts';
import type { Report } from './report.ts';

const blockSize = 16;
/** Rows of queries (tokens times heads of a group) that the native kernel keeps while it reads K and V once. */
const kernelRows = 96;

export interface Traffic {
  readonly tokens: number;
  /** One layer, decoding one token at the end of the context. */
  readonly decode: { readonly paged: number; readonly gathered: number; readonly materialised: number };
  /** One layer, computing a prompt of this length. */
  readonly prefill: { readonly paged: number; readonly materialised: number };
}

/** Bytes of one layer. Scores are f32, written, read and written by the softmax, and read again; queries and outputs are f32. */
export function trafficOf(subject: PlanSubject, tokens: number): Traffic {
  const { headCount, kvHeadCount, headSize, layerCount } = subject.config;
  const kv = { layerCount, kvHeadCount, headSize, blockSize, ...subject.kvDTypes('f16') };
  const layerBytes = kvLayerBytes(kv);
  const context = (count: number) => Math.ceil(count / blockSize) * layerBytes;
  const rowBytes = headCount * headSize * 4 * 2;
  const scoreBytes = headCount * 4;
  const tile = Math.max(1, Math.floor(kernelRows / (headCount / kvHeadCount)));
  let tiles = 0;
  for (let end = Math.min(tile, tokens); ; end = Math.min(end + tile, tokens)) {
    tiles += context(end);
    if (end === tokens) break;
  }
  const decodePaged = context(tokens) + rowBytes;
  return {
    tokens,
    decode: {
      paged: decodePaged,
      gathered: decodePaged + 2 * context(tokens),
      materialised: decodePaged + 4 * tokens * scoreBytes,
    },
    prefill: {
      paged: tiles + tokens * rowBytes,
      materialised: context(tokens) + tokens * rowBytes + 4 * tokens ** 2 * scoreBytes,
    },
  };
}

export const traffic: Report = {
  name: 'traffic',
  title: text('What attention reads and writes', '注意力的内存读写量'),
  summary: text(
    'Bytes that one layer moves with materialised scores, with keys and values gathered into one run first, and with kernels that read the pages where they lie; and how fast the native kernels really read them.',
    '一层注意力所搬运的字节数：物化分数、先拼接 K/V、以及直接读取分页的内核；并实测原生核函数的读取速度。',
  ),
  async run({ model, seed, quick, onProgress }) {
    const subject = await openSubject(model ?? 'llama-3.2-1b');
    const lengths = powersOfTwo(512, quick ? 2048 : 32_768);
    const rows = lengths.map((tokens) => trafficOf(subject, tokens));
    const backend = kernelBackend();
    const measured: {
      readonly tokens: number;
      readonly ms: number;
      readonly bytes: number;
      readonly gigabytesPerSecond: number;
    }[] = [];
    if (backend !== null) {
      const { headCount, kvHeadCount, headSize } = subject.config;
      const contexts = lengths.filter((tokens) => tokens <= 16_384);
      for (const [i, contextTokens] of contexts.entries()) {
        const probe = await createAttentionProbe(
          backend,
          // Together more than the caches hold, where it is not quick.
          {
            headCount,
            kvHeadCount,
            headSize,
            layerCount: quick ? 2 : Math.max(2, Math.min(32, 65_536 / contextTokens)),
            blockSize,
            sequences: 1,
            contextTokens,
          },
          seed,
        );
        const [times] = await interleave([probe.measure], quick ? 2 : 15);
        const ms = median(times);
        measured.push({
          tokens: contextTokens,
          ms,
          bytes: probe.layerBytes,
          gigabytesPerSecond: probe.layerBytes / ms / 1e6,
        });
        await probe.close();
        onProgress(i + 1, contexts.length);
      }
      await backend.close();
    }
    const last = rows.at(-1)!;
    const x = tokenAxis(text('Context (tokens)', '上下文（token）'), lengths[0], last.tokens);
    const times = (value: number) => `${formatNumber(value)}x`;
    return {
      findings: [
        text(
          `A prompt of ${formatTokens(last.tokens)} tokens moves ${times(last.prefill.materialised / last.prefill.paged)} as many bytes with materialised scores (formula).`,
          `处理 ${formatTokens(last.tokens)} token 的提示时，物化分数的读写量是分页内核的 ${times(last.prefill.materialised / last.prefill.paged)}（公式）。`,
        ),
        text(
          `Decoding is bound by reading K and V, whatever the kernel: scores add ${formatNumber((last.decode.materialised / last.decode.paged - 1) * 100)} %, gathering pages into one run first makes it ${times(last.decode.gathered / last.decode.paged)} (formula).`,
          `解码受限于读取 K 与 V，与内核无关：物化分数仅增加 ${formatNumber((last.decode.materialised / last.decode.paged - 1) * 100)} %，先拼接分页则为 ${times(last.decode.gathered / last.decode.paged)}（公式）。`,
        ),
        ...(measured.length === 0
          ? []
          : [
              text(
                `Measured: the kernels read pages at up to ${formatNumber(Math.max(...measured.map((one) => one.gigabytesPerSecond)))} GB/s.`,
                `实测：内核读取分页的速度最高 ${formatNumber(Math.max(...measured.map((one) => one.gigabytesPerSecond)))} GB/s。`,
              ),
            ]),
      ],
      charts: [
        lineChart({
          id: 'prefill',
          title: text('Computing a prompt, one layer (formula)', '计算提示，单层（公式）'),
          x,
          y: byteAxis(
            text('Bytes moved', '搬运字节数'),
            rows.flatMap(({ prefill }) => [prefill.paged, prefill.materialised]),
          ),
          series: [
            {
              label: text('Scores materialised', '物化分数'),
              color: 4,
              points: rows.map((row) => [row.tokens, row.prefill.materialised]),
            },
            { label: words.paged, color: 0, points: rows.map((row) => [row.tokens, row.prefill.paged]) },
          ],
        }),
        lineChart({
          id: 'decode',
          title: text('Decoding one token, one layer (formula)', '解码一个 token，单层（公式）'),
          x,
          y: byteAxis(
            text('Bytes moved', '搬运字节数'),
            rows.flatMap(({ decode }) => [decode.paged, decode.gathered]),
          ),
          series: [
            {
              label: text('Gathered into one run', '先拼接为连续内存'),
              color: 1,
              points: rows.map((row) => [row.tokens, row.decode.gathered]),
            },
            {
              label: text('Scores materialised', '物化分数'),
              color: 4,
              points: rows.map((row) => [row.tokens, row.decode.materialised]),
            },
            { label: words.paged, color: 0, isDashed: true, points: rows.map((row) => [row.tokens, row.decode.paged]) },
          ],
        }),
        ...(measured.length === 0
          ? []
          : [
              lineChart({
                id: 'speed',
                title: text('Measured: how fast decoding reads the pages', '实测：解码读取分页的速度'),
                x: tokenAxis(text('Context (tokens)', '上下文（token）'), lengths[0], measured.at(-1)!.tokens),
                y: linearAxis(
                  text('GB/s of K and V', 'K 与 V 的 GB/s'),
                  measured.map((one) => one.gigabytesPerSecond),
                ),
                series: [
                  {
                    label: text('Native kernels, one sequence', '原生核函数，单序列'),
                    color: 2,
                    points: measured.map((one) => [one.tokens, one.gigabytesPerSecond]),
                  },
                ],
              }),
            ]),
      ],
      tables: [
        {
          id: 'bytes',
          title: text(`Bytes of one layer, ${subject.name} (formula)`, `单层字节数，${subject.name}（公式）`),
          columns: [
            { label: words.tokens },
            { label: text('Prompt, materialised', '提示，物化') },
            { label: text('Prompt, paged', '提示，分页') },
            { label: text('Ratio', '比值') },
            { label: text('Token, materialised', '解码，物化') },
            { label: text('Token, gathered', '解码，拼接') },
            { label: text('Token, paged', '解码，分页') },
          ],
          rows: rows.map(({ tokens, prefill, decode }) => [
            formatTokens(tokens),
            formatBytes(prefill.materialised),
            formatBytes(prefill.paged),
            times(prefill.materialised / prefill.paged),
            formatBytes(decode.materialised),
            formatBytes(decode.gathered),
            formatBytes(decode.paged),
          ]),
        },
        ...(measured.length === 0
          ? []
          : [
              {
                id: 'measured-table',
                title: text('Measured decoding of one sequence, one layer', '实测单序列解码，单层'),
                columns: [
                  { label: words.tokens },
                  { label: text('K and V', 'K 与 V') },
                  { label: text('Time', '时间') },
                  { label: 'GB/s' },
                ],
                rows: measured.map((one) => [
                  formatTokens(one.tokens),
                  formatBytes(one.bytes),
                  formatMs(one.ms),
                  formatNumber(one.gigabytesPerSecond),
                ]),
              },
            ]),
      ],
      method: [
        text(
          `Bytes are formulas over the KV layout of the engine (${subject.name}, f16, blocks of ${blockSize}): scores are f32, written once, read and written by the softmax and read again; the paged kernel reads K and V once for each ${kernelRows} rows of queries, and keeps scores in registers and caches.`,
          `字节数为公式，基于引擎的 KV 布局（${subject.name}，f16，块大小 ${blockSize}）：分数为 f32，写一次、softmax 读写各一次、再读一次；分页内核每 ${kernelRows} 行查询读取一次 K 与 V，分数留在寄存器与缓存中。`,
        ),
        measured.length === 0
          ? text('The native kernels are not built here: nothing was measured.', '此处未构建原生核函数，未作实测。')
          : text(
              'Measured: the native kernels alone over scattered blocks of random numbers, all cores, median of interleaved runs.',
              '实测：仅原生核函数，读取分散的随机数据块，使用全部核心，取多次运行的中位数。',
            ),
      ],
      data: { model: subject.name, blockSize, kernelRows, rows, measured },
    };
  },
};
