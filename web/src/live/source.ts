// What the views look at: the state of memory and the last steps, live or at a moment of a recording.

import { type Signal, signal } from '@preact/signals';
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import { createMemoryView, type MemoryView } from '../../../src/events/memory-view.ts';
import type { OctavoEvent, Snapshot } from '../../../src/events/types.ts';
import { createStepLog, type StepLog } from '../scheduler/step-log.ts';
import { createOrigins, type Origins, type OriginsStart } from './origins.ts';
import { createStamps, type Stamps, stampTouched } from './touched.ts';

/** State that changes in place; `shown` says when to look again. */
export interface Moment {
  readonly view: MemoryView;
  readonly steps: StepLog;
  readonly stamps: Stamps;
  readonly origins: Origins;
  /** Blocks with a stamp beyond what one has drawn have changed since. */
  version: number;
  /** The engine's clock now, in milliseconds; of a recording, the time of its last event. */
  readonly nowMs: () => number;
}

export interface Source {
  /** Null until a snapshot has come. Another object after every snapshot. */
  readonly moment: Signal<Moment | null>;
  /** Grows when canvases are to be drawn again. */
  readonly shown: Signal<number>;
  /** Grows when text is to be written again: a few times a second while much happens, once a second while nothing does. */
  readonly told: Signal<number>;
  /** Whether time goes on by itself, so that ages count from now rather than from the last event. */
  readonly live: boolean;
}

export function createSource(live: boolean): Source {
  return { moment: signal(null), shown: signal(0), told: signal(0), live };
}

export interface MomentStart {
  readonly snapshot: Snapshot;
  /** Defaults to an empty log. */
  readonly steps?: StepLog;
  readonly origins?: OriginsStart;
  /** Defaults to the time of the last event. */
  readonly nowMs?: () => number;
}

export function createMoment({ snapshot, steps = createStepLog(), origins, nowMs }: MomentStart): Moment {
  const view = createMemoryView(snapshot);
  return {
    view,
    steps,
    stamps: createStamps(view),
    origins: createOrigins(view, origins),
    version: 1,
    nowMs: nowMs ?? (() => view.timeMs),
  };
}

/** Applies an event to memory; the log of steps is fed by who has it. */
export function applyEvent(moment: Moment, event: OctavoEvent): void {
  if (event.id < moment.view.nextEventId) return;
  stampTouched(moment.stamps, moment.view, event, moment.version);
  moment.origins.apply(event);
  moment.view.apply(event);
}

const context = createContext<Source>(createSource(false));
export const SourceProvider = context.Provider;

export function useSource(): Source {
  return useContext(context);
}

/**
 * The component is drawn again at the pace of text. Needed by everything that shows state which changes in place: a component whose
 * properties are the same objects is not drawn again otherwise.
 */
export function useTold(): void {
  void useContext(context).told.value;
}

/** The state now; the component follows it at the pace of text. */
export function useMoment(): Moment | null {
  useTold();
  return useContext(context).moment.value;
}
