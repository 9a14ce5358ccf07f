// Reads Prometheus' text format, as far as /metrics writes it.

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export type Scrape = ReadonlyMap<string, readonly Sample[]>;

const line = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/;
const label = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

function toNumber(text: string): number {
  if (text === '+Inf') return Number.POSITIVE_INFINITY;
  return text === '-Inf' ? Number.NEGATIVE_INFINITY : Number(text);
}

/** Samples by metric name. Lines that are not samples are skipped. */
export function parseMetrics(text: string): Scrape {
  const samples = new Map<string, Sample[]>();
  for (const row of text.split('\n')) {
    if (row.startsWith('#')) continue;
    const match = line.exec(row);
    if (match === null) continue;
    const labels: Record<string, string> = {};
    for (const [, key, value] of (match[2] ?? '').matchAll(label)) labels[key] = value.replace(/\\(.)/g, '$1');
    const sample = { name: match[1], labels, value: toNumber(match[3]) };
    const known = samples.get(sample.name);
    if (known === undefined) samples.set(sample.name, [sample]);
    else known.push(sample);
  }
  return samples;
}

/** The sum of a metric over the samples that have these labels; 0 if there is none. */
export function sum(scrape: Scrape, name: string, labels: Readonly<Record<string, string>> = {}): number {
  let total = 0;
  for (const sample of scrape.get(name) ?? []) {
    if (Object.entries(labels).every(([key, value]) => sample.labels[key] === value)) total += sample.value;
  }
  return total;
}
