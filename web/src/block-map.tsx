// The block map: a square per block, in the colours of the sequences that hold it.

import { useComputed, useSignal, useSignalEffect } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { colourOf } from './colours.ts';
import { type Frame, frame } from './frames.ts';
import { darkMode } from './theme.ts';

const cellSizes = [20, 16, 14, 12, 10, 8, 7, 6, 5, 4, 3];
const wantedHeightPx = 560;

interface Layout {
  readonly cellPx: number;
  readonly columns: number;
  readonly rows: number;
}

/** The largest squares with which the map stays within a screen. */
function layOut(blockCount: number, widthPx: number): Layout {
  for (const cellPx of cellSizes) {
    const columns = Math.max(1, Math.floor(widthPx / cellPx));
    const rows = Math.ceil(blockCount / columns);
    if (rows * cellPx <= wantedHeightPx || cellPx === cellSizes.at(-1)) return { cellPx, columns, rows };
  }
  return { cellPx: 3, columns: 1, rows: blockCount };
}

/** Block id -> indices of the sequences that hold it. */
function findHolders(map: Frame): Map<number, number[]> {
  const holders = new Map<number, number[]>();
  map.sequences.forEach((sequence, index) => {
    for (const block of sequence.blocks) {
      const held = holders.get(block);
      if (held === undefined) holders.set(block, [index]);
      else held.push(index);
    }
  });
  return holders;
}

function draw(canvas: HTMLCanvasElement, map: Frame, widthPx: number, dark: boolean): void {
  const { cellPx, columns, rows } = layOut(map.blockCount, widthPx);
  const scale = devicePixelRatio;
  const heightPx = rows * cellPx;
  canvas.width = Math.round(widthPx * scale);
  canvas.height = Math.round(heightPx * scale);
  canvas.style.height = `${heightPx}px`;
  const context = canvas.getContext('2d');
  if (context === null) return;
  context.scale(scale, scale);
  const holders = findHolders(map);
  const colours = map.sequences.map((sequence) => colourOf(sequence.requestId, dark));
  const gapPx = cellPx >= 6 ? 1.5 : 1;
  const sizePx = cellPx - gapPx;
  const free = dark ? '#2b2f36' : '#e6e8ec';
  const cached = dark ? '#737b87' : '#a7adb7';
  const ink = dark ? '#ffffff' : '#000000';
  context.font = `600 ${Math.floor(sizePx * 0.7)}px system-ui, sans-serif`;
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  for (let block = 0; block < map.blockCount; block++) {
    const x = (block % columns) * cellPx;
    const y = Math.floor(block / columns) * cellPx;
    const held = holders.get(block);
    if (held === undefined) {
      context.fillStyle = map.cached[block] === 1 || map.references[block] > 0 ? cached : free;
      context.fillRect(x, y, sizePx, sizePx);
      continue;
    }
    // A shared block shows a slice of each holder, up to four.
    const slices = Math.min(held.length, 4);
    for (let slice = 0; slice < slices; slice++) {
      context.fillStyle = colours[held[slice]];
      context.fillRect(x + (sizePx * slice) / slices, y, sizePx / slices, sizePx);
    }
    if (map.references[block] > 1) {
      context.strokeStyle = ink;
      context.lineWidth = 1;
      context.strokeRect(x + 0.5, y + 0.5, sizePx - 1, sizePx - 1);
      if (cellPx >= 12) {
        context.fillStyle = ink;
        context.fillText(String(map.references[block]), x + sizePx / 2, y + sizePx / 2 + 0.5);
      }
    }
  }
}

function describeBlock(map: Frame, block: number): string {
  const holders = map.sequences.filter((sequence) => sequence.blocks.includes(block));
  const references = map.references[block];
  const state =
    references > 0 ? `reference count ${references}` : map.cached[block] === 1 ? 'cached, not in use' : 'free';
  const kept = references > 0 && map.cached[block] === 1 ? ' · in the prefix cache' : '';
  const names = [...new Set(holders.map((sequence) => sequence.requestId))];
  return `block ${block} · ${state}${kept}${names.length > 0 ? ` · ${names.join(', ')}` : ''}`;
}

function Legend({ map }: { map: Frame }) {
  const shared = map.references.reduce((count, value) => count + (value > 1 ? 1 : 0), 0);
  const cachedFree = map.stats.cachedBlocks;
  const free = map.stats.totalBlocks - map.stats.usedBlocks - cachedFree;
  return (
    <ul class="legend">
      <li>
        <i class="held" /> {map.stats.usedBlocks} held, in the colour of their request
      </li>
      <li>
        <i class="shared" /> <span data-counter="shared">{shared}</span> shared, with the reference count
      </li>
      <li>
        <i class="cached" /> {cachedFree} cached, free to reuse
      </li>
      <li>
        <i class="free" /> {free} empty
      </li>
    </ul>
  );
}

function Sequences({ map }: { map: Frame }) {
  if (map.sequences.length === 0) return null;
  return (
    <ul class="sequences">
      {map.sequences.slice(0, 12).map((sequence, index) => (
        <li key={`${sequence.requestId}:${index}`}>
          <i style={{ background: colourOf(sequence.requestId, darkMode.value) }} />
          <code>{sequence.requestId.slice(0, 20)}</code>
          <span>
            {sequence.state} · {sequence.computedTokens} of {sequence.totalTokens} tokens computed ·{' '}
            {sequence.blocks.length} blocks
          </span>
        </li>
      ))}
      {map.sequences.length > 12 && <li>and {map.sequences.length - 12} more</li>}
    </ul>
  );
}

export function BlockMap() {
  const canvas = useRef<HTMLCanvasElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const widthPx = useSignal(0);
  const hovered = useSignal<{ block: number; x: number; y: number } | null>(null);
  useEffect(() => {
    if (box.current === null) return;
    const observer = new ResizeObserver(([entry]) => {
      widthPx.value = Math.floor(entry.contentRect.width);
    });
    observer.observe(box.current);
    return () => observer.disconnect();
  }, [widthPx]);
  useSignalEffect(() => {
    if (canvas.current !== null && frame.value !== null && widthPx.value > 0) {
      draw(canvas.current, frame.value, widthPx.value, darkMode.value);
    }
  });
  const tip = useComputed(() =>
    frame.value !== null && hovered.value !== null ? describeBlock(frame.value, hovered.value.block) : '',
  );
  const map = frame.value;
  return (
    <>
      {map !== null && (
        <p class="caption">
          {map.blockCount.toLocaleString()} blocks of {map.blockSize} tokens
        </p>
      )}
      <div class="map" ref={box}>
        <canvas
          ref={canvas}
          role="img"
          aria-label="Block map"
          onMouseMove={(event) => {
            if (frame.value === null) return;
            const { cellPx, columns } = layOut(frame.value.blockCount, widthPx.value);
            const column = Math.floor(event.offsetX / cellPx);
            const block = Math.floor(event.offsetY / cellPx) * columns + column;
            const inside = column < columns && block < frame.value.blockCount;
            hovered.value = inside ? { block, x: event.offsetX, y: event.offsetY } : null;
          }}
          onMouseLeave={() => {
            hovered.value = null;
          }}
        />
        {hovered.value !== null && (
          <div
            class="tip"
            role="tooltip"
            style={{
              left: `${Math.min(hovered.value.x + 12, widthPx.value - 180)}px`,
              top: `${hovered.value.y + 14}px`,
            }}
          >
            {tip.value}
          </div>
        )}
      </div>
      {map !== null && <Legend map={map} />}
      {map !== null && <Sequences map={map} />}
    </>
  );
}
