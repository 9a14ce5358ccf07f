// The timeline on a canvas, with a step and a lane that are selected by pointer or keys.

import { useSignal, useSignalEffect } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { count } from '../i18n/format.ts';
import { words } from '../i18n/language.ts';
import { useSource } from '../live/source.ts';
import { useWidth } from '../parts/size.ts';
import { darkMode } from '../shell/theme.ts';
import { drawTimeline, heightOf } from './draw.ts';
import { pointAt, stepCount, type TimelineLayout, type TimelineWindow, windowOf } from './window.ts';

export interface TimelineProps {
  readonly stepPx: number;
  /** The step that is shown last; null follows the newest. */
  readonly lastStep: number | null;
  readonly selectedStep: number | null;
  readonly selectedLane: number | null;
  readonly select: (step: number | null, lane: number | null) => void;
}

/** A live timeline is drawn at most this often. */
const redrawMs = 120;

export function timelineLayout(widthPx: number, stepPx: number): TimelineLayout {
  return { gutterPx: widthPx < 600 ? 84 : 130, stepPx, tokensPx: 84, lanePx: 18, axisPx: 18 };
}

const empty: TimelineWindow = { entries: [], lanes: [], names: new Map(), hiddenLanes: 0 };

export function Timeline(props: TimelineProps) {
  const source = useSource();
  const { ref, widthPx } = useWidth<HTMLDivElement>();
  const canvas = useRef<HTMLCanvasElement>(null);
  const shown = useSignal<TimelineWindow>(empty);
  const drawnMs = useRef(0);
  const later = useRef<ReturnType<typeof setTimeout> | null>(null);
  const layout = timelineLayout(widthPx.value, props.stepPx);
  const text = words.value.scheduler;
  const draw = () => {
    later.current = null;
    drawnMs.current = performance.now();
    const moment = source.moment.value;
    if (canvas.current === null || moment === null || widthPx.value === 0) return;
    const next = windowOf(moment.steps, props.lastStep, stepCount(layout, widthPx.value));
    drawTimeline(canvas.current, next, { layout, widthPx: widthPx.value, dark: darkMode.value, stepLabel: text.axis });
    shown.value = next;
  };
  const drawNow = useRef(draw);
  drawNow.current = draw;
  useSignalEffect(() => {
    void source.shown.value;
    void widthPx.value;
    void darkMode.value;
    void words.value;
    const waitMs = redrawMs - (performance.now() - drawnMs.current);
    if (later.current !== null) clearTimeout(later.current);
    if (waitMs <= 0 || !source.live) drawNow.current();
    else later.current = setTimeout(() => drawNow.current(), waitMs);
  });
  // What the window depends on beside signals.
  const key = `${props.stepPx}:${props.lastStep}`;
  const lastKey = useRef(key);
  if (lastKey.current !== key) {
    lastKey.current = key;
    queueMicrotask(() => drawNow.current());
  }
  const { entries, lanes } = shown.value;
  const stepIndex = entries.findIndex(({ step }) => step === props.selectedStep);
  const laneIndex = lanes.findIndex(({ id }) => id === props.selectedLane);
  const move = (key: string): boolean => {
    const lane = laneIndex < 0 ? null : lanes[laneIndex].id;
    const at = stepIndex < 0 ? entries.length - 1 : stepIndex;
    const steps: Readonly<Record<string, number>> = {
      ArrowLeft: at - 1,
      ArrowRight: at + 1,
      PageUp: at - 10,
      PageDown: at + 10,
      Home: 0,
      End: entries.length - 1,
    };
    if (key in steps) {
      const entry = entries[Math.max(0, Math.min(entries.length - 1, steps[key]))];
      if (entry !== undefined) props.select(entry.step, lane);
      return true;
    }
    if (key !== 'ArrowUp' && key !== 'ArrowDown') return false;
    const next = lanes[Math.max(0, Math.min(lanes.length - 1, laneIndex + (key === 'ArrowDown' ? 1 : -1)))];
    if (next !== undefined) props.select(props.selectedStep, next.id);
    return true;
  };
  return (
    <div
      class="timeline"
      ref={ref}
      role="application"
      aria-label={text.timeline(count(entries.length), count(lanes.length))}
      aria-describedby="timeline-keys"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: it is operated by keys
      tabIndex={0}
      style={{ minHeight: `${heightOf(shown.value, layout)}px` }}
      onKeyDown={(event) => {
        if (event.key === 'Escape') props.select(null, null);
        else if (move(event.key)) event.preventDefault();
      }}
    >
      <canvas
        ref={canvas}
        onClick={(event) => {
          const point = pointAt(shown.value, layout, event.offsetX, event.offsetY);
          props.select(point.entry?.step ?? props.selectedStep, point.lane?.id ?? props.selectedLane);
        }}
      />
      {stepIndex >= 0 && (
        <div
          class="step-cursor"
          style={{ left: `${layout.gutterPx + stepIndex * layout.stepPx - 1}px`, width: `${layout.stepPx + 1}px` }}
        />
      )}
      {laneIndex >= 0 && (
        <div
          class="lane-cursor"
          style={{ top: `${layout.tokensPx + laneIndex * layout.lanePx}px`, height: `${layout.lanePx}px` }}
        />
      )}
      {shown.value.hiddenLanes > 0 && <p class="hint">{words.value.memory.more(shown.value.hiddenLanes)}</p>}
    </div>
  );
}
