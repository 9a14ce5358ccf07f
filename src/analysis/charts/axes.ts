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

/** Logarithmic, from one of 1, 2, 5, 10, 20 … to another, marked at these; over many decades from and to powers of ten, marked at these. */
export function decadeAxis(label: Text, values: readonly number[], format = formatNumber): Axis {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const marks = roundMarks(least / 10, most * 10);
  const between = (candidates: readonly number[]): number[] => {
    const low = candidates.findLastIndex((mark) => mark <= least * 1.000_001);
    const high = candidates.findIndex((mark) => mark >= most * 0.999_999);
    return candidates.slice(low, Math.max(high, low + 1) + 1);
  };
  const fine = between(marks);
  const shown = fine.length <= 8 ? fine : between(marks.filter(isPowerOfTen));
  const ticks = everyNth(shown, Math.ceil((shown.length - 1) / 7));
  return { label, scale: 'log', ticks, format, domain: [shown[0], shown[shown.length - 1]] };
}

const isPowerOfTen = (value: number): boolean => Number(value.toExponential().split('e')[0]) === 1;

/** Ones, twos and fives of every decade, rounded so that they are written short. */
function roundMarks(from: number, to: number): number[] {
  const marks: number[] = [];
  for (let power = Math.floor(Math.log10(from)); power <= Math.ceil(Math.log10(to)); power++) {
    for (const digit of [1, 2, 5]) marks.push(Number(`${digit}e${power}`));
  }
  return marks;
}

/** From 0 to the next round number of things that are counted. */
export const countAxis = (label: Text, values: readonly number[]): Axis =>
  linearAxis(label, [Math.max(1, ...values)], formatNumber, 1);

/** From 0 to the next round number above the values. Marks are `leastStep` apart or more. */
export function linearAxis(label: Text, values: readonly number[], format = formatNumber, leastStep = 0): Axis {
  const highest = Math.max(...values, Number.MIN_VALUE);
  const step = Math.max(leastStep, niceStep(highest / 5));
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
