// Percentiles by nearest rank.

/** The value below which `share` of `sorted` (ascending) lie; NaN of nothing. */
export function percentileOfSorted(sorted: ArrayLike<number>, share: number): number {
  if (sorted.length === 0) return Number.NaN;
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))];
}

/** The same of values in any order. */
export function percentile(values: readonly number[], share: number): number {
  return percentileOfSorted(Float64Array.from(values).sort(), share);
}
