// Where each block is drawn: rows of square cells, as large as fit.

export interface MapLayout {
  /** Edge of a cell, gap included, in CSS pixels. */
  readonly cellPx: number;
  readonly columns: number;
  readonly rows: number;
}

const cellSizes = [22, 20, 18, 16, 14, 12, 10, 9, 8, 7, 6, 5, 4, 3, 2];

/** The largest cells with which the map stays within `heightPx`; the smallest if none do. */
export function layOut(blockCount: number, widthPx: number, heightPx: number): MapLayout {
  let layout: MapLayout = { cellPx: 2, columns: 1, rows: blockCount };
  for (const cellPx of cellSizes) {
    const fitting = Math.max(1, Math.floor(widthPx / cellPx));
    // Rows of a multiple of eight are easier to count in.
    const columns = fitting > 16 ? fitting - (fitting % 8) : fitting;
    const rows = Math.ceil(blockCount / columns);
    layout = { cellPx, columns, rows };
    if (rows * cellPx <= heightPx) break;
  }
  return layout;
}

/** The block at a point of the map, or null. */
export function blockAt(layout: MapLayout, blockCount: number, x: number, y: number): number | null {
  const column = Math.floor(x / layout.cellPx);
  const row = Math.floor(y / layout.cellPx);
  if (column < 0 || column >= layout.columns || row < 0) return null;
  const block = row * layout.columns + column;
  return block < blockCount ? block : null;
}

/** The block that an arrow key leads to, or null if the key is none of the map's. */
export function blockAfterKey(layout: MapLayout, blockCount: number, block: number, key: string): number | null {
  const jump = layout.columns * 8;
  const moves: Readonly<Record<string, number>> = {
    ArrowRight: block + 1,
    ArrowLeft: block - 1,
    ArrowDown: block + layout.columns,
    ArrowUp: block - layout.columns,
    PageDown: block + jump,
    PageUp: block - jump,
    Home: 0,
    End: blockCount - 1,
  };
  const target = moves[key];
  return target === undefined ? null : Math.min(blockCount - 1, Math.max(0, target));
}
