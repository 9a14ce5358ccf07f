// Which charts there are: the series of each, and the unit of its axis.

import type { ColumnName } from './series.ts';

export type ChartName =
  | 'tokens'
  | 'requests'
  | 'pool'
  | 'hits'
  | 'pressure'
  | 'step'
  | 'batch'
  | 'latency'
  | 'sharing'
  | 'transfers'
  | 'tierPages';

export interface ChartSpec {
  readonly name: ChartName;
  readonly unit:
    | 'tokensPerSecond'
    | 'requests'
    | 'percent'
    | 'perSecond'
    | 'tokensPerStep'
    | 'ms'
    | 'pagesPerSecond'
    | 'pages';
  readonly series: readonly ColumnName[];
  /** The axis starts at 0 and reaches at least this. */
  readonly atLeast: number;
  /** Only where the server has tiers below the pool. */
  readonly needsTiers?: boolean;
}

export const charts: readonly ChartSpec[] = [
  { name: 'tokens', unit: 'tokensPerSecond', series: ['generatedPerSecond', 'computedPerSecond'], atLeast: 10 },
  { name: 'requests', unit: 'requests', series: ['running', 'waiting'], atLeast: 4 },
  { name: 'pool', unit: 'percent', series: ['heldPercent', 'cachedPercent', 'slotUsePercent'], atLeast: 100 },
  { name: 'hits', unit: 'percent', series: ['hitPercent'], atLeast: 100 },
  {
    name: 'pressure',
    unit: 'perSecond',
    series: ['preemptionsPerSecond', 'evictionsPerSecond', 'refaultsPerSecond'],
    atLeast: 1,
  },
  { name: 'step', unit: 'ms', series: ['stepMs', 'kernelMs'], atLeast: 1 },
  { name: 'batch', unit: 'tokensPerStep', series: ['tokensPerStep'], atLeast: 8 },
  { name: 'latency', unit: 'ms', series: ['firstTokenMs', 'interTokenMs'], atLeast: 10 },
  {
    name: 'sharing',
    unit: 'perSecond',
    series: ['copyOnWritesPerSecond', 'partialHitCopiesPerSecond', 'mergesPerSecond'],
    atLeast: 1,
  },
  {
    name: 'transfers',
    unit: 'pagesPerSecond',
    series: ['pagesInPerSecond', 'pagesOutPerSecond'],
    atLeast: 10,
    needsTiers: true,
  },
  { name: 'tierPages', unit: 'pages', series: ['hostPages', 'filePages'], atLeast: 10, needsTiers: true },
];
