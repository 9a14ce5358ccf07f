// Report: how large a batch memory allows, by allocation and longest sequence.

import { memoryModes } from '../../memory/index.ts';
import { decadeAxis, lineChart, powersOfTwo, tokenAxis } from '../charts/index.ts';
import { formatCount, formatNumber, formatShare, formatTokens } from '../format.ts';
import { text, words } from '../i18n/index.ts';
import { modeColors, modeNames } from '../names.ts';
import { type ModelPlan, openSubject, planModel } from '../plan/index.ts';
import { withContext } from './feasibility.ts';
import type { Report } from './report.ts';

const gibibyte = 2 ** 30;
const cards = [24, 80] as const;

/** The founding documents' batches: lengths, what is set aside for each, and the share that they say is used. */
const documented = [
  { id: 'short', name: text('short sequences', '短序列批处理'), lengths: [512], reserved: 1024, claimed: 0.5 },
  {
    id: 'mixed',
    name: text('mixed lengths', '混合长度批处理'),
    lengths: [100, 500, 800, 1500],
    reserved: 2048,
    claimed: 0.44,
  },
] as const;

const sequencesOf = (plan: ModelPlan, mode: (typeof memoryModes)[number]) =>
  plan.allocations.find((one) => one.mode === mode)!;

export const batchLimits: Report = {
  name: 'batch-limits',
  title: text('How large a batch memory allows', '内存允许的最大批大小'),
  summary: text(
    'Sequences that run at once before memory is full, by how their memory is allocated, for longest sequences from 512 to 32,768 tokens whose real lengths spread evenly up to that.',
    '不同分配方式下，内存占满前可同时运行的序列数；最大长度从 512 到 32768 token，实际长度在其内均匀分布。',
  ),
  async run({ model, quick, onProgress }) {
    const subject = await openSubject(model ?? 'llama-7b');
    const limits = powersOfTwo(512, quick ? 2048 : 32_768);
    const total = cards.length * (limits.length + documented.length);
    let done = 0;
    const planFor = (gib: number, maxModelLen: number, lengths?: readonly number[]) => {
      onProgress(++done, total);
      return planModel({
        subject: withContext(subject, maxModelLen),
        budgetBytes: gib * gibibyte,
        maxModelLen,
        sequenceTokens: lengths,
      });
    };
    const sweeps = cards.map((gib) => ({ gib, plans: limits.map((tokens) => planFor(gib, tokens)) }));
    const scenarios = cards.flatMap((gib) =>
      documented.map((one) => ({ ...one, gib, plan: planFor(gib, one.reserved, one.lengths) })),
    );
    const ratios = sweeps.flatMap(({ plans }) =>
      plans.flatMap((plan) => {
        const contiguous = sequencesOf(plan, 'contiguous-max').sequences;
        return contiguous === 0 ? [] : [sequencesOf(plan, 'paged').sequences / contiguous];
      }),
    );
    return {
      findings:
        ratios.length === 0
          ? [text('The weights alone fill these cards.', '仅权重就已占满这些显卡。')]
          : [
              text(
                `Paging runs ${formatNumber(Math.min(...ratios))} to ${formatNumber(Math.max(...ratios))} times as many sequences as allocation by maximum; by exact lengths, known in advance, contiguous memory holds as many.`,
                `分页可运行的序列数是按最大长度分配的 ${formatNumber(Math.min(...ratios))} 至 ${formatNumber(Math.max(...ratios))} 倍；若事先知道确切长度，连续分配同样多。`,
              ),
            ],
      charts: sweeps
        .filter(({ plans }) => plans.some((plan) => plan.pool !== null))
        .map(({ gib, plans }) =>
          lineChart({
            id: `card-${gib}`,
            title: text(`${subject.name} on a card of ${gib} GB`, `${gib} GB 显卡上的 ${subject.name}`),
            caption: text(
              'Where paged memory holds as many as the exact lengths would, their lines lie on each other.',
              '分页与按实际长度分配的序列数相同时，两条线重合。',
            ),
            x: tokenAxis(text('Longest sequence (tokens)', '最大序列长度（token）'), limits[0], limits.at(-1)!),
            y: decadeAxis(
              words.sequencesThatFit,
              plans.flatMap((plan) => plan.allocations.map(({ sequences }) => Math.max(1, sequences))),
              formatCount,
            ),
            series: memoryModes.map((mode) => ({
              label: modeNames[mode],
              color: modeColors[mode],
              isDashed: mode === 'contiguous-exact',
              points: plans.flatMap((plan, i) => {
                const { sequences } = sequencesOf(plan, mode);
                return sequences === 0 ? [] : [[limits[i], sequences] as const];
              }),
            })),
          }),
        ),
      tables: [
        ...sweeps.map(({ gib, plans }) => ({
          id: `table-${gib}`,
          title: text(`Sequences at once, ${gib} GB`, `同时运行的序列数，${gib} GB`),
          columns: [{ label: text('Longest', '最大长度') }, ...memoryModes.map((mode) => ({ label: modeNames[mode] }))],
          rows: plans.map((plan, i) => [
            formatTokens(limits[i]),
            ...memoryModes.map((mode) => formatCount(sequencesOf(plan, mode).sequences)),
          ]),
        })),
        {
          id: 'documents',
          title: text("The documents' batches", '文档中的批处理场景'),
          columns: [
            { label: words.scenario },
            { label: words.device },
            ...memoryModes.map((mode) => ({ label: modeNames[mode] })),
            { label: text('Used, by maximum', '利用率（按最大长度）') },
            { label: text('Used, paged', '利用率（分页）') },
            { label: words.claim },
          ],
          rows: scenarios.map(({ name, gib, plan, claimed }) => [
            name,
            `${gib} GB`,
            ...memoryModes.map((mode) => formatCount(sequencesOf(plan, mode).sequences)),
            formatShare(1 - sequencesOf(plan, 'contiguous-max').wasteShare),
            formatShare(1 - sequencesOf(plan, 'paged').wasteShare),
            formatShare(claimed, 0),
          ]),
          note: text(
            'Claimed is the utilisation that the documents give for allocation by maximum.',
            '“文档所述”为文档给出的按最大长度分配的利用率。',
          ),
        },
      ],
      method: [
        text(
          `Pools as the engine plans them for ${subject.name}, as if trained for the length; batches counted by filling the real memory manager until it refuses.`,
          `KV 池由引擎为 ${subject.name} 规划（假定支持该长度）；批大小通过填充真实内存管理器直至拒绝得到。`,
        ),
      ],
      data: {
        model: subject.name,
        sweeps: sweeps.map(({ gib, plans }) => ({
          gib,
          rows: plans.map((plan, i) => ({
            maxModelLen: limits[i],
            blockCount: plan.pool?.blockCount ?? 0,
            sequences: Object.fromEntries(plan.allocations.map((one) => [one.mode, one.sequences])),
          })),
        })),
        documents: scenarios.map(({ id, gib, plan, claimed }) => ({
          id,
          gib,
          claimed,
          allocations: plan.allocations,
        })),
      },
    };
  },
};
