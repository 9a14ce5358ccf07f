// Paints a raster on a canvas: the changed rows only, enlarged without smoothing, with gaps between large cells.

import { css, neutral } from '../parts/palette.ts';
import type { MapLayout } from './layout.ts';
import type { BlockRaster } from './raster.ts';

export interface Painter {
  /** Paints what changed; everything after the canvas was resized. */
  paint(raster: BlockRaster): void;
}

/** From this size on cells have a gap between them. */
const gapFromPx = 4;
/** From this size on shared blocks show their references as a number. */
const numberFromPx = 12;

export interface PainterOptions {
  readonly layout: MapLayout;
  readonly dark: boolean;
  readonly pixelRatio: number;
}

/** Sizes the canvas for the layout. Throws if the browser gives no 2D context. */
export function createPainter(canvas: HTMLCanvasElement, options: PainterOptions): Painter {
  const { layout, dark, pixelRatio } = options;
  const { columns, rows, cellPx } = layout;
  // Whole device pixels, so that all cells are equally large.
  const cell = Math.max(1, Math.round(cellPx * pixelRatio));
  const gap = cellPx >= gapFromPx ? Math.max(1, Math.round(pixelRatio)) : 0;
  canvas.width = columns * cell;
  canvas.height = rows * cell;
  canvas.style.width = `${columns * cellPx}px`;
  canvas.style.height = `${rows * cellPx}px`;
  const context = canvas.getContext('2d');
  const small = document.createElement('canvas');
  small.width = columns;
  small.height = rows;
  const smallContext = small.getContext('2d');
  if (context === null || smallContext === null) throw new Error('This browser has no 2D canvas.');
  context.imageSmoothingEnabled = false;
  const ground = css(neutral('ground', dark));
  let image: ImageData | null = null;
  let imageOf: BlockRaster | null = null;

  function paintNumbers(sharers: Uint8Array, first: number, end: number): void {
    if (cellPx < numberFromPx || context === null) return;
    context.fillStyle = ground;
    context.font = `600 ${Math.round(cell * 0.52)}px system-ui, sans-serif`;
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    const lastBlock = Math.min(sharers.length, end * columns);
    for (let block = first * columns; block < lastBlock; block++) {
      if (sharers[block] === 0) continue;
      const x = (block % columns) * cell + (cell - gap) / 2;
      const y = Math.floor(block / columns) * cell + (cell - gap) / 2;
      context.fillText(String(sharers[block]), x, y + pixelRatio * 0.5);
    }
  }

  return {
    paint(raster) {
      if (image === null || imageOf !== raster) {
        image = new ImageData(new Uint8ClampedArray(raster.pixels.buffer as ArrayBuffer), columns, rows);
        imageOf = raster;
      }
      const { first, end } = raster.takeDirty();
      if (first >= end) return;
      smallContext.putImageData(image, 0, 0, 0, first, columns, end - first);
      const top = first * cell;
      const height = (end - first) * cell;
      context.clearRect(0, top, canvas.width, height);
      context.drawImage(small, 0, first, columns, end - first, 0, top, canvas.width, height);
      if (gap > 0) {
        context.fillStyle = ground;
        for (let column = 1; column <= columns; column++) context.fillRect(column * cell - gap, top, gap, height);
        for (let row = first + 1; row <= end; row++) context.fillRect(0, row * cell - gap, canvas.width, gap);
      }
      paintNumbers(raster.sharers, first, end);
    },
  };
}
