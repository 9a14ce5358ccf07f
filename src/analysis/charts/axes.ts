// Axes that charts share: what their ticks are and how they are written.

import { formatBytes, formatNumber, formatTokens } from '../format.ts';
import { inLanguage, type Text } from '../i18n/index.ts';
import type { ChartStyle } from './chart.ts';
import { estimateTextWidth } from './text-width.ts';

export interface Axis {
  /** With its unit. */
  readonly label: Text;
  readonly scale: 'linear' | 'log';
  /** Values to mark. On narrow charts those that would overlap are left out. */
  readonly ticks?: readonly number[];
  /** Defaults to formatNumber. */
  readonly format?: (value: number) => string;
  readonly domain?: readonly [number, number];
}

export const powersOfTwo = (from: number, to: number): number[] => {
  const values: number[] = [];
  for (let value = from; value <= to; value *= 2) values.push(value);
  return values;
};

export const tokenAxis = (label: Text, from: number, to: number): Axis => ({
  label,
  scale: 'log',
  ticks: powersOfTwo(from, to),
  format: formatTokens,
  domain: [from, to],
});

/** Logarithmic bytes, marked at powers of two that leave about six ticks. */
export function byteAxis(label: Text, values: readonly number[]): Axis {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const from = Math.floor(Math.log2(Math.max(1, low)));
  const to = Math.ceil(Math.log2(Math.max(2, high)));
  const step = [1, 2, 5, 10].find((one) => (to - from) / one <= 6) ?? 10;
  const first = Math.ceil(from / step) * step;
  const ticks: number[] = [];
  for (let power = first; power <= to; power += step) ticks.push(2 ** power);
  const format = (bytes: number) => formatBytes(bytes).replace('.0 ', ' ');
  return { label, scale: 'log', ticks, format, domain: [2 ** from, 2 ** to] };
}

/** Logarithmic, marked at powers of ten. */
export function decadeAxis(label: Text, values: readonly number[], format = formatNumber): Axis {
  const from = Math.floor(Math.log10(Math.min(...values)));
  const to = Math.max(from + 1, Math.ceil(Math.log10(Math.max(...values))));
  const step = Math.ceil((to - from) / 7);
  const ticks = Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => 10 ** (from + i * step));
  return { label, scale: 'log', ticks, format, domain: [10 ** from, 10 ** to] };
}

/** From 0 to the next round number above the values. */
export function linearAxis(label: Text, values: readonly number[], format = formatNumber): Axis {
  const highest = Math.max(...values, Number.MIN_VALUE);
  const step = niceStep(highest / 5);
  const count = Math.ceil(highest / step - 1e-9);
  const ticks = Array.from({ length: count + 1 }, (_, i) => i * step);
  return { label, scale: 'linear', ticks, format, domain: [0, count * step] };
}

export const shareAxis = (label: Text): Axis => ({
  label,
  scale: 'linear',
  ticks: [0, 0.2, 0.4, 0.6, 0.8, 1],
  format: (share) => `${Math.round(share * 100)} %`,
  domain: [0, 1],
});

function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * (least / power <= 1 ? 1 : least / power <= 2 ? 2 : least / power <= 5 ? 5 : 10);
}

const fontSize = 12;

/** Of Plot: a horizontal or vertical scale of an axis. `room` is the pixels it runs over. */
export function scaleOptions(axis: Axis, style: ChartStyle, room: number, isHorizontal: boolean) {
  const format = axis.format ?? formatNumber;
  const ticks = axis.ticks && isHorizontal ? thinned(axis.ticks, axis, room, format) : axis.ticks;
  return {
    type: axis.scale,
    ...(axis.scale === 'log' ? { base: 2 } : {}),
    ...(axis.domain ? { domain: [...axis.domain] } : {}),
    ...(ticks ? { ticks: [...ticks] } : {}),
    tickFormat: (value: number) => format(value),
    label: inLanguage(axis.label, style.language),
    labelAnchor: isHorizontal ? ('center' as const) : ('top' as const),
    labelArrow: 'none' as const,
  };
}

/** Every nth tick, so that their labels do not touch. */
function thinned(ticks: readonly number[], axis: Axis, room: number, format: (value: number) => string): number[] {
  const widest = Math.max(...ticks.map((tick) => estimateTextWidth(format(tick), fontSize))) + 10;
  if (axis.scale === 'linear' && axis.domain) {
    const [low, high] = axis.domain;
    const gap = (room * (ticks[1] - ticks[0])) / (high - low);
    return everyNth(ticks, Math.ceil(widest / gap));
  }
  return everyNth(ticks, Math.ceil((widest * ticks.length) / room));
}

const everyNth = (ticks: readonly number[], n: number): number[] => ticks.filter((_, i) => i % Math.max(1, n) === 0);

/** Pixels that the labels of a vertical axis take. */
export function axisWidth(axis: Axis): number {
  const format = axis.format ?? formatNumber;
  const labels = (axis.ticks ?? [0]).map((tick) => estimateTextWidth(format(tick), fontSize));
  return Math.ceil(Math.max(24, ...labels)) + 14;
}
