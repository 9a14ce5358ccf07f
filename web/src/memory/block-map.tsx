// The block map: a canvas that follows the source, with a block under the pointer and one that is selected.

import './block-map.css';
import { useSignal, useSignalEffect } from '@preact/signals';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { words } from '../i18n/language.ts';
import { useSource } from '../live/source.ts';
import { useWidth } from '../parts/size.ts';
import { darkMode } from '../shell/theme.ts';
import type { Colouring } from './colouring.ts';
import { briefBlock } from './describe.ts';
import { blockAfterKey, blockAt, layOut } from './layout.ts';
import { createMapState, type MapState } from './map-state.ts';

export interface BlockMapProps {
  readonly by: Colouring;
  readonly group: number;
  readonly heightPx: number;
  readonly selected: number | null;
  readonly select: (block: number | null) => void;
  /** Sequences whose blocks stand out; null if all do. */
  readonly sequences: readonly number[] | null;
  /** Told at the pace of text how many blocks each class has. */
  readonly onCounts?: (counts: readonly number[]) => void;
}

export function BlockMap(props: BlockMapProps) {
  const { by, group, heightPx, selected, select, sequences, onCounts } = props;
  const source = useSource();
  const moment = source.moment.value;
  const { ref, widthPx } = useWidth<HTMLDivElement>();
  const canvas = useRef<HTMLCanvasElement>(null);
  const drawn = useRef<MapState | null>(null);
  const hovered = useSignal<{ readonly block: number; readonly x: number; readonly y: number } | null>(null);
  const blockCount = moment?.view.groups[group]?.blockCount ?? 0;
  const width = widthPx.value;
  const layout = useMemo(() => layOut(blockCount, width, heightPx), [blockCount, width, heightPx]);
  const dark = darkMode.value;
  const emphasised = sequences?.join() ?? null;
  useEffect(() => {
    if (canvas.current === null || moment === null || width === 0 || blockCount === 0) return;
    drawn.current = createMapState(canvas.current, {
      ...{ moment, group, by, sequences, layout, dark },
      pixelRatio: devicePixelRatio,
      live: source.live,
    });
    drawn.current.update();
    onCounts?.([...drawn.current.counts]);
    return () => {
      drawn.current = null;
    };
  }, [moment, group, layout, by, dark, emphasised]);
  useSignalEffect(() => {
    void source.shown.value;
    if (drawn.current !== null && drawn.current.moment === source.moment.value) drawn.current.update();
  });
  useSignalEffect(() => {
    void source.told.value;
    if (drawn.current !== null) onCounts?.([...drawn.current.counts]);
  });
  const text = words.value.memory;
  const cell = (block: number) => ({
    left: `${(block % layout.columns) * layout.cellPx - 1}px`,
    top: `${Math.floor(block / layout.columns) * layout.cellPx - 1}px`,
    width: `${layout.cellPx + 1}px`,
    height: `${layout.cellPx + 1}px`,
  });
  return (
    // Arrow keys move a selection over the canvas, as in a drawing.
    <div
      class="block-map"
      ref={ref}
      role="application"
      aria-label={text.map(blockCount)}
      aria-describedby="map-keys"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: it is operated by keys
      tabIndex={0}
      onKeyDown={(event) => {
        if (event.key === 'Escape') select(null);
        const next = blockAfterKey(layout, blockCount, selected ?? -1, event.key);
        if (next === null) return;
        event.preventDefault();
        select(selected === null ? 0 : next);
      }}
    >
      <canvas
        ref={canvas}
        onPointerMove={(event) => {
          const block = blockAt(layout, blockCount, event.offsetX, event.offsetY);
          hovered.value = block === null ? null : { block, x: event.offsetX, y: event.offsetY };
        }}
        onPointerLeave={() => {
          hovered.value = null;
        }}
        onClick={(event) => {
          const block = blockAt(layout, blockCount, event.offsetX, event.offsetY);
          select(block === selected ? null : block);
        }}
      />
      {selected !== null && selected < blockCount && <div class="selected-cell" style={cell(selected)} />}
      {hovered.value !== null && moment !== null && (
        <div
          class="tip"
          role="tooltip"
          style={{
            left: `${Math.max(0, Math.min(hovered.value.x + 14, width - 210))}px`,
            top: `${hovered.value.y + 16}px`,
          }}
        >
          {briefBlock(moment.view, group, hovered.value.block)}
        </div>
      )}
    </div>
  );
}
