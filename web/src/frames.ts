// The live block map: one frame at a time from /admin/blocks/stream, again and again if the server goes away.

import { batch, signal } from '@preact/signals';
import { callServer } from './server-api.ts';
import { readEventData } from './sse.ts';

export interface Sequence {
  readonly requestId: string;
  readonly state: 'running' | 'waiting';
  readonly computedTokens: number;
  readonly totalTokens: number;
  readonly blocks: readonly number[];
}

export interface Stats {
  readonly runningRequests: number;
  readonly waitingRequests: number;
  readonly totalBlocks: number;
  readonly usedBlocks: number;
  readonly cachedBlocks: number;
  readonly promptTokens: number;
  readonly cachedPromptTokens: number;
  readonly generatedTokens: number;
  readonly preemptions: number;
  readonly evictions: number;
}

/** What the server sends; runs are [value, length, …]. */
interface PackedFrame {
  readonly blockSize: number;
  readonly blockCount: number;
  readonly referenceRuns: readonly number[];
  readonly cachedRuns: readonly number[];
  readonly sequences: readonly Sequence[];
  readonly stats: Stats;
  readonly timeMs: number;
  readonly model: string;
}

export interface Frame {
  readonly blockSize: number;
  readonly blockCount: number;
  readonly references: Uint32Array;
  readonly cached: Uint32Array;
  readonly sequences: readonly Sequence[];
  readonly stats: Stats;
  readonly model: string;
}

export const frame = signal<Frame | null>(null);
export const connection = signal<'connecting' | 'live' | 'lost'>('connecting');
export const tokensPerSecond = signal(0);

/** The server sends at least every 2 seconds. */
const silenceMs = 6000;
const retryMs = 1000;
/** Rates are means over about this long. */
const rateWindowMs = 1000;

function expandRuns(runs: readonly number[], count: number): Uint32Array {
  const values = new Uint32Array(count);
  let index = 0;
  for (let run = 0; run + 1 < runs.length; run += 2) {
    values.fill(runs[run], index, index + runs[run + 1]);
    index += runs[run + 1];
  }
  return values;
}

let samples: { timeMs: number; tokens: number }[] = [];

function updateRate(timeMs: number, tokens: number): void {
  const last = samples.at(-1);
  if (last !== undefined && (timeMs < last.timeMs || tokens < last.tokens)) samples = [];
  samples.push({ timeMs, tokens });
  while (samples.length > 2 && timeMs - samples[0].timeMs > rateWindowMs) samples.shift();
  const elapsedMs = timeMs - samples[0].timeMs;
  tokensPerSecond.value = elapsedMs > 0 ? ((tokens - samples[0].tokens) / elapsedMs) * 1000 : 0;
}

function accept(packed: PackedFrame): void {
  batch(() => {
    updateRate(packed.timeMs, packed.stats.generatedTokens);
    connection.value = 'live';
    frame.value = {
      blockSize: packed.blockSize,
      blockCount: packed.blockCount,
      references: expandRuns(packed.referenceRuns, packed.blockCount),
      cached: expandRuns(packed.cachedRuns, packed.blockCount),
      sequences: packed.sequences,
      stats: packed.stats,
      model: packed.model,
    };
  });
}

async function watchOnce(): Promise<void> {
  const abort = new AbortController();
  let watchdog = setTimeout(() => abort.abort(), silenceMs);
  try {
    const response = await callServer('/admin/blocks/stream', { signal: abort.signal });
    if (response.body === null) return;
    for await (const data of readEventData(response.body)) {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => abort.abort(), silenceMs);
      accept(JSON.parse(data) as PackedFrame);
    }
  } finally {
    clearTimeout(watchdog);
    abort.abort();
  }
}

/** Never ends: a server that restarts is found again. */
export async function watchBlocks(): Promise<never> {
  for (;;) {
    await watchOnce().catch(() => undefined);
    connection.value = 'lost';
    samples = [];
    tokensPerSecond.value = 0;
    await new Promise((resolve) => setTimeout(resolve, retryMs));
  }
}
