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
  /** Levels down the whole chart. */
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
      const tallest = Math.max(1, ...labels.map((lines) => lines.length));
      const height = rowHeight + (tallest - 1) * lineHeight;
      const barTop = (row: number) => row * height + 6 + tallest * lineHeight;
      const bars = rows.flatMap(({ segments }, row) => {
        let start = origin;
        return segments.map(({ value, color }) => {
          const from = start;
          start = x.scale === 'log' ? Math.max(origin, value) : start + value;
          return { from, to: start, top: barTop(row), bottom: barTop(row) + 20, color: colorOf(colors, color) };
        });
      });
      return {
        height: rows.length * height + marginTop + marginBottom,
        marginLeft,
        marginRight,
        marginTop,
        marginBottom,
        x: scaleOptions(x, style, room, true),
        y: {
          type: 'linear',
          domain: [0, rows.length * height],
          range: [marginTop, marginTop + rows.length * height],
          axis: null,
        },
        marks: [
          Plot.ruleX(x.ticks ?? [], { stroke: colors.grid }),
          Plot.rect(bars, { x1: 'from', x2: 'to', y1: 'top', y2: 'bottom', fill: 'color' }),
          ...levels.map(({ value, color }) =>
            Plot.ruleX([value], { stroke: colorOf(colors, color), strokeWidth: 1.5, strokeDasharray: '4 3' }),
          ),
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
