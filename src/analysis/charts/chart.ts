// What a chart is: options of Observable Plot for a given width, language and set of colours, and what its legend says.

import type { PlotOptions } from '@observablehq/plot';
import type { Language, Text } from '../i18n/index.ts';

/** Colours by role. A page gives CSS variables, so that light and dark need one drawing; a file of its own gives values. */
export interface ChartColors {
  readonly ink: string;
  readonly muted: string;
  readonly grid: string;
  readonly surface: string;
  /** Ink on a filled area of any series colour. */
  readonly onSeries: string;
  /** Told apart also by those who see colours less well. */
  readonly series: readonly string[];
}

export interface ChartStyle {
  readonly language: Language;
  /** Pixels. */
  readonly width: number;
  /** Whether the width is a telephone's: fewer ticks, shorter labels. */
  readonly isNarrow: boolean;
  readonly colors: ChartColors;
}

export interface LegendItem {
  readonly label: Text | string;
  /** Index of a series colour, or a role. */
  readonly color: number | 'muted' | 'grid';
  /** `areas` is an area in any of the series colours. */
  readonly mark: 'line' | 'dashed' | 'area' | 'areas' | 'dot';
}

export interface Chart {
  /** Of its files: lower case, with hyphens. */
  readonly id: string;
  readonly title: Text;
  /** What to know to read it. */
  readonly caption?: Text;
  readonly legend?: readonly LegendItem[];
  /** Options for Plot.plot without document and width. */
  plot(style: ChartStyle): PlotOptions;
}

export function colorOf(colors: ChartColors, color: LegendItem['color']): string {
  return typeof color === 'number' ? colors.series[color % colors.series.length] : colors[color];
}
