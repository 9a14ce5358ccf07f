// Order statistics of measurements.

import { percentile } from '../simulation/percentile.ts';

/** The value below which `share` of the sorted values lie, by the nearest rank; 0 of none. */
export function quantile(values: readonly number[], share: number): number {
  return values.length === 0 ? 0 : percentile(values, share);
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

export const meanOf = (values: readonly number[]): number =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
