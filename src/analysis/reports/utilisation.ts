// Report: how much of the memory that is held is used, contiguous against paged.

import { type MemoryMode, memoryModes } from '../../memory/index.ts';
import { defaultCostModel, replay } from '../../simulation/index.ts';
import { barChart, type HeldRun, layoutChart, shareAxis } from '../charts/index.ts';
import { formatCount, formatNumber, formatShare } from '../format.ts';
import { joinTexts, text, words } from '../i18n/index.ts';
import { modeColors, modeNames } from '../names.ts';
import { runChurn } from '../workload/churn.ts';
import { fillMemory } from '../workload/fill.ts';
import { heldRuns } from '../workload/held-runs.ts';
import { workloadOf } from '../workload/requests.ts';
import type { Report } from './report.ts';

const blockSize = 16;

/**
 * The founding documents' scenarios: lengths of the sequences, what is set aside for the longest of them, and the shares of contiguous and paged
 * memory that they say are used. `estimates` are the lengths that servers expected, where they differ by sequence.
 */
const scenarios = [
  {
    id: 'chat',
    name: text('short chats', '短对话'),
    lengths: [50, 80, 120, 60],
    reserved: 256,
    claimed: [0.305, 0.952],
  },
  {
    id: 'code',
    name: text('code generation', '代码生成'),
    lengths: [400, 800, 1200, 600],
    reserved: 2048,
    claimed: null,
  },
  {
    id: 'long',
    name: text('long texts', '长文本'),
    lengths: [1500, 2000, 2800, 1800],
    reserved: 4096,
    claimed: [0.594, 0.981],
  },
  { id: 'mixed', name: text('mixed', '混合场景'), lengths: [100, 800, 200, 1500], reserved: 2048, claimed: null },
  {
    id: 'estimated',
    name: text('estimated lengths', '按预估长度分配'),
    lengths: [1500, 800, 1024, 2000],
    estimates: [2048, 4096, 1024, 8192],
    reserved: 8192,
    claimed: [0.346, null],
  },
  {
    id: 'dialogue',
    name: text('dialogue, mean', '对话场景平均'),
    lengths: [150],
    reserved: 512,
    claimed: [0.293, null],
  },
  {
    id: 'coding',
    name: text('coding, mean', '代码生成平均'),
    lengths: [800],
    reserved: 2048,
    claimed: [0.391, null],
  },
  {
    id: 'summary',
    name: text('summaries, mean', '文档摘要平均'),
    lengths: [300],
    reserved: 1024,
    claimed: [0.293, null],
  },
] as const;

interface Use {
  readonly mode: MemoryMode;
  readonly heldSlots: number;
  readonly usedSlots: number;
  readonly share: number;
}

function holdScenario(scenario: (typeof scenarios)[number]): Use[] {
  const { lengths, reserved } = scenario;
  return memoryModes.map((mode) => {
    const { heldSlots, usedSlots } = fillMemory({
      mode,
      pools: [{ blockCount: (lengths.length * reserved) / blockSize, windowTokens: null, sinkTokens: 0 }],
      blockSize,
      maxSequenceTokens: reserved,
      lengths,
      finalTokens: 'estimates' in scenario ? scenario.estimates : lengths,
      limit: lengths.length,
    });
    return { mode, heldSlots, usedSlots, share: usedSlots / heldSlots };
  });
}

const useOf = <T extends { readonly mode: MemoryMode }>(uses: readonly T[], mode: MemoryMode): T =>
  uses.find((one) => one.mode === mode)!;

export const utilisation: Report = {
  name: 'utilisation',
  title: text('Use of the memory that is held', '内存利用率'),
  summary: text(
    'How many of the slots that sequences hold have a token in them, contiguous against paged: on the scenarios of the founding documents, and under load on the real scheduler.',
    '序列占用的槽位中真正存放 token 的比例，连续分配与分页对比：文档中的场景，以及真实调度器上的负载。',
  ),
  async run({ trace, seed, quick, now, onProgress }) {
    const workload = workloadOf(trace, quick ? 60 : 800, seed);
    const { requests } = workload;
    const total = scenarios.length + 2 * memoryModes.length;
    let done = 0;
    const held = scenarios.map((scenario) => {
      onProgress(++done, total);
      return { scenario, uses: holdScenario(scenario) };
    });

    const longest = requests.reduce((most, one) => Math.max(most, one.promptTokens + one.outputTokens), 1);
    // Room for eight of the longest, and for some dozens of the others.
    const blockCount = Math.ceil((8 * longest) / blockSize);
    const loads = memoryModes.map((mode) => {
      onProgress(++done, total);
      const result = replay(requests, {
        blockCount,
        blockSize,
        memory: mode,
        enablePrefixCaching: false,
        maxNumSeqs: 1024,
        maxNumBatchedTokens: 32_768,
        arrivals: 'saturated',
        cost: defaultCostModel,
        seed,
      });
      const occupancy = result.saturated ?? result.overall!;
      return { mode, ...occupancy, preemptions: result.preemptions, finishedRequests: result.finishedRequests };
    });

    const small = requests
      .slice(0, quick ? 40 : 160)
      .map(({ promptTokens, outputTokens }) => ({ promptTokens, outputTokens }));
    const smallLongest = small.reduce((most, one) => Math.max(most, one.promptTokens + one.outputTokens), 1);
    const smallBlocks = Math.ceil((4 * smallLongest) / blockSize);
    const churns = memoryModes.map((mode) => {
      onProgress(++done, total);
      let layout: HeldRun[] | null = null;
      const churn = runChurn({
        mode,
        blockCount: smallBlocks,
        blockSize,
        maxSequenceTokens: smallLongest,
        requests: small,
        maxNumSeqs: 256,
        now,
        onStep(memory, running, waiting) {
          // When half have come and gone, or are there.
          if (layout === null && waiting <= small.length / 2) layout = heldRuns(memory, running);
        },
      });
      return { mode, churn, layout: layout ?? [] };
    });

    const [paged, contiguous] = [useOf(loads, 'paged'), useOf(loads, 'contiguous-max')];
    const worst = (mode: MemoryMode) => Math.min(...held.map(({ uses }) => useOf(uses, mode).share));
    const best = (mode: MemoryMode) => Math.max(...held.map(({ uses }) => useOf(uses, mode).share));
    const shareOrDash = (value: number | null | undefined) => (value == null ? '-' : formatShare(value));
    return {
      findings: [
        text(
          `On the documents' scenarios paged memory uses ${formatShare(worst('paged'))} to ${formatShare(best('paged'))} of what it holds, allocation by maximum ${formatShare(worst('contiguous-max'))} to ${formatShare(best('contiguous-max'))}.`,
          `在文档的场景中，分页利用率为 ${formatShare(worst('paged'))} 至 ${formatShare(best('paged'))}，按最大长度分配为 ${formatShare(worst('contiguous-max'))} 至 ${formatShare(best('contiguous-max'))}。`,
        ),
        text(
          `Under load: ${formatShare(paged.slotUse)} paged, ${formatShare(contiguous.slotUse)} by maximum, with ${formatNumber(paged.requestsInFlight)} requests in flight against ${formatNumber(contiguous.requestsInFlight)}.`,
          `负载下：分页 ${formatShare(paged.slotUse)}，按最大长度 ${formatShare(contiguous.slotUse)}；同时处理的请求数分别为 ${formatNumber(paged.requestsInFlight)} 与 ${formatNumber(contiguous.requestsInFlight)}。`,
        ),
      ],
      charts: [
        barChart({
          id: 'scenarios',
          title: text("The documents' scenarios: share of held slots that is used", '文档场景：占用槽位的利用率'),
          x: shareAxis(words.utilisation),
          rows: held.flatMap(({ scenario, uses }) =>
            (['contiguous-max', 'contiguous-exact', 'paged'] as const)
              .filter((mode) => mode !== 'contiguous-exact' || 'estimates' in scenario)
              .map((mode) => ({
                label: joinTexts([
                  scenario.name,
                  ' · ',
                  mode === 'contiguous-exact' ? text('Contiguous, as estimated', '连续，按预估') : modeNames[mode],
                  `: ${formatShare(useOf(uses, mode).share)}`,
                ]),
                segments: [{ value: useOf(uses, mode).share, color: modeColors[mode] }],
              })),
          ),
        }),
        barChart({
          id: 'load',
          title: joinTexts([text('Under load: ', '负载下：'), workload.name]),
          caption: text(
            'While requests waited for memory; the same requests and the same pool, on the real scheduler.',
            '请求等待内存期间；相同的请求与相同的池，运行于真实调度器。',
          ),
          x: shareAxis(words.utilisation),
          rows: loads.map(({ mode, slotUse }) => ({
            label: joinTexts([modeNames[mode], `: ${formatShare(slotUse)}`]),
            segments: [{ value: slotUse, color: modeColors[mode] }],
          })),
        }),
        barChart({
          id: 'fragmentation',
          title: text('External fragmentation under load', '负载下的外部碎片率'),
          caption: text(
            '1 - longest free run / free blocks, mean over the steps. Paged memory takes any free block: it costs it nothing.',
            '1 - 最长空闲段 / 空闲块数，各步平均。分页可使用任意空闲块，不受其影响。',
          ),
          x: shareAxis(words.externalFragmentation),
          rows: churns.map(({ mode, churn }) => ({
            label: joinTexts([modeNames[mode], `: ${shareOrDash(churn.externalFragmentation)}`]),
            segments: [{ value: churn.externalFragmentation ?? 0, color: modeColors[mode] }],
          })),
        }),
        layoutChart({
          id: 'layout',
          title: text('How a pool lies in the middle of a load, to scale', '负载进行中池的布局（按比例）'),
          caption: text(
            `A pool of ${formatCount(smallBlocks * blockSize)} slots; each colour is a sequence. Read from the memory manager's own block tables.`,
            `池共 ${formatCount(smallBlocks * blockSize)} 个槽位；每种颜色为一个序列。数据读自内存管理器的块表。`,
          ),
          slotCount: smallBlocks * blockSize,
          strips: churns.map(({ mode, layout }) => ({ label: modeNames[mode], runs: layout })),
        }),
      ],
      tables: [
        {
          id: 'scenario-table',
          title: text("The documents' scenarios", '文档中的场景'),
          columns: [
            { label: words.scenario },
            { label: text('Lengths', '长度'), align: 'left' },
            { label: text('Set aside', '预留') },
            ...memoryModes.map((mode) => ({ label: modeNames[mode] })),
            { label: text('Saved by paging', '分页节省') },
            { label: text('Claimed, contiguous', '文档所述，连续') },
            { label: text('Claimed, paged', '文档所述，分页') },
          ],
          rows: held.map(({ scenario, uses }) => [
            scenario.name,
            scenario.lengths.join(', '),
            'estimates' in scenario ? scenario.estimates.join(', ') : formatCount(scenario.reserved),
            ...memoryModes.map((mode) => formatShare(useOf(uses, mode).share)),
            formatShare(1 - useOf(uses, 'paged').heldSlots / useOf(uses, 'contiguous-max').heldSlots),
            shareOrDash(scenario.claimed?.[0]),
            shareOrDash(scenario.claimed?.[1]),
          ]),
          note: text(
            'With estimated lengths, contiguous by exact length sets the estimate aside, and by power of two the power above it.',
            '“按预估长度分配”一行中，“按实际长度”预留预估值，“按 2 的幂”预留其上的 2 的幂。',
          ),
        },
        {
          id: 'load-table',
          title: joinTexts([text('Under load: ', '负载下：'), workload.name]),
          columns: [
            { label: words.allocation },
            { label: words.utilisation },
            { label: words.waste },
            { label: text('Of the pool', '占整个池') },
            { label: text('In flight', '同时处理') },
            { label: words.preemptions },
            { label: words.externalFragmentation },
            { label: text('Refused despite room', '有空间却被拒绝') },
          ],
          rows: loads.map(({ mode, slotUse, poolUse, requestsInFlight, preemptions }) => {
            const { externalFragmentation, refusedDespiteRoom, refused } = useOf(churns, mode).churn;
            return [
              modeNames[mode],
              formatShare(slotUse),
              formatShare(1 - slotUse),
              formatShare(poolUse),
              formatNumber(requestsInFlight),
              formatCount(preemptions),
              shareOrDash(externalFragmentation),
              refused === 0 ? '-' : formatShare(refusedDespiteRoom / refused),
            ];
          }),
          note: text(
            'External fragmentation: 1 - longest free run / free blocks, mean over the steps of a smaller load; it costs only those who need runs. Refused despite room: refusals while enough slots for the whole request were free.',
            '外部碎片率：1 - 最长空闲段 / 空闲块数，为较小负载下各步的平均；只影响需要连续段的分配方式。“有空间却被拒绝”：空闲槽位足以容纳整个请求时仍被拒绝的比例。',
          ),
        },
      ],
      method: [
        text(
          `Scenarios: sequences of these lengths opened and computed in the real memory manager, blocks of ${blockSize}; held and used slots are its own figures.`,
          `场景：在真实内存管理器中打开并计算这些长度的序列，块大小 ${blockSize}；占用与使用的槽位为其自身统计。`,
        ),
        text(
          `Load: ${formatCount(requests.length)} requests (${workload.name.en}), all at once, through the real scheduler with a stub in place of the kernels; pool of ${formatCount(blockCount)} blocks.`,
          `负载：${formatCount(requests.length)} 个请求（${workload.name.zh}）同时到达，经真实调度器执行，内核以桩代替；池共 ${formatCount(blockCount)} 块。`,
        ),
      ],
      data: {
        blockSize,
        scenarios: held.map(({ scenario, uses }) => ({
          id: scenario.id,
          lengths: scenario.lengths,
          claimed: scenario.claimed,
          uses,
        })),
        load: { workload: workload.name.en, requests: requests.length, blockCount, modes: loads },
        churn: {
          blockCount: smallBlocks,
          modes: churns.map(({ mode, churn, layout }) => {
            const { allocateMs, extendMs, tokenMs, releaseMs, ...figures } = churn;
            return { mode, ...figures, layout };
          }),
        },
      },
    };
  },
};
