// Charts of a simulated run over time.

import type { Timeline, TimelinePoint } from '../../simulation/index.ts';
import { type Chart, linearAxis, lineChart, shareAxis } from '../charts/index.ts';
import { type Text, text, words } from '../i18n/index.ts';

const timeLabel = text('Simulated time (s)', '模拟时间（秒）');

/** Requests that run and wait, the pool, preemptions. `prefix` keeps ids apart where a page has several timelines. */
export function timelineCharts({ points, stretchSeconds }: Timeline, prefix: string, of: Text | null): Chart[] {
  const lastSeconds = (points.at(-1)?.seconds ?? 0) + stretchSeconds;
  const x = linearAxis(timeLabel, [lastSeconds]);
  const series = (read: (point: TimelinePoint) => number) =>
    points.map((point) => [point.seconds + stretchSeconds / 2, read(point)] as const);
  const named = (title: Text): Text => (of === null ? title : text(`${title.en}: ${of.en}`, `${title.zh}：${of.zh}`));
  const stretch = stretchSeconds >= 1 ? `${stretchSeconds} s` : `${stretchSeconds * 1000} ms`;
  const means = text(`Means over ${stretch} each.`, `每点为 ${stretch} 内的平均值。`);
  const charts = [
    lineChart({
      id: `${prefix}requests`,
      title: named(text('Requests that run and wait', '运行与等待中的请求')),
      caption: text(
        `${means.en} At most 32 requests wait in the scheduler; the others wait to be handed over.`,
        `${means.zh}调度器中最多等待 32 个请求，其余在外等待。`,
      ),
      x,
      y: linearAxis(
        words.requests,
        points.flatMap(({ running, waiting }) => [running, waiting]),
      ),
      series: [
        { label: text('running', '运行'), color: 0, points: series(({ running }) => running) },
        { label: text('waiting', '等待'), color: 1, points: series(({ waiting }) => waiting) },
      ],
    }),
    lineChart({
      id: `${prefix}pool`,
      title: named(text('Use of the pool', '池使用率')),
      caption: text(
        'Share of blocks that running requests hold; the rest is free or only cached.',
        '运行中请求所占块的比例；其余为空闲或仅作缓存。',
      ),
      x,
      y: shareAxis(text('Share of the pool', '池占比')),
      series: [{ label: words.used, color: 2, points: series(({ poolUse }) => poolUse) }],
    }),
  ];
  if (points.some(({ preemptions }) => preemptions > 0)) {
    charts.push(
      lineChart({
        id: `${prefix}preemptions`,
        title: named(words.preemptions),
        caption: text(`Counted over ${stretch} each.`, `每点为 ${stretch} 内的次数。`),
        x,
        y: linearAxis(
          words.preemptions,
          points.map(({ preemptions }) => preemptions),
        ),
        series: [{ label: words.preemptions, color: 3, points: series(({ preemptions }) => preemptions) }],
      }),
    );
  }
  return charts;
}
