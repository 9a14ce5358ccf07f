// The steps of a server as it recorded them, with what it did beside each: the rows that its costs are fitted to.

import type { RecordingLine } from '../../events/index.ts';
import type { StepWork } from '../cost-model.ts';

/** A step that another one ran just before. */
export interface ServerStep {
  readonly work: StepWork;
  /** From its start to its results. */
  readonly seconds: number;
  /** From its results to the start of the step that followed at once; null where none did. */
  readonly gapSeconds: number | null;
  /** While it ran: tokens and ends of the step before were published, requests were read. */
  readonly publishedTokens: number;
  readonly publishedEnds: number;
  readonly readRequests: number;
}

/** A request as the server saw it. Times in seconds of the server's clock. */
export interface ServerRequest {
  readonly arrivedSeconds: number;
  /** From its arrival to its first token. */
  readonly ttftSeconds: number;
  /** Tokens that were published together with its first one. */
  readonly publishedWith: number;
}

export interface ServerHistory {
  readonly steps: readonly ServerStep[];
  /** In the order of arrival. */
  readonly requests: readonly ServerRequest[];
}

/** A longer pause was no planning: nothing was left to run. */
const longestGapMs = 5;

interface OpenStep {
  readonly startMs: number;
  readonly sequences: readonly number[];
  readonly positions: readonly number[];
  readonly tokens: readonly number[];
  endMs: number | null;
  outputs: number;
  ended: number;
  read: number;
}

/** Reads a recording with events, of a server whose requests shared nothing, from the arrival of request `first` on. */
export async function readServerHistory(
  lines: Iterable<RecordingLine> | AsyncIterable<RecordingLine>,
  first = 0,
): Promise<ServerHistory> {
  const steps: OpenStep[] = [];
  const requests: { arrivedMs: number; firstTokenMs: number }[] = [];
  let last: OpenStep | null = null;
  for await (const line of lines) {
    if (line.kind === 'request' && line.firstTokenMs !== null) {
      requests.push({ arrivedMs: line.arrivedMs, firstTokenMs: line.firstTokenMs });
    }
    if (line.kind !== 'event') continue;
    const { event } = line;
    if (event.type === 'scheduled') {
      const { sequences, positions, tokens } = event;
      last = { startMs: event.timeMs, sequences, positions, tokens, endMs: null, outputs: 0, ended: 0, read: 0 };
      steps.push(last);
    } else if (last === null) {
      // Nothing has run yet.
    } else if (event.type === 'completed') {
      last.endMs = event.timeMs;
      last.outputs = event.sampled.length;
    } else if (event.type === 'finished') {
      last.ended++;
    } else if (event.type === 'added' && last.endMs === null) {
      last.read++;
    }
  }
  requests.sort((a, b) => a.arrivedMs - b.arrivedMs);
  const beginMs = requests[first]?.arrivedMs ?? 0;
  return {
    steps: steps.flatMap((step, i) => (step.startMs < beginMs ? [] : rowsOf(steps[i - 1], step, steps[i + 1]))),
    requests: requests.slice(first).map(({ arrivedMs, firstTokenMs }) => ({
      arrivedSeconds: arrivedMs / 1000,
      ttftSeconds: (firstTokenMs - arrivedMs) / 1000,
      publishedWith: lastStarted(steps, firstTokenMs)?.outputs ?? 1,
    })),
  };
}

/** The last step that started before `timeMs`. */
function lastStarted(steps: readonly OpenStep[], timeMs: number): OpenStep | undefined {
  let low = 0;
  let high = steps.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (steps[middle].startMs < timeMs) low = middle + 1;
    else high = middle;
  }
  return steps[low - 1];
}

function rowsOf(before: OpenStep | undefined, step: OpenStep, after: OpenStep | undefined): ServerStep[] {
  if (before?.endMs == null || step.endMs === null || step.startMs - before.endMs > longestGapMs) return [];
  const gapMs = after === undefined ? Number.POSITIVE_INFINITY : after.startMs - step.endMs;
  return [
    {
      work: workOf(step),
      seconds: (step.endMs - step.startMs) / 1000,
      gapSeconds: gapMs > longestGapMs ? null : gapMs / 1000,
      publishedTokens: before.outputs,
      publishedEnds: before.ended,
      readRequests: step.read,
    },
  ];
}

function workOf({ tokens, positions, outputs }: OpenStep): StepWork {
  let tokenCount = 0;
  let decodeContext = 0;
  let promptContext = 0;
  tokens.forEach((count, i) => {
    tokenCount += count;
    const context = positions[i] + count;
    if (count === 1) decodeContext += context;
    else promptContext += count * (context - (count - 1) / 2);
  });
  return { tokens: tokenCount, sequences: tokens.length, outputs, decodeContext, sharedContext: 0, promptContext };
}
