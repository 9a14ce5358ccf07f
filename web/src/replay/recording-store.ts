// A recording in memory: its events, where its steps begin, and states on the way so that going back is quick.

import { emptySnapshot } from '../../../src/events/empty-snapshot.ts';
import { createMemoryView } from '../../../src/events/memory-view.ts';
import {
  type RecordedEnd,
  type RecordedRequest,
  type RecordingHeader,
  readRecording,
} from '../../../src/events/recording.ts';
import type { OctavoEvent, Snapshot } from '../../../src/events/types.ts';
import { createOrigins, type OriginsStart } from '../live/origins.ts';
import { createStepLog, type StepLog } from '../scheduler/step-log.ts';

/** The state before event `position`. */
export interface Keyframe {
  readonly position: number;
  readonly snapshot: Snapshot;
  readonly origins: OriginsStart;
}

export interface Recording {
  readonly name: string;
  readonly header: RecordingHeader;
  readonly events: readonly OctavoEvent[];
  readonly requests: readonly RecordedRequest[];
  readonly end: RecordedEnd | null;
  /** Positions (numbers of events applied) at which a step's events have all happened; ascending, the last is the number of events. */
  readonly stepEnds: readonly number[];
  readonly keyframes: readonly Keyframe[];
  /** All steps. */
  readonly steps: StepLog;
  /** Whether the events end in the state that the run ended in; null where the recording does not tell. */
  readonly endsAsRun: boolean | null;
}

const keyframeCount = 24;
const leastKeyframeEvents = 2000;

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void, void> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (;;) {
      const { value, done } = await reader.read();
      rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
      const lines = rest.split('\n');
      rest = done ? '' : (lines.pop() ?? '');
      yield* lines;
      if (done) return;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** Whether two states are the same, but for what only the clock tells. */
export function sameState(a: Snapshot, b: Snapshot): boolean {
  const text = ({ groups, sequences, counts }: Snapshot) =>
    JSON.stringify([
      groups.map(({ references, holds, cached, hashes, parents, indices }) => [
        ...[references, holds, cached, hashes, parents, indices],
      ]),
      [...sequences]
        .sort((x, y) => x.id - y.id)
        .map(({ id, state, computedTokens, blocks }) => [id, state, computedTokens, blocks]),
      Object.entries(counts).sort(([x], [y]) => (x < y ? -1 : 1)),
    ]);
  return text(a) === text(b);
}

function stepEndsOf(events: readonly OctavoEvent[]): number[] {
  const ends: number[] = [];
  for (let i = 1; i < events.length; i++) if (events[i].step !== events[i - 1].step) ends.push(i);
  ends.push(events.length);
  return ends;
}

/** Reads a recording. Throws RecordingFormatError with the line's number, and IntegrityError where events contradict each other. */
export async function loadRecording(name: string, stream: ReadableStream<Uint8Array>): Promise<Recording> {
  let header: RecordingHeader | null = null;
  let start: Snapshot | null = null;
  let end: RecordedEnd | null = null;
  const events: OctavoEvent[] = [];
  const requests: RecordedRequest[] = [];
  for await (const line of readRecording(linesOf(stream))) {
    if (line.kind === 'header') header = line;
    else if (line.kind === 'request') requests.push(line);
    else if (line.kind === 'event') events.push(line.event);
    else if (line.kind === 'end') end = line;
    else start ??= line.snapshot;
  }
  if (header === null) throw new Error('The recording has no header.');
  const first = start ?? emptySnapshot(header.groups);
  const built = await buildKeyframes(first, events);
  const endsAsRun = end?.state == null ? null : sameState(built.last, end.state);
  return { name, header, events, requests, end, stepEnds: stepEndsOf(events), ...built, endsAsRun };
}

/** Plays the recording once, with pauses for the browser. */
async function buildKeyframes(
  start: Snapshot,
  events: readonly OctavoEvent[],
): Promise<{ keyframes: Keyframe[]; steps: StepLog; last: Snapshot }> {
  const every = Math.max(leastKeyframeEvents, Math.ceil(events.length / keyframeCount));
  const view = createMemoryView(start);
  const origins = createOrigins(view);
  const steps = createStepLog({
    limit: Number.POSITIVE_INFINITY,
    nameOf: (id) => view.sequences.get(id)?.requestId,
  });
  const keyframes: Keyframe[] = [];
  for (const [position, event] of events.entries()) {
    if (position % every === 0) {
      keyframes.push({ position, snapshot: position === 0 ? start : view.snapshot(), origins: origins.copy() });
      await new Promise((resolve) => setTimeout(resolve));
    }
    steps.apply(event);
    origins.apply(event);
    view.apply(event);
  }
  if (keyframes.length === 0) keyframes.push({ position: 0, snapshot: start, origins: origins.copy() });
  return { keyframes, steps, last: view.snapshot() };
}
