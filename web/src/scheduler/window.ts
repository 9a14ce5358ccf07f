// Which steps and lanes a timeline shows, and where.

import type { LaneInfo, StepEntry, StepLog } from './step-log.ts';

export interface TimelineLayout {
  readonly gutterPx: number;
  readonly stepPx: number;
  readonly tokensPx: number;
  readonly lanePx: number;
  /** Of the step numbers below the lanes. */
  readonly axisPx: number;
}

export interface TimelineWindow {
  readonly entries: readonly StepEntry[];
  readonly lanes: readonly LaneInfo[];
  /** The names of all sequences in these steps. */
  readonly names: ReadonlyMap<number, string>;
  /** Lanes that appear in these steps but are not shown. */
  readonly hiddenLanes: number;
}

export const stepSizes = [3, 5, 8, 12, 18, 26] as const;
const laneLimit = 64;

/** The index behind the last entry to show: that of `lastStep`, or of the log where it is null. */
function endIndex(entries: readonly StepEntry[], lastStep: number | null): number {
  if (lastStep === null) return entries.length;
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (entries[middle].step <= lastStep) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The last `count` steps up to `lastStep`, and the sequences that have something to do with them, in order of arrival. */
export function windowOf(log: StepLog, lastStep: number | null, count: number): TimelineWindow {
  const end = endIndex(log.entries, lastStep);
  const entries = log.entries.slice(Math.max(0, end - count), end);
  const seen = new Set<number>();
  for (const { shares, waiters, preempted } of entries) {
    for (const id of shares.keys()) seen.add(id);
    for (const id of waiters.keys()) seen.add(id);
    for (const { sequence } of preempted) seen.add(sequence);
  }
  const lanes = [...seen]
    .map((id) => log.lanes.get(id))
    .filter((lane) => lane !== undefined)
    .sort((a, b) => a.id - b.id);
  const names = new Map(lanes.map(({ id, requestId }) => [id, requestId]));
  return { entries, names, lanes: lanes.slice(0, laneLimit), hiddenLanes: Math.max(0, lanes.length - laneLimit) };
}

/** Steps that fit. */
export function stepCount(layout: TimelineLayout, widthPx: number): number {
  return Math.max(1, Math.floor((widthPx - layout.gutterPx) / layout.stepPx));
}

export interface TimelinePoint {
  readonly entry: StepEntry | null;
  readonly lane: LaneInfo | null;
}

/** What is drawn at a point. */
export function pointAt(shown: TimelineWindow, layout: TimelineLayout, x: number, y: number): TimelinePoint {
  const index = Math.floor((x - layout.gutterPx) / layout.stepPx);
  const laneIndex = Math.floor((y - layout.tokensPx) / layout.lanePx);
  return { entry: shown.entries[index] ?? null, lane: (laneIndex >= 0 ? shown.lanes[laneIndex] : undefined) ?? null };
}
