// The block map as one pixel per block, kept up to date by changes: what a canvas then shows enlarged.

import { neutral, pixel, type Rgb } from '../parts/palette.ts';
import type { BlockFacts, ColouringSpec } from './colouring.ts';

/** Classes of blocks that are not emphasised while others are. */
const dimmed = 32;
const unknown = 255;

export interface BlockRaster {
  readonly columns: number;
  readonly rows: number;
  /** RGBA words, row by row; transparent after the last block. */
  readonly pixels: Uint32Array;
  /** Per block how many sequences share it; 0 unless several do. At most 99. */
  readonly sharers: Uint8Array;
  /** Blocks of each class now. */
  readonly counts: Int32Array;
  /** Rows [first, end) that changed since `takeDirty` was called last; first >= end if none did. */
  takeDirty(): { readonly first: number; readonly end: number };
  /** Brings the blocks up to date whose stamp is beyond `since`; all of them with -1. */
  update(facts: BlockFacts, stamps: Uint32Array, since: number): void;
}

export interface RasterOptions {
  readonly blockCount: number;
  readonly columns: number;
  readonly spec: ColouringSpec;
  readonly dark: boolean;
  /** Marks the blocks that stand out, and may change with their stamps; null if all do. */
  readonly emphasis: Uint8Array | null;
}

function blend([r, g, b]: Rgb, [r2, g2, b2]: Rgb, share: number): Rgb {
  const mix = (a: number, c: number) => Math.round(a * share + c * (1 - share));
  return [mix(r, r2), mix(g, g2), mix(b, b2)];
}

/** The colour of each class, then the same dimmed. */
function pixelsOf(spec: ColouringSpec, dark: boolean): Uint32Array {
  const pixels = new Uint32Array(dimmed * 2);
  const ground = neutral('ground', dark);
  for (const [index, { colour }] of spec.classes.entries()) {
    pixels[index] = pixel(colour(dark));
    pixels[index + dimmed] = pixel(blend(colour(dark), ground, 0.22));
  }
  return pixels;
}

export function createRaster({ blockCount, columns, spec, dark, emphasis }: RasterOptions): BlockRaster {
  const rows = Math.max(1, Math.ceil(blockCount / columns));
  const pixels = new Uint32Array(columns * rows);
  const classes = new Uint8Array(blockCount).fill(unknown);
  const sharers = new Uint8Array(blockCount);
  const counts = new Int32Array(spec.classes.length);
  const colours = pixelsOf(spec, dark);
  let first = rows;
  let end = 0;
  return {
    columns,
    rows,
    pixels,
    sharers,
    counts,
    takeDirty() {
      const dirty = { first, end };
      first = rows;
      end = 0;
      return dirty;
    },
    update(facts, stamps, since) {
      const { references, holds } = facts.group;
      let firstBlock = blockCount;
      let lastBlock = -1;
      for (let block = 0; block < blockCount; block++) {
        if (since >= 0 && stamps[block] <= since) continue;
        const kind = spec.classOf(facts, block);
        const code = emphasis !== null && emphasis[block] === 0 ? kind + dimmed : kind;
        const tables = references[block] - holds[block];
        const shared = tables > 1 ? Math.min(99, tables) : 0;
        const before = classes[block];
        if (before === code && sharers[block] === shared) continue;
        if (before !== unknown) counts[before % dimmed]--;
        counts[kind]++;
        classes[block] = code;
        sharers[block] = shared;
        pixels[block] = colours[code];
        if (block < firstBlock) firstBlock = block;
        lastBlock = block;
      }
      if (lastBlock < 0) return;
      first = Math.min(first, Math.floor(firstBlock / columns));
      end = Math.max(end, Math.floor(lastBlock / columns) + 1);
    },
  };
}
