// Plays a recording: a position among its events, moved by steps, by time, or to anywhere.

import { batch, computed, type ReadonlySignal, type Signal, signal } from '@preact/signals';
import { applyEvent, createMoment, createSource, type Moment, type Source } from '../live/source.ts';
import type { Recording } from './recording-store.ts';

export interface Player {
  readonly recording: Recording;
  readonly source: Source;
  /** Events applied. */
  readonly position: Signal<number>;
  /** Milliseconds since the first event. */
  readonly timeMs: ReadonlySignal<number>;
  readonly playing: Signal<boolean>;
  /** Times as fast as it was. */
  readonly speed: Signal<number>;
  seek(position: number): void;
  /** To the next end of a step, or the one before. */
  stepBy(direction: 1 | -1): void;
  play(): void;
  pause(): void;
}

/** The index of the first value greater than `value`. */
function firstAfter(values: readonly number[], value: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] > value) high = middle;
    else low = middle + 1;
  }
  return low;
}

export function createPlayer(recording: Recording): Player {
  const { events, keyframes, stepEnds, steps } = recording;
  const source = createSource(false);
  const position = signal(0);
  const playing = signal(false);
  const speed = signal(1);
  const firstMs = events[0]?.timeMs ?? 0;

  function momentAt(target: number): Moment {
    const keyframe = keyframes.findLast((each) => each.position <= target) ?? keyframes[0];
    const moment = createMoment({ snapshot: keyframe.snapshot, origins: keyframe.origins, steps });
    for (let i = keyframe.position; i < target; i++) applyEvent(moment, events[i]);
    return moment;
  }

  function seek(wanted: number): void {
    const target = Math.max(0, Math.min(events.length, Math.round(wanted)));
    const now = source.moment.value;
    batch(() => {
      // A jump ahead is quicker from a keyframe.
      const near = target >= position.value && target - position.value < 20_000;
      if (now !== null && near) for (let i = position.value; i < target; i++) applyEvent(now, events[i]);
      else source.moment.value = momentAt(target);
      position.value = target;
      source.shown.value++;
      source.told.value++;
    });
  }

  function play(): void {
    if (position.value >= events.length) seek(0);
    playing.value = true;
    let lastMs = performance.now();
    // Time goes on between events too.
    let clockMs = events[Math.max(0, position.value - 1)]?.timeMs ?? 0;
    const frame = (nowMs: number): void => {
      if (!playing.value) return;
      clockMs += Math.max(0, nowMs - lastMs) * speed.value;
      lastMs = nowMs;
      let next = position.value;
      while (next < events.length && events[next].timeMs <= clockMs) next++;
      if (next !== position.value) seek(next);
      if (next >= events.length) playing.value = false;
      else requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  seek(0);
  return {
    recording,
    source,
    position,
    timeMs: computed(() => (events[position.value - 1]?.timeMs ?? firstMs) - firstMs),
    playing,
    speed,
    seek(target) {
      playing.value = false;
      seek(target);
    },
    stepBy(direction) {
      playing.value = false;
      const index = firstAfter(stepEnds, position.value);
      if (direction === 1) seek(stepEnds[index] ?? events.length);
      else seek(stepEnds[firstAfter(stepEnds, position.value - 1) - 1] ?? 0);
    },
    play,
    pause() {
      playing.value = false;
    },
  };
}
