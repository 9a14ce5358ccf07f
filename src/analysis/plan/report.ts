// A plan for people: table, charts, findings.

import { barChart, type Chart, countAxis, linearAxis } from '../charts/index.ts';
import { formatBytes, formatCount, formatNumber, formatParameters, formatShare } from '../format.ts';
import { joinTexts, same, type Text, text, words } from '../i18n/index.ts';
import { modeColors, modeNames } from '../names.ts';
import type { DataTable } from '../page/index.ts';
import type { AllocationFit, ModelPlan } from './plan.ts';

const gibibyte = 2 ** 30;

export interface PlanReport {
  readonly title: Text;
  readonly summary: Text;
  readonly findings: readonly Text[];
  readonly charts: readonly Chart[];
  readonly tables: readonly DataTable[];
  readonly method: readonly Text[];
}

export function describePlan(plan: ModelPlan, deviceName: string): PlanReport {
  return {
    title: joinTexts([words.model, ': ', plan.model, ` · ${deviceName}`]),
    summary: text(
      `Memory for ${plan.model} within ${formatBytes(plan.budgetBytes)}, sequences of up to ${formatCount(plan.maxModelLen)} tokens, KV in ${plan.kvDType}.`,
      `在 ${formatBytes(plan.budgetBytes)} 内运行 ${plan.model} 的内存规划：序列最长 ${formatCount(plan.maxModelLen)} 个 token，KV 类型 ${plan.kvDType}。`,
    ),
    findings: [verdictText(plan), ...waysOut(plan)],
    charts: [budgetChart(plan), sequencesChart(plan)],
    tables: [quantities(plan), allocations(plan)],
    method: methodOf(plan),
  };
}

export function poolText(size: string, blockCount: number) {
  return text(`${size}, ${formatCount(blockCount)} blocks`, `${size}，${formatCount(blockCount)} 个块`);
}

function verdictText(plan: ModelPlan): Text {
  const { fullSequences, concurrency, shortageBytes, startShortageBytes } = plan;
  const length = formatCount(plan.maxModelLen);
  switch (plan.verdict) {
    case 'fits':
      return text(
        `It fits: ${formatCount(fullSequences)} sequences of ${length} tokens at once, ${formatCount(concurrency)} were asked for.`,
        `可行：可同时容纳 ${formatCount(fullSequences)} 个 ${length} token 的序列，需求为 ${formatCount(concurrency)} 个。`,
      );
    case 'fewer':
      return text(
        `It starts, but only ${formatCount(fullSequences)} of ${formatCount(concurrency)} sequences of ${length} tokens run at once; ${formatBytes(shortageBytes)} are missing for all.`,
        `可以启动，但只能同时运行 ${formatCount(concurrency)} 个 ${length} token 序列中的 ${formatCount(fullSequences)} 个；全部容纳还缺 ${formatBytes(shortageBytes)}。`,
      );
    default:
      return text(
        `It does not fit: ${formatBytes(startShortageBytes)} are missing for the weights and one sequence of ${length} tokens.`,
        `不可行：权重加一个 ${length} token 的序列还缺 ${formatBytes(startShortageBytes)}。`,
      );
  }
}

/** What else would do, where it does not fit. */
function waysOut(plan: ModelPlan): Text[] {
  if (plan.verdict !== 'does-not-fit') return [];
  const left = plan.budgetBytes - plan.weightBytes;
  if (left <= 0) {
    return [
      text(
        `The weights alone take ${formatBytes(plan.weightBytes)}: take a smaller type of weights or a larger device.`,
        `仅权重就需要 ${formatBytes(plan.weightBytes)}：请使用更小的权重类型或更大的设备。`,
      ),
    ];
  }
  const tokens = Math.floor(left / plan.blockBytes) * plan.blockSize;
  return [
    text(
      `The weights leave room for ${formatCount(tokens)} tokens of KV cache.`,
      `除权重外还可容纳 ${formatCount(tokens)} 个 token 的 KV 缓存。`,
    ),
  ];
}

const inGib = (bytes: number): number => bytes / gibibyte;

function budgetChart(plan: ModelPlan): Chart {
  const { budgetBytes, weightBytes, poolBytes, neededBytes } = plan;
  const free = Math.max(0, budgetBytes - weightBytes - poolBytes);
  const rows = [
    {
      label: text(`There is: ${formatBytes(budgetBytes)}`, `可用：${formatBytes(budgetBytes)}`),
      segments: [
        { value: inGib(Math.min(weightBytes, budgetBytes)), color: 1 },
        { value: inGib(poolBytes), color: 0 },
        { value: inGib(Math.min(free, budgetBytes)), color: 'grid' as const },
      ],
    },
    {
      label: text(
        `${formatCount(plan.concurrency)} sequences of full length need: ${formatBytes(neededBytes)}`,
        `${formatCount(plan.concurrency)} 个最长序列需要：${formatBytes(neededBytes)}`,
      ),
      segments: [
        { value: inGib(weightBytes), color: 1 },
        { value: inGib(neededBytes - weightBytes), color: 0 },
      ],
    },
    {
      label: text(
        `One such sequence with attention materialised: ${formatBytes(weightBytes + plan.sequenceBytes + plan.attentionLayerBytes)}`,
        `一个最长序列且物化注意力矩阵：${formatBytes(weightBytes + plan.sequenceBytes + plan.attentionLayerBytes)}`,
      ),
      segments: [
        { value: inGib(weightBytes), color: 1 },
        { value: inGib(plan.sequenceBytes), color: 0 },
        { value: inGib(plan.attentionLayerBytes), color: 4 },
      ],
    },
  ];
  const ends = rows.map(({ segments }) => segments.reduce((sum, { value }) => sum + value, 0));
  return barChart({
    id: 'budget',
    title: text('What there is and what is needed', '可用内存与所需内存'),
    x: linearAxis(text('Memory (GiB)', '内存（GiB）'), ends),
    rows,
    legend: [
      { label: words.weights, color: 1, mark: 'area' },
      { label: words.kvCache, color: 0, mark: 'area' },
      { label: text('Attention matrix, one layer (formula)', '注意力矩阵，单层（公式）'), color: 4, mark: 'area' },
      { label: words.free, color: 'grid', mark: 'area' },
    ],
    levels: [{ value: inGib(budgetBytes), color: 'muted' }],
    caption: text('The dashed line is the budget.', '虚线为内存预算。'),
  });
}

const countText = ({ sequences, isLimited }: AllocationFit): string =>
  `${isLimited ? '≥ ' : ''}${formatCount(sequences)}`;

function sequencesChart(plan: ModelPlan): Chart {
  return barChart({
    id: 'sequences',
    title: words.sequencesThatFit,
    caption: text(
      `Counted by filling the real memory manager with sequences of ${lengthsText(plan).en}.`,
      `向真实的内存管理器填入${lengthsText(plan).zh} 的序列后计数。`,
    ),
    x: countAxis(
      words.sequences,
      plan.allocations.map(({ sequences }) => sequences),
    ),
    rows: plan.allocations.map((one) => ({
      label: joinTexts([
        modeNames[one.mode],
        ': ',
        countText(one),
        one.sequences === 0
          ? ''
          : text(` (${formatShare(one.wasteShare)} wasted)`, `（浪费 ${formatShare(one.wasteShare)}）`),
      ]),
      segments: [{ value: one.sequences, color: modeColors[one.mode] }],
    })),
  });
}

function lengthsText({ sequenceTokens }: ModelPlan): Text {
  const [low, high] = [Math.min(...sequenceTokens), Math.max(...sequenceTokens)];
  if (low === high) return text(`${formatCount(low)} tokens`, `长度为 ${formatCount(low)} 个 token`);
  return text(
    `${formatCount(low)} to ${formatCount(high)} tokens`,
    `长度为 ${formatCount(low)} 至 ${formatCount(high)} 个 token`,
  );
}

function quantities(plan: ModelPlan): DataTable {
  const bytes = (count: number) => (count === 0 ? '0' : `${formatBytes(count)} (${formatCount(Math.round(count))} B)`);
  const rows: (readonly [Text, Text | string])[] = [
    [words.model, `${plan.model}, ${formatParameters(plan.parameters)}, ${plan.weightType}`],
    [words.weights, bytes(plan.weightBytes)],
    [text('KV bytes per token', '每个 token 的 KV 字节数'), bytes(plan.kvBytesPerToken)],
    [
      text(
        `KV bytes per token and layer (of ${plan.layerCount})`,
        `每个 token 每层的 KV 字节数（共 ${plan.layerCount} 层）`,
      ),
      bytes(plan.kvBytesPerTokenAndLayer),
    ],
    [text(`One block of ${plan.blockSize} tokens`, `一个块（${plan.blockSize} 个 token）`), bytes(plan.blockBytes)],
    [
      text(
        `One sequence of ${formatCount(plan.maxModelLen)} tokens`,
        `一个 ${formatCount(plan.maxModelLen)} token 的序列`,
      ),
      bytes(plan.sequenceBytes),
    ],
    [
      text('Attention matrix if materialised, one head (formula)', '物化的注意力矩阵，单头（公式）'),
      bytes(plan.attentionMatrixBytes),
    ],
    [
      text('Attention matrix if materialised, all heads of a layer (formula)', '物化的注意力矩阵，单层所有头（公式）'),
      bytes(plan.attentionLayerBytes),
    ],
    [words.kvPool, plan.pool === null ? words.no : poolText(bytes(plan.poolBytes), plan.pool.blockCount)],
    [text('Sequences of full length that fit', '可容纳的最长序列数'), formatCount(plan.fullSequences)],
    [words.verdict, verdictText(plan)],
    [words.shortage, bytes(plan.verdict === 'does-not-fit' ? plan.startShortageBytes : plan.shortageBytes)],
    [
      text(`Cost of what is needed at ${plan.pricePerGib} per GiB`, `所需内存的成本（每 GiB ${plan.pricePerGib}）`),
      formatNumber(plan.neededCost),
    ],
  ];
  return {
    id: 'quantities',
    title: text('Plan', '规划'),
    columns: [{ label: words.quantity }, { label: words.value, align: 'left' }],
    rows,
  };
}

function allocations(plan: ModelPlan): DataTable {
  return {
    id: 'allocations',
    title: text('Sequences that fit, by allocation', '按分配方式可容纳的序列数'),
    columns: [
      { label: words.allocation },
      { label: words.sequences },
      { label: text('Held', '占用') },
      { label: words.waste },
      { label: text('Waste share', '浪费比例') },
      { label: text('Cost of the waste', '浪费的成本') },
    ],
    rows: plan.allocations.map((one) => [
      modeNames[one.mode],
      countText(one),
      formatBytes(one.heldBytes),
      ...(one.sequences === 0
        ? ['-', '-', '-']
        : [formatBytes(one.wastedBytes), formatShare(one.wasteShare), formatNumber(one.wasteCost)]),
    ]),
    note: text(
      `Sequences of ${lengthsText(plan).en}; by the exact length is what servers could do that knew each answer's length in advance.`,
      `序列${lengthsText(plan).zh}；“按实际长度”假设服务器事先知道每个回答的长度。`,
    ),
  };
}

function methodOf(plan: ModelPlan): Text[] {
  const start =
    plan.engineOptions === null
      ? []
      : [
          text(
            `The engine starts with this pool when given \`--kv-cache-memory-bytes ${plan.engineOptions.kvCacheMemoryBytes} --max-model-len ${plan.engineOptions.maxModelLen} --max-num-seqs ${plan.engineOptions.maxNumSeqs} --block-size ${plan.blockSize} --kv-cache-dtype ${plan.kvDType}\`.`,
            `以 \`--kv-cache-memory-bytes ${plan.engineOptions.kvCacheMemoryBytes} --max-model-len ${plan.engineOptions.maxModelLen} --max-num-seqs ${plan.engineOptions.maxNumSeqs} --block-size ${plan.blockSize} --kv-cache-dtype ${plan.kvDType}\` 启动时，引擎的 KV 池与此一致。`,
          ),
        ];
  return [
    text(
      'Blocks, pool and longest sequence come from the planning that the engine itself starts with; sequences were counted by filling the real memory manager.',
      '块、KV 池与最长序列均来自引擎启动时所用的规划；序列数通过填充真实的内存管理器得到。',
    ),
    text(
      'The attention matrix is a formula, context² × 4 bytes for each head: Octavo never makes one.',
      '注意力矩阵按公式计算：每个头为上下文长度² × 4 字节；Octavo 从不生成该矩阵。',
    ),
    ...start,
    same('1 GiB = 2^30 B'),
  ];
}
