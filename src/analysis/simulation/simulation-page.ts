// The pages of `octavo simulate`: one run, or a sweep with its Pareto front.

import {
  type LoadFigures,
  meritOf,
  type PreemptionMode,
  type ReplayReport,
  type Scenario,
  type SweepResult,
} from '../../simulation/index.ts';
import { byteAxis, type Chart, decadeAxis, linearAxis, lineChart } from '../charts/index.ts';
import { formatBytes, formatCount, formatMs, formatNumber, formatShare } from '../format.ts';
import { type Text, text, words } from '../i18n/index.ts';
import { modeNames } from '../names.ts';
import type { DataTable, Measured, PageContent } from '../page/index.ts';
import { timelineCharts } from './timeline-charts.ts';

export interface SimulationSubject {
  /** What requests they are: a file's name, or how they were made. */
  readonly arrivals: Text;
  readonly requestCount: number;
  /** Model and machine of the cost model, or null where it was two constants. */
  readonly calibration: string | null;
  /** Whether results are judged by goodput. */
  readonly hasObjectives: boolean;
}

type Common = Pick<PageContent, 'title' | 'summary' | 'measured'>;

function common({ arrivals, requestCount, calibration }: SimulationSubject, measured: Measured, title: Text): Common {
  return {
    title,
    summary: text(
      `${formatCount(requestCount)} requests (${arrivals.en}) through the real scheduler and memory manager, with a cost model in place of kernels.`,
      `${formatCount(requestCount)} 个请求（${arrivals.zh}）经真实调度器与内存管理器运行，以成本模型代替核函数。`,
    ),
    measured: {
      ...measured,
      method: [
        ...measured.method,
        text(
          'Every decision is that of the scheduler and memory manager that serve; only the time of a step is a formula. Nothing is measured while it runs, so the same seed gives the same numbers.',
          '所有决策均由实际服务所用的调度器与内存管理器作出，仅单步时间为公式；运行时不作测量，相同种子得到相同结果。',
        ),
        calibration === null
          ? text(
              'A step costs a constant and a constant for each token: no particular machine.',
              '单步成本为常数加每 token 常数，不对应具体机器。',
            )
          : text(
              `The formula was fitted to measured steps of ${calibration}.`,
              `公式由 ${calibration} 的实测步拟合而得。`,
            ),
      ],
    },
  };
}

const preemptionNames: Readonly<Record<PreemptionMode, Text>> = {
  recompute: text('computed again', '重新计算'),
  swap: text('swapped to host memory', '换出到主机内存'),
};

const ms = (value: number): string => (Number.isFinite(value) ? formatMs(value) : '-');

function latencyTable({ ttftMs, itlMs, tpotMs, e2eMs }: LoadFigures): DataTable {
  const rows = [
    ['TTFT', ttftMs],
    ['ITL', itlMs],
    ['TPOT', tpotMs],
    ['E2E', e2eMs],
  ] as const;
  return {
    id: 'latency',
    title: words.latency,
    columns: [{ label: words.quantity }, { label: words.mean }, { label: 'p50' }, { label: 'p90' }, { label: 'p99' }],
    rows: rows.map(([name, { mean, p50, p90, p99 }]) => [name, ms(mean), ms(p50), ms(p90), ms(p99)]),
  };
}

/** One run. */
export function runPage(
  subject: SimulationSubject,
  scenario: Scenario,
  serving: ReplayReport,
  measured: Measured,
): PageContent {
  const { figures, timeline, ...rest } = serving;
  const settings: readonly (readonly [Text, Text | string])[] = [
    [words.blocks, `${formatCount(scenario.blockCount)} × ${scenario.blockSize}`],
    [words.policy, `\`${scenario.policy}\``],
    [words.allocation, modeNames[scenario.memory]],
    [text('Preemption', '抢占方式'), preemptionNames[scenario.preemption]],
    [text('Token budget of a step', '单步 token 预算'), formatCount(scenario.maxNumBatchedTokens)],
    [text('Requests at once, at most', '最大并发请求数'), formatCount(scenario.maxNumSeqs)],
    [words.hitRate, formatShare(serving.blockHitRate)],
    [words.evictions, formatCount(serving.evictions)],
    [words.preemptions, formatCount(serving.preemptions)],
    [text('Refused as too long', '因过长被拒绝'), formatCount(serving.refusedRequests)],
  ];
  return {
    ...common(subject, measured, text('Simulation', '模拟')),
    findings: figures === null ? [] : [finding(figures, null)],
    charts: timelineCharts(timeline, '', null),
    tables: [
      ...(figures === null ? [] : [latencyTable(figures)]),
      {
        id: 'settings',
        title: text('Settings and counts', '设置与计数'),
        columns: [{ label: words.quantity }, { label: words.value }],
        rows: settings,
      },
    ],
    data: { scenario, figures, ...rest, timeline },
  };
}

function finding(figures: LoadFigures, of: Text | null): Text {
  const { outputTokensPerSecond, ttftMs, goodputPerSecond } = figures;
  const rate = formatNumber(outputTokensPerSecond);
  const good = goodputPerSecond === null ? null : formatNumber(goodputPerSecond);
  return text(
    `${of === null ? '' : `${of.en}: `}${rate} output tokens a second, TTFT ${ms(ttftMs.p50)} (median) and ${ms(ttftMs.p99)} (p99)${good === null ? '' : `; ${good} requests a second meet every objective`}.`,
    `${of === null ? '' : `${of.zh}：`}每秒输出 ${rate} token，TTFT 中位数 ${ms(ttftMs.p50)}、p99 ${ms(ttftMs.p99)}${good === null ? '' : `；每秒 ${good} 个请求满足全部目标`}。`,
  );
}

const settingsOf = ({ settings }: SweepResult): string =>
  Object.entries(settings)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');

/** A sweep. `results` as runSweep gives them. */
export function sweepPage(
  subject: SimulationSubject,
  results: readonly SweepResult[],
  measured: Measured,
): PageContent {
  const front = results.filter(({ isOnFront }) => isOnFront).sort((a, b) => a.poolTokens - b.poolTokens);
  const best = front.reduce<SweepResult | null>(
    (one, other) => (one === null || meritOf(other.figures!) > meritOf(one.figures!) ? other : one),
    null,
  );
  const names = Object.keys(results[0]?.settings ?? {});
  return {
    ...common(subject, measured, text('Sweep of simulations', '模拟扫描')),
    findings: [
      ...(best === null
        ? [text('No combination serves every request.', '没有任何组合能完成全部请求。')]
        : [
            text(
              `${front.length} of ${results.length} combinations are on the front: nothing with as little memory is better.`,
              `${results.length} 种组合中有 ${front.length} 种位于前沿：没有占用同样内存而更优者。`,
            ),
            finding(best.figures!, text(`The best, ${settingsOf(best)}`, `最优组合 ${settingsOf(best)}`)),
          ]),
    ],
    charts: [
      ...(results.some(({ figures }) => figures !== null) ? [frontChart(subject, results, front)] : []),
      ...(best?.timeline ? timelineCharts(best.timeline, 'best-', text(settingsOf(best), settingsOf(best))) : []),
    ],
    tables: [
      {
        id: 'combinations',
        title: text('All combinations', '全部组合'),
        columns: [
          ...names.map((name) => ({ label: name, align: 'left' as const })),
          { label: words.kvPool },
          { label: text('Output tok/s', '输出 token/秒') },
          { label: 'TTFT p50' },
          { label: 'TTFT p99' },
          { label: 'TPOT p99' },
          ...(subject.hasObjectives ? [{ label: text('Goodput, requests/s', '有效吞吐（请求/秒）') }] : []),
          { label: words.hitRate },
          { label: words.preemptions },
          { label: text('Refused', '拒绝') },
          { label: text('On the front', '位于前沿') },
        ],
        rows: results.map((result) => {
          const { settings, poolTokens, poolBytes, figures, isOnFront } = result;
          const pool =
            poolBytes === null
              ? text(`${formatCount(poolTokens)} tokens`, `${formatCount(poolTokens)} token`)
              : formatBytes(poolBytes);
          const of = (read: (known: LoadFigures) => string) => (figures === null ? '-' : read(figures));
          return [
            ...names.map((name) => settings[name]),
            pool,
            of(({ outputTokensPerSecond }) => formatNumber(outputTokensPerSecond)),
            of(({ ttftMs }) => ms(ttftMs.p50)),
            of(({ ttftMs }) => ms(ttftMs.p99)),
            of(({ tpotMs }) => ms(tpotMs.p99)),
            ...(subject.hasObjectives ? [of(({ goodputPerSecond }) => formatNumber(goodputPerSecond ?? 0))] : []),
            result.error === null ? formatShare(result.blockHitRate) : '-',
            result.error === null ? formatCount(result.preemptions) : '-',
            result.error === null ? formatCount(result.refusedRequests) : text('all', '全部'),
            isOnFront ? words.yes : words.no,
          ];
        }),
        note: text(
          'Combinations that refuse requests (too long for the pool) are not on the front: they serve less.',
          '拒绝请求（超出池容量）的组合不计入前沿。',
        ),
      },
    ],
    data: { sweep: results.map(({ timeline: _timeline, ...result }) => result) },
  };
}

function frontChart(
  { hasObjectives }: SimulationSubject,
  results: readonly SweepResult[],
  front: readonly SweepResult[],
): Chart {
  const known = results.filter(({ figures }) => figures !== null);
  const memory = (result: SweepResult): number => result.poolBytes ?? result.poolTokens;
  const isBytes = known.every(({ poolBytes }) => poolBytes !== null);
  const value = ({ figures }: SweepResult): number =>
    hasObjectives ? (figures!.goodputPerSecond ?? 0) : figures!.ttftMs.p99 / 1000;
  const point = (result: SweepResult) => [memory(result), value(result)] as const;
  const values = known.map(value);
  const pools = known.map(memory);
  const x = isBytes
    ? byteAxis(words.kvPool, pools)
    : { ...byteAxis(words.kvPool, pools), label: text('KV pool (tokens)', 'KV 池（token）'), format: formatCount };
  return lineChart({
    id: 'front',
    title: hasObjectives
      ? text('Memory against goodput', '内存与有效吞吐')
      : text('Memory against TTFT p99', '内存与 TTFT p99'),
    caption: hasObjectives
      ? text('Up and to the left is better.', '左上为优。')
      : text('Down and to the left is better.', '左下为优。'),
    x,
    y: hasObjectives
      ? linearAxis(text('Goodput (requests/s)', '有效吞吐（请求/秒）'), values)
      : decadeAxis(
          text('TTFT p99 (s)', 'TTFT p99（秒）'),
          values.map((one) => Math.max(one, 1e-4)),
        ),
    series: [
      {
        label: text('other combinations', '其他组合'),
        color: 'muted',
        isScattered: true,
        points: known.filter(({ isOnFront }) => !isOnFront).map(point),
      },
      { label: text('Pareto front', '帕累托前沿'), color: 0, points: front.map(point) },
    ],
  });
}
