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
  /** Points that no line connects. Defaults to false. */
  readonly isScattered?: boolean;
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

/** Of more points the dots would hide the line. */
const densePoints = 60;

export function lineChart({ id, title, caption, x, y, series, levels = [] }: LineChartOptions): Chart {
  return {
    id,
    title,
    caption,
    legend: [
      ...series.map(({ label, color, isDashed, isScattered }) => ({
        label,
        color,
        mark: isScattered ? ('dot' as const) : isDashed ? ('dashed' as const) : ('line' as const),
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
          ...series.flatMap(({ points, color, isDashed, isScattered }) => {
            const stroke = colorOf(colors, color);
            const data = points.map(([at, value]) => ({ at, value }));
            const isDense = points.length > densePoints;
            const line = Plot.line(data, {
              x: 'at',
              y: 'value',
              stroke,
              strokeWidth: isDense ? 1.4 : isDashed ? 2.2 : 2.6,
              // Gaps wide enough to show a line that lies under it.
              strokeDasharray: isDashed ? '8 7' : undefined,
              strokeLinecap: isDashed ? 'butt' : 'round',
            });
            const dots = Plot.dot(data, { x: 'at', y: 'value', fill: stroke, r: isNarrow ? 2.2 : 3 });
            if (isScattered) return [dots];
            return isDense ? [line] : [line, dots];
          }),
        ],
      };
    },
  };
}
