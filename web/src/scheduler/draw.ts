// Draws a timeline: tokens of each step above, a lane for each sequence below.

import type { WaitCause } from '../../../src/events/types.ts';
import { count } from '../i18n/format.ts';
import { shortId } from '../memory/describe.ts';
import { css, neutral, oklch, type Rgb } from '../parts/palette.ts';
import { colourOf } from '../parts/sequence-colours.ts';
import type { TimelineLayout, TimelineWindow } from './window.ts';

export function waitColour(cause: WaitCause, dark: boolean): Rgb {
  const hues: Readonly<Record<WaitCause, number | null>> = {
    queue: null,
    blocks: 25,
    headroom: 60,
    quota: 330,
    pages: 230,
    prefix: 300,
  };
  const hue = hues[cause];
  return hue === null ? neutral('cached', dark) : oklch(dark ? 0.72 : 0.6, 0.15, hue);
}

/** Preemptions, and steps that failed. */
export function alarmColour(dark: boolean): Rgb {
  return dark ? [242, 135, 126] : [179, 38, 30];
}

interface Pen {
  readonly context: CanvasRenderingContext2D;
  readonly layout: TimelineLayout;
  readonly dark: boolean;
  readonly text: string;
  readonly faint: string;
}

function drawTokens({ context, layout, dark, faint }: Pen, shown: TimelineWindow, widthPx: number): void {
  const { gutterPx, stepPx, tokensPx } = layout;
  const top = 14;
  const height = tokensPx - top - 8;
  const most = Math.max(1, ...shown.entries.map(({ tokenCount }) => tokenCount));
  const base = top + height;
  context.fillStyle = faint;
  context.textAlign = 'right';
  context.fillText(String(most), gutterPx - 6, top + 3);
  context.fillText('0', gutterPx - 6, base - 3);
  context.fillStyle = css(neutral('grid', dark));
  context.fillRect(gutterPx, top - 1, widthPx - gutterPx, 1);
  context.fillRect(gutterPx, base, widthPx - gutterPx, 1);
  for (const [index, entry] of shown.entries.entries()) {
    const x = gutterPx + index * stepPx;
    let y = base;
    for (const [id, { tokens }] of entry.shares) {
      const size = (tokens / most) * height;
      context.fillStyle = css(colourOf(shown.names.get(id) ?? String(id), dark));
      context.fillRect(x, y - size, stepPx - 1, size);
      y -= size;
    }
    if (entry.aborted) {
      context.fillStyle = css(alarmColour(dark));
      context.fillRect(x, top - 4, stepPx - 1, 3);
    }
  }
}

function drawMark({ context, layout, dark }: Pen, x: number, y: number): void {
  const size = Math.min(layout.lanePx - 4, 11);
  const middle = x + layout.stepPx / 2;
  context.fillStyle = css(alarmColour(dark));
  context.beginPath();
  context.moveTo(middle - size / 2, y + 2);
  context.lineTo(middle + size / 2, y + 2);
  context.lineTo(middle, y + 2 + size);
  context.fill();
}

function drawLane(pen: Pen, shown: TimelineWindow, laneIndex: number, widthPx: number): void {
  const { context, layout, dark } = pen;
  const { gutterPx, stepPx, tokensPx, lanePx } = layout;
  const lane = shown.lanes[laneIndex];
  const y = tokensPx + laneIndex * lanePx;
  context.fillStyle = css(neutral('grid', dark));
  context.fillRect(gutterPx, y + lanePx - 1, widthPx - gutterPx, 1);
  const colour = css(colourOf(lane.requestId, dark));
  context.fillStyle = colour;
  context.fillRect(4, y + lanePx / 2 - 4, 8, 8);
  context.fillStyle = pen.text;
  context.textAlign = 'left';
  context.fillText(
    gutterPx < 100 && lane.requestId.length > 10 ? `…${lane.requestId.slice(-6)}` : shortId(lane.requestId),
    17,
    y + lanePx / 2,
  );
  for (const [index, { shares, waiters, preempted, ended }] of shown.entries.entries()) {
    const x = gutterPx + index * stepPx;
    const share = shares.get(lane.id);
    if (share !== undefined) {
      const size = share.tokens > 1 ? lanePx - 4 : Math.max(3, Math.round(lanePx * 0.32));
      context.fillStyle = colour;
      context.fillRect(x, y + (lanePx - 1 - size) / 2, stepPx - 1, size);
    }
    const cause = waiters.get(lane.id);
    if (cause !== undefined) {
      context.fillStyle = css(waitColour(cause, dark));
      context.fillRect(x, y + lanePx / 2 - 1, stepPx, 2);
    }
    if (preempted.some(({ sequence }) => sequence === lane.id)) drawMark(pen, x, y);
    if (ended.some(({ sequence }) => sequence === lane.id)) {
      context.fillStyle = pen.text;
      context.fillRect(x + stepPx - 2, y + 2, 2, lanePx - 5);
    }
  }
}

/** Between the numbers of two steps at least. */
const stepLabelPx = 72;

/** Numbers of steps that are round, as many as fit. */
function drawSteps(
  { context, layout, dark, faint }: Pen,
  shown: TimelineWindow,
  heightPx: number,
  label: string,
): void {
  const { gutterPx, stepPx, axisPx } = layout;
  const y = heightPx - axisPx / 2 + 1;
  const least = Math.max(1, stepLabelPx / stepPx);
  const power = 10 ** Math.floor(Math.log10(least));
  const apart = power * (least <= power ? 1 : least <= 2 * power ? 2 : least <= 5 * power ? 5 : 10);
  context.fillStyle = faint;
  context.textAlign = 'right';
  context.fillText(label, gutterPx - 6, y);
  context.textAlign = 'left';
  for (const [index, { step }] of shown.entries.entries()) {
    if (step % apart !== 0 || index + stepLabelPx / stepPx / 2 > (context.canvas.clientWidth - gutterPx) / stepPx)
      continue;
    const x = gutterPx + index * stepPx;
    context.fillStyle = css(neutral('cached', dark));
    context.fillRect(x, heightPx - axisPx, 1, 5);
    context.fillStyle = faint;
    context.fillText(count(step), x + 3, y);
  }
}

/** Height in CSS pixels that a window takes. */
export function heightOf(shown: TimelineWindow, layout: TimelineLayout): number {
  return layout.tokensPx + Math.max(1, shown.lanes.length) * layout.lanePx + layout.axisPx;
}

export interface TimelineStyle {
  readonly layout: TimelineLayout;
  readonly widthPx: number;
  readonly dark: boolean;
  /** What the numbers along the timeline are. */
  readonly stepLabel: string;
}

export function drawTimeline(
  canvas: HTMLCanvasElement,
  shown: TimelineWindow,
  { layout, widthPx, dark, stepLabel }: TimelineStyle,
): void {
  const ratio = devicePixelRatio;
  const heightPx = heightOf(shown, layout);
  const width = Math.round(widthPx * ratio);
  const height = Math.round(heightPx * ratio);
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
    canvas.style.width = `${widthPx}px`;
    canvas.style.height = `${heightPx}px`;
  }
  const context = canvas.getContext('2d');
  if (context === null) return;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, widthPx, heightPx);
  context.font = '11px system-ui, sans-serif';
  context.textBaseline = 'middle';
  const pen: Pen = { context, layout, dark, text: dark ? '#e4e6e9' : '#1a1c1f', faint: dark ? '#9ba2ab' : '#5a5f66' };
  drawTokens(pen, shown, widthPx);
  for (let index = 0; index < shown.lanes.length; index++) drawLane(pen, shown, index, widthPx);
  drawSteps(pen, shown, heightPx, stepLabel);
}
