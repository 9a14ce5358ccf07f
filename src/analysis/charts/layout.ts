// Memory drawn to scale: strips of a pool from its first slot to its last, with what each sequence holds and uses of it.

import * as Plot from '@observablehq/plot';
import { formatCount } from '../format.ts';
import { inLanguage, type Text, text, words } from '../i18n/index.ts';
import { scaleOptions } from './axes.ts';
import { type Chart, colorOf } from './chart.ts';

export interface HeldRun {
  /** Slots [first, first + held) of the pool, of which the first `used` hold a token. */
  readonly first: number;
  readonly held: number;
  readonly used: number;
  /** Neighbours differ. */
  readonly color: number;
}

export interface Strip {
  readonly label: Text | string;
  readonly runs: readonly HeldRun[];
}

export interface LayoutChartOptions {
  readonly id: string;
  readonly title: Text;
  readonly caption?: Text;
  readonly slotCount: number;
  readonly strips: readonly Strip[];
}

const rowHeight = 54;

export function layoutChart({ id, title, caption, slotCount, strips }: LayoutChartOptions): Chart {
  const step = 2 ** Math.floor(Math.log2(slotCount / 4));
  const ticks = Array.from({ length: Math.floor(slotCount / step) + 1 }, (_, i) => i * step);
  const axis = { label: words.slots, scale: 'linear', ticks, domain: [0, slotCount], format: formatCount } as const;
  return {
    id,
    title,
    caption,
    legend: [
      { label: text('used, by sequence', '已使用（按序列着色）'), color: 0, mark: 'areas' },
      { label: words.reservedUnused, color: 'muted', mark: 'area' },
      { label: words.free, color: 'grid', mark: 'area' },
    ],
    plot(style) {
      const { colors, language, width } = style;
      const [marginLeft, marginRight, marginTop, marginBottom] = [12, 28, 4, 44];
      const range = strips.length * rowHeight;
      const rects = strips.flatMap(({ runs }, row) => {
        const [top, bottom] = [row * rowHeight + 20, row * rowHeight + 46];
        return [
          { from: 0, to: slotCount, top, bottom, color: colors.grid },
          ...runs.flatMap(({ first, held, used, color }) => [
            { from: first, to: first + used, top, bottom, color: colorOf(colors, color) },
            { from: first + used, to: first + held, top, bottom, color: colors.muted },
          ]),
        ].filter(({ from, to }) => to > from);
      });
      return {
        height: range + marginTop + marginBottom,
        marginLeft,
        marginRight,
        marginTop,
        marginBottom,
        x: scaleOptions(axis, style, width - marginLeft - marginRight, true),
        y: { type: 'linear', domain: [0, range], range: [marginTop, marginTop + range], axis: null },
        color: { type: 'identity' },
        marks: [
          Plot.rect(rects, { x1: 'from', x2: 'to', y1: 'top', y2: 'bottom', fill: 'color' }),
          ...strips.map(({ label }, row) =>
            Plot.text([inLanguage(label, language)], {
              x: () => 0,
              y: () => row * rowHeight + 14,
              text: (value: string) => value,
              textAnchor: 'start',
              lineAnchor: 'bottom',
            }),
          ),
        ],
      };
    },
  };
}
