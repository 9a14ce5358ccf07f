// Numbers as the page shows them, the same in both languages: tabular, with units and a bounded length.

const grouped = new Intl.NumberFormat('en-US');

/** 12,345 */
export function count(value: number): string {
  return grouped.format(Math.round(value));
}

/** 0 to 1 as 12.3 %. */
export function percent(share: number): string {
  if (!Number.isFinite(share)) return '–';
  const value = share * 100;
  return `${value === 0 || value === 100 ? value : value.toFixed(value < 10 ? 2 : 1)} %`;
}

export function percentOf(part: number, whole: number): string {
  return whole === 0 ? '–' : percent(part / whole);
}

/** Three figures: 0.123, 1.23, 12.3, 123, 12,345. */
export function figures(value: number): string {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size >= 100 || Number.isInteger(value)) return count(value);
  if (size >= 10) return value.toFixed(1);
  if (size >= 1) return value.toFixed(2);
  return value.toFixed(3);
}

export function milliseconds(ms: number): string {
  if (!Number.isFinite(ms)) return '–';
  if (ms >= 60_000) return `${(ms / 60_000).toFixed(1)} min`;
  return ms >= 1000 ? `${figures(ms / 1000)} s` : `${figures(ms)} ms`;
}

/** Local time as 2026-11-21 22:03:39. */
export function dateTime(epochMs: number): string {
  const local = new Date(epochMs - new Date(epochMs).getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 19).replace('T', ' ');
}
