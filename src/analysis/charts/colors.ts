// The colours of charts and pages, light and dark. Every series colour has a contrast of at least 3 to 1 with the surface.

import type { ChartColors } from './chart.ts';

export const themes = ['light', 'dark'] as const;
export type Theme = (typeof themes)[number];

export const palettes: Readonly<Record<Theme, ChartColors>> = {
  light: {
    ink: '#1c2430',
    muted: '#5a6675',
    grid: '#d5dbe3',
    surface: '#ffffff',
    onSeries: '#ffffff',
    series: ['#1f5fbf', '#b9500a', '#12795a', '#8546bd', '#b3261e', '#7a6a00', '#00748a', '#a32c72'],
  },
  dark: {
    ink: '#e8edf4',
    muted: '#a3afbf',
    grid: '#39424f',
    surface: '#151a21',
    onSeries: '#10141a',
    series: ['#6da7ff', '#ff9d5c', '#46cd9b', '#c79bff', '#ff8a80', '#dcc13a', '#4fd1e6', '#f48bc6'],
  },
};

const roles = ['ink', 'muted', 'grid', 'surface', 'onSeries'] as const;

/** The names of a palette's colours as CSS variables. */
export const cssColors: ChartColors = {
  ink: 'var(--ink)',
  muted: 'var(--muted)',
  grid: 'var(--grid)',
  surface: 'var(--surface)',
  onSeries: 'var(--onSeries)',
  series: palettes.light.series.map((_, i) => `var(--series-${i})`),
};

/** Declarations of those variables. */
export function cssDeclarations(theme: Theme): string {
  const palette = palettes[theme];
  return [
    ...roles.map((role) => `--${role}:${palette[role]}`),
    ...palette.series.map((color, i) => `--series-${i}:${color}`),
  ].join(';');
}
