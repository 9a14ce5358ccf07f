// Line charts: series over a common horizontal axis.

import * as Plot from '@observablehq/plot';
import type { Text } from '../i18n/index.ts';
import { type Axis, axisWidth, scaleOptions } from './axes.ts';
import { type Chart, colorOf } from './chart.ts';

export interface Series {
  readonly label: Text | string;
  readonly color: number | 'muted';
  /** Defaults to a whole line. */
  readonly isDashed?: boolean;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface LineChartOptions {
  readonly id: string;
  readonly title: Text;
  readonly caption?: Text;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  /** Levels across the whole chart, in the legend like the series. */
  readonly levels?: readonly {
    readonly label: Text | string;
    readonly value: number;
    readonly color: number | 'muted';
  }[];
}

export function lineChart({ id, title, caption, x, y, series, levels = [] }: LineChartOptions): Chart {
  return {
    id,
    title,
    caption,
    legend: [
      ...series.map(({ label, color, isDashed }) => ({
        label,
        color,
        mark: isDashed ? ('dashed' as const) : ('line' as const),
      })),
      ...levels.map(({ label, color }) => ({ label, color, mark: 'dashed' as const })),
    ],
    plot(style) {
      const { colors, width, isNarrow } = style;
      const marginLeft = axisWidth(y);
      const marginRight = 24;
      return {
        height: isNarrow ? 280 : 360,
        marginLeft,
        marginRight,
        marginTop: 28,
        marginBottom: 44,
        x: scaleOptions(x, style, width - marginLeft - marginRight, true),
        y: { ...scaleOptions(y, style, 0, false), grid: true },
        marks: [
          ...levels.map(({ value, color }) =>
            Plot.ruleY([value], { stroke: colorOf(colors, color), strokeWidth: 1.5, strokeDasharray: '4 3' }),
          ),
          ...series.flatMap(({ points, color, isDashed }) => {
            const stroke = colorOf(colors, color);
            const data = points.map(([at, value]) => ({ at, value }));
            return [
              Plot.line(data, {
                x: 'at',
                y: 'value',
                stroke,
                strokeWidth: isDashed ? 1.8 : 2.6,
                strokeDasharray: isDashed ? '6 4' : undefined,
              }),
              Plot.dot(data, { x: 'at', y: 'value', fill: stroke, r: isNarrow ? 2.2 : 3 }),
            ];
          }),
        ],
      };
    },
  };
}
