// Public traces of real services: Mooncake's JSON lines and Azure's CSV files.

import { readFileSync } from 'node:fs';
import { UsageError } from '../common/options.ts';
import { createRandom, randomTokens } from '../common/random.ts';

export interface TraceEntry {
  /** From the first entry on. */
  readonly timestampMs: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** One id for each 512 tokens of the prompt; equal ids are equal tokens with equal tokens before them. Null: unknown. */
  readonly hashIds: readonly number[] | null;
}

const tokensPerHash = 512;

/** The first `count` entries of a file. Throws UsageError for a file that is neither format. */
export function readTrace(path: string, count: number): TraceEntry[] {
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(`--trace ${path} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
  const entries = parseTrace(content, count);
  if (entries.length === 0) {
    throw new UsageError(`--trace ${path} is neither Mooncake's JSON lines nor an Azure CSV file`);
  }
  return entries;
}

/** As `readTrace`, of text; empty when it is neither format. */
export function parseTrace(content: string, count: number): TraceEntry[] {
  const lines = content.split(/\r?\n/).filter((line) => line !== '');
  const isCsv = lines[0]?.startsWith('TIMESTAMP,') === true;
  const parse = isCsv ? parseAzure : parseMooncake;
  const entries: TraceEntry[] = [];
  for (const line of lines.slice(isCsv ? 1 : 0).slice(0, count)) {
    const entry = parse(line);
    if (entry === null) return [];
    entries.push(entry);
  }
  const firstMs = entries[0]?.timestampMs ?? 0;
  return entries.map((entry) => ({ ...entry, timestampMs: entry.timestampMs - firstMs }));
}

/** {"timestamp": ms, "input_length": …, "output_length": …, "hash_ids": […]} */
function parseMooncake(line: string): TraceEntry | null {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(line);
  } catch {
    return null;
  }
  const { timestamp, input_length: input, output_length: output, hash_ids: hashIds } = fields;
  return entryOf(Number(timestamp), Number(input), Number(output), Array.isArray(hashIds) ? hashIds.map(Number) : null);
}

/** TIMESTAMP,ContextTokens,GeneratedTokens with a time such as 2023-11-16 18:17:03.9799600 */
function parseAzure(line: string): TraceEntry | null {
  const [time, context, generated] = line.split(',');
  const timestampMs = Date.parse(`${time.slice(0, 23).replace(' ', 'T')}Z`);
  return entryOf(timestampMs, Number(context), Number(generated), null);
}

function entryOf(timestampMs: number, inputTokens: number, outputTokens: number, hashIds: readonly number[] | null) {
  if (![timestampMs, inputTokens, outputTokens].every(Number.isFinite) || inputTokens < 1) return null;
  return { timestampMs, inputTokens, outputTokens, hashIds };
}

/** Prompts with lengths scaled by `scale`: what is shared in the trace is shared in them. */
export function tracePrompts(entries: readonly TraceEntry[], scale: number, seed: number): number[][] {
  const random = createRandom(seed);
  const chunkTokens = Math.max(1, Math.round(tokensPerHash * scale));
  const chunks = new Map<number, number[]>();
  const chunkOf = (hashId: number): number[] => {
    let chunk = chunks.get(hashId);
    if (chunk === undefined) {
      chunk = randomTokens(chunkTokens, random);
      chunks.set(hashId, chunk);
    }
    return chunk;
  };
  return entries.map(({ inputTokens, hashIds }) => {
    const length = Math.max(1, Math.round(inputTokens * scale));
    const prompt = hashIds === null ? [] : hashIds.flatMap(chunkOf).slice(0, length);
    return [...prompt, ...randomTokens(length - prompt.length, random)];
  });
}
