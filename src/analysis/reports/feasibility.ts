// Report: which models run on which devices, for how many sequences.

import { cellChart, type GridCell } from '../charts/index.ts';
import { formatBytes, formatCount, formatNumber } from '../format.ts';
import { same, type Text, text, words } from '../i18n/index.ts';
import { cardSizes, type ModelPlan, openSubject, type PlanSubject, planModel, shapeSubject } from '../plan/index.ts';
import type { Report } from './report.ts';

const gibibyte = 2 ** 30;
const shapes = [
  'llama-3.2-1b',
  'llama-7b',
  'llama-3.1-8b',
  'llama-13b',
  'llama-30b',
  'llama-65b',
  'llama-2-70b',
  'gpt-3-175b',
];
/** Sequences that a device should serve at once to be worth it. */
const concurrency = 8;
const contextTokens = 2048;

const variants = [
  { id: 'halves', weightType: 'f16', kvCacheDtype: 'f16', title: text('Weights and KV in f16', '权重与 KV 均为 f16') },
  {
    id: 'quantised',
    weightType: 'q4_k',
    kvCacheDtype: 'int8',
    title: text('Weights in q4_k, KV in int8', '权重 q4_k，KV int8'),
  },
] as const;

/** What the founding documents say of six cases: model dimension, context, device, and whether it is feasible. */
const documented = [
  { model: 'llama-7b', tokens: 2048, gib: 16, claimed: false, name: text('7B model', '7B 模型推理') },
  { model: 'llama-7b', tokens: 1024, gib: 16, claimed: true, name: text('7B model', '7B 模型推理') },
  { model: 'gpt-3-175b', tokens: 4096, gib: 80, claimed: false, name: text('GPT-3 175B', 'GPT-3 175B 推理') },
  { model: 'gpt-3-175b', tokens: 512, gib: 80, claimed: true, name: text('GPT-3 175B', 'GPT-3 175B 推理') },
  { model: 'llama-7b', tokens: 16_384, gib: 80, claimed: false, name: text('long documents', '长文档理解') },
  { model: 'llama-7b', tokens: 65_536, gib: 40, claimed: false, name: text('very long generation', '超长序列生成') },
] as const;

/** The same model as if it were trained for a longer context. */
export function withContext(subject: PlanSubject, tokens: number): PlanSubject {
  if (subject.config.contextLength >= tokens) return subject;
  return { ...subject, config: { ...subject.config, contextLength: tokens } };
}

const verdicts = { fits: 2, fewer: 1, 'does-not-fit': 4 } as const;

function cellText(plan: ModelPlan): Text {
  if (plan.verdict !== 'does-not-fit') return same(formatCount(plan.fullSequences));
  return same(`−${formatNumber(plan.startShortageBytes / gibibyte)}`);
}

export const feasibility: Report = {
  name: 'feasibility',
  title: text('Which models fit which devices', '模型与设备的可行性'),
  summary: text(
    `How many sequences of ${formatCount(contextTokens)} tokens a device holds beside the weights, planned as the engine plans; or how much memory is missing.`,
    `按引擎的规划方式计算：设备在权重之外能同时容纳多少个 ${formatCount(contextTokens)} token 的序列，或缺多少内存。`,
  ),
  async run({ model, onProgress }) {
    const grids = [];
    let done = 0;
    for (const variant of variants) {
      const subjects = shapes.map((name) => shapeSubject(name, variant.weightType));
      if (model !== null) subjects.unshift(await openSubject(model));
      const plans = subjects.map((subject) => {
        onProgress(++done, variants.length * subjects.length);
        const longest = Math.min(contextTokens, subject.config.contextLength);
        return cardSizes.map((size) =>
          planModel({
            subject,
            budgetBytes: size * gibibyte,
            maxModelLen: longest,
            kvCacheDtype: variant.kvCacheDtype,
            concurrency,
            sequenceTokens: [longest],
          }),
        );
      });
      grids.push({ variant, plans });
    }
    const scenarios = documented.map((one) => {
      const plan = planModel({
        subject: withContext(shapeSubject(one.model), one.tokens),
        budgetBytes: one.gib * gibibyte,
        maxModelLen: one.tokens,
        concurrency: 1,
      });
      const hidden = shapeSubject(one.model).config.hiddenSize;
      // Theirs: K and V of one layer and one matrix, in f32; no weights.
      const documentBytes = 2 * one.tokens * hidden * 4 + one.tokens ** 2 * 4;
      return { ...one, plan, documentBytes };
    });
    const wrong = scenarios.filter(({ claimed, plan }) => claimed !== (plan.verdict === 'fits'));
    const [halves, quantised] = grids.map(
      ({ plans }) => plans.flat().filter(({ verdict }) => verdict !== 'does-not-fit').length,
    );
    return {
      findings: [
        text(
          `${halves} of ${grids[0].plans.flat().length} pairs start in f16, ${quantised} with quantised weights and KV.`,
          `${grids[0].plans.flat().length} 种组合中，f16 可启动 ${halves} 种，量化权重与 KV 后可启动 ${quantised} 种。`,
        ),
        text(
          `Of the documents' six cases ${scenarios.length - wrong.length} come out as they say; their arithmetic has one layer, one head and no weights.`,
          `文档的六个场景中有 ${scenarios.length - wrong.length} 个与其结论一致；其算法只计一层、一个头，且未计权重。`,
        ),
      ],
      charts: grids.map(({ variant, plans }) =>
        cellChart({
          id: variant.id,
          title: variant.title,
          caption: text(
            `Models by device: how many sequences of ${formatCount(contextTokens)} tokens fit at once; negative, how many GiB are missing to start.`,
            `模型与设备：可同时容纳的 ${formatCount(contextTokens)} token 序列数；负值为启动所缺的 GiB。`,
          ),
          columns: cardSizes.map((size) => `${size} GB`),
          rows: plans.map(([plan]) => plan.model),
          cells: plans.flatMap((row, r) =>
            row.map(
              (plan, c): GridCell => ({ row: r, column: c, label: cellText(plan), color: verdicts[plan.verdict] }),
            ),
          ),
          legend: [
            { label: text(`${concurrency} sequences or more`, `${concurrency} 个序列及以上`), color: 2, mark: 'area' },
            { label: text('starts, for fewer', '可启动，但序列较少'), color: 1, mark: 'area' },
            { label: text('does not start', '无法启动'), color: 4, mark: 'area' },
          ],
        }),
      ),
      tables: [
        ...grids.map(({ variant, plans }) => ({
          id: `${variant.id}-table`,
          title: variant.title,
          columns: [
            { label: words.model },
            { label: words.weights },
            { label: text('KV per token', '每 token KV') },
            ...cardSizes.map((size) => ({ label: `${size} GB` })),
          ],
          rows: plans.map((row) => [
            row[0].model,
            formatBytes(row[0].weightBytes),
            formatBytes(row[0].kvBytesPerToken),
            ...row.map(cellText),
          ]),
        })),
        {
          id: 'documents',
          title: text("The documents' cases", '文档中的场景'),
          columns: [
            { label: words.scenario },
            { label: words.tokens },
            { label: words.device },
            { label: text('Their bytes', '文档计算的内存') },
            { label: words.claim },
            { label: text('Needed here', '实际所需') },
            { label: words.verdict },
            { label: words.shortage },
          ],
          rows: scenarios.map(({ name, tokens, gib, claimed, plan, documentBytes }) => [
            name,
            formatCount(tokens),
            `${gib} GB`,
            formatBytes(documentBytes),
            claimed ? words.yes : words.no,
            formatBytes(plan.neededBytes),
            plan.verdict === 'fits' ? words.yes : words.no,
            plan.verdict === 'fits' ? '-' : formatBytes(plan.startShortageBytes),
          ]),
        },
      ],
      method: [
        text(
          "Every cell is a plan of the engine's own planning: what the weights leave of the device is KV pool. Cards count by their nominal size in GiB.",
          '每个单元格都来自引擎自身的规划：设备内存减去权重即为 KV 池。显卡按标称 GiB 计。',
        ),
        text(
          'Sizes of weights follow from the shapes; GPT-3 is counted as if it had the layers of a Llama with as many weights.',
          '权重大小由模型形状推得；GPT-3 按参数量相同的 Llama 结构计算。',
        ),
      ],
      data: {
        contextTokens,
        grids: grids.map(({ variant, plans }) => ({
          weightType: variant.weightType,
          kvDType: variant.kvCacheDtype,
          cells: plans.flatMap((row) =>
            row.map(({ model: name, budgetBytes, verdict, fullSequences, startShortageBytes, weightBytes }) => ({
              model: name,
              budgetBytes,
              verdict,
              fullSequences,
              startShortageBytes,
              weightBytes,
            })),
          ),
        })),
        documents: scenarios.map(({ plan, name, ...rest }) => ({
          ...rest,
          name: name.en,
          neededBytes: plan.neededBytes,
          verdict: plan.verdict,
          shortageBytes: plan.startShortageBytes,
        })),
      },
    };
  },
};
