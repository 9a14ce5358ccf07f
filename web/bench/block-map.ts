// The block map under a synthetic feed: 100,000 blocks, of which thousands change hands in every frame. Run by `npm run bench:page`.

import { emptySnapshot } from '../../src/events/empty-snapshot.ts';
import type { OctavoEvent } from '../../src/events/types.ts';
import { applyEvent, createMoment } from '../src/live/source.ts';
import type { Colouring } from '../src/memory/colouring.ts';
import { layOut } from '../src/memory/layout.ts';
import { createMapState } from '../src/memory/map-state.ts';

const blockCount = 100_000;
const blocksOfSequence = 250;
const sequencesPerFrame = 4;
const widthPx = 1216;
const heightPx = 620;

export interface MapFigures {
  readonly frames: number;
  readonly framesPerSecond: number;
  /** Blocks that events named, per frame. */
  readonly changedBlocks: number;
  /** Of each frame: applying the events, and drawing, in milliseconds. */
  readonly applyMs: { readonly median: number; readonly p99: number };
  readonly drawMs: { readonly median: number; readonly p99: number };
  readonly intervalMs: { readonly median: number; readonly p99: number };
}

type Body = OctavoEvent extends infer E ? (E extends OctavoEvent ? Omit<E, 'id' | 'step' | 'timeMs'> : never) : never;

/** Sequences that come and go over a full pool: each takes blocks without content or evicts, fills and caches them, and ends. */
function createFeed(emit: (body: Body) => void): () => number {
  const free = Array.from({ length: blockCount }, (_, block) => block);
  const idle: number[] = [];
  const running: { readonly id: number; readonly blocks: number[] }[] = [];
  let nextId = 0;
  let nextHash = 0;
  const begin = (): number => {
    const id = nextId++;
    const fromFree = free.splice(-blocksOfSequence);
    const evicted = idle.splice(0, blocksOfSequence - fromFree.length);
    const blocks = [...fromFree, ...evicted];
    emit({ type: 'added', sequence: id, requestId: `request-${id}`, promptTokens: 4000, maxNewTokens: 100 } as Body);
    if (evicted.length > 0)
      emit({ type: 'evicted', group: 0, cause: 'demand', fate: 'dropped', blocks: evicted } as Body);
    emit({ type: 'allocated', group: 0, spans: [{ sequence: id, index: 0, blocks }] } as Body);
    const hashes = blocks.map(() => (nextHash++).toString(16).padStart(16, '0'));
    emit({
      type: 'cached',
      group: 0,
      source: 'step',
      blocks,
      hashes,
      parents: ['', ...hashes.slice(0, -1)],
      indices: blocks.map((_, index) => index),
    } as Body);
    running.push({ id, blocks });
    return blocks.length + evicted.length;
  };
  const end = (): number => {
    const sequence = running.shift();
    if (sequence === undefined) return 0;
    emit({ type: 'finished', sequence: sequence.id, reason: 'stop', totalTokens: 4000, generatedTokens: 100 } as Body);
    emit({ type: 'released', group: 0, spans: [{ sequence: sequence.id, index: 0, blocks: sequence.blocks }] } as Body);
    idle.push(...sequence.blocks);
    return sequence.blocks.length;
  };
  for (let i = 0; i < blockCount / blocksOfSequence - 8; i++) begin();
  return () => {
    let changed = 0;
    for (let i = 0; i < sequencesPerFrame; i++) changed += end() + begin();
    return changed;
  };
}

function spread(values: readonly number[]): { median: number; p99: number } {
  const sorted = [...values].sort((a, b) => a - b);
  return { median: sorted[Math.floor(sorted.length / 2)], p99: sorted[Math.floor(sorted.length * 0.99)] };
}

async function measure(by: Colouring, frames: number): Promise<MapFigures> {
  const canvas = document.getElementById('map') as HTMLCanvasElement;
  const moment = createMoment({
    snapshot: emptySnapshot([{ blockSize: 16, blockCount }]),
    nowMs: () => performance.now(),
  });
  let id = 0;
  const feed = createFeed((body) => {
    applyEvent(moment, { id: id++, step: 0, timeMs: performance.now(), ...body } as OctavoEvent);
  });
  const layout = layOut(blockCount, widthPx, heightPx);
  const map = createMapState(canvas, {
    ...{ moment, layout, by, group: 0, sequences: null, dark: false },
    pixelRatio: 1,
    live: true,
  });
  map.update();
  const applied: number[] = [];
  const drawn: number[] = [];
  const stamps: number[] = [];
  let changed = 0;
  await new Promise<void>((resolve) => {
    const frame = (nowMs: number): void => {
      stamps.push(nowMs);
      const startMs = performance.now();
      changed += feed();
      const appliedMs = performance.now();
      map.update();
      applied.push(appliedMs - startMs);
      drawn.push(performance.now() - appliedMs);
      if (stamps.length <= frames) requestAnimationFrame(frame);
      else resolve();
    };
    requestAnimationFrame(frame);
  });
  const intervals = stamps.slice(1).map((stamp, i) => stamp - stamps[i]);
  return {
    frames,
    framesPerSecond: (1000 * intervals.length) / (stamps[stamps.length - 1] - stamps[0]),
    changedBlocks: Math.round(changed / stamps.length),
    applyMs: spread(applied),
    drawMs: spread(drawn),
    intervalMs: spread(intervals),
  };
}

Object.assign(window, { measure });
