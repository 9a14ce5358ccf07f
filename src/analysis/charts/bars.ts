// Rows of bars, each with its label and value above it, so that no label is cut however narrow the chart is.

import * as Plot from '@observablehq/plot';
import { inLanguage, type Text } from '../i18n/index.ts';
import { type Axis, scaleOptions } from './axes.ts';
import { type Chart, colorOf, type LegendItem } from './chart.ts';
import { estimateTextWidth, wrapText } from './text-width.ts';

export interface BarSegment {
  readonly value: number;
  readonly color: LegendItem['color'];
}

export interface BarRow {
  /** With its value. */
  readonly label: Text | string;
  /** One after the other from the left. */
  readonly segments: readonly BarSegment[];
}

export interface BarChartOptions {
  readonly id: string;
  readonly title: Text;
  readonly caption?: Text;
  readonly x: Axis;
  readonly rows: readonly BarRow[];
  readonly legend?: readonly LegendItem[];
  /** Levels across all bars. */
  readonly levels?: readonly { readonly value: number; readonly color: number | 'muted' }[];
}

const rowHeight = 46;
const lineHeight = 15;

export function barChart({ id, title, caption, x, rows, legend, levels = [] }: BarChartOptions): Chart {
  const origin = x.scale === 'log' ? (x.domain?.[0] ?? 1) : 0;
  return {
    id,
    title,
    caption,
    legend,
    plot(style) {
      const { colors, width, language } = style;
      const [marginRight, marginTop, marginBottom] = [32, 6, 44];
      // Half of the first tick's label lies left of it.
      const firstTick = (x.format ?? String)(x.ticks?.[0] ?? 0);
      const marginLeft = Math.max(12, Math.ceil(estimateTextWidth(firstTick, 12) / 2) + 2);
      const room = width - marginLeft - marginRight;
      const labels = rows.map(({ label }) => wrapText(inLanguage(label, language), room, 12));
      const heights = labels.map((lines) => rowHeight + (Math.max(1, lines.length) - 1) * lineHeight);
      const range = heights.reduce((sum, height) => sum + height, 0);
      const barTops = heights.map((_, row) => heights.slice(0, row + 1).reduce((sum, height) => sum + height, 0) - 25);
      const barTop = (row: number) => barTops[row];
      const bars = rows.flatMap(({ segments }, row) => {
        let start = origin;
        return segments.map(({ value, color }) => {
          const from = start;
          // A value at the left end of a logarithmic axis still shows.
          start = x.scale === 'log' ? Math.max(origin * 1.03, value) : start + value;
          return { from, to: start, top: barTop(row), bottom: barTop(row) + 20, color: colorOf(colors, color) };
        });
      });
      return {
        height: range + marginTop + marginBottom,
        marginLeft,
        marginRight,
        marginTop,
        marginBottom,
        x: scaleOptions(x, style, room, true),
        y: {
          type: 'linear',
          domain: [0, range],
          range: [marginTop, marginTop + range],
          axis: null,
        },
        marks: [
          Plot.ruleX(x.ticks ?? [], { stroke: colors.grid }),
          Plot.rect(bars, { x1: 'from', x2: 'to', y1: 'top', y2: 'bottom', fill: 'color' }),
          // Over the bars only: labels stay clear.
          ...levels.flatMap(({ value, color }) => {
            const line = { x: () => value, y1: (top: number) => top - 4, y2: (top: number) => top + 24 };
            return [
              Plot.ruleX(barTops, { ...line, stroke: colors.surface, strokeWidth: 4 }),
              Plot.ruleX(barTops, { ...line, stroke: colorOf(colors, color), strokeWidth: 2, strokeDasharray: '4 2' }),
            ];
          }),
          ...labels.flatMap((lines, row) =>
            lines.map((line, i) =>
              Plot.text([line], {
                x: () => origin,
                y: () => barTop(row) - 6 - (lines.length - 1 - i) * lineHeight,
                text: (value: string) => value,
                textAnchor: 'start',
                lineAnchor: 'bottom',
                fill: colors.ink,
                stroke: colors.surface,
                strokeWidth: 3,
              }),
            ),
          ),
        ],
        color: { type: 'identity' },
      };
    },
  };
}
