// A block map on a canvas: looks at the state, and draws what has changed since it looked last.

import type { Moment } from '../live/source.ts';
import { colourIndex } from '../parts/sequence-colours.ts';
import { type BlockFacts, type Colouring, colouringSpec } from './colouring.ts';
import type { MapLayout } from './layout.ts';
import { createPainter } from './painter.ts';
import { createRaster } from './raster.ts';

export interface MapState {
  readonly moment: Moment;
  /** Blocks of each class of the colouring, as drawn. */
  readonly counts: Int32Array;
  update(): void;
}

export interface MapOptions {
  readonly moment: Moment;
  readonly group: number;
  readonly by: Colouring;
  /** Sequences whose blocks stand out; null if all do. */
  readonly sequences: readonly number[] | null;
  readonly layout: MapLayout;
  readonly dark: boolean;
  readonly pixelRatio: number;
  /** Whether ages grow while nothing happens. */
  readonly live: boolean;
}

/** Where colours say age, all blocks are looked at again after this long. */
const agingMs = 500;
const noOwner = -1_000_000_000;

export function createMapState(canvas: HTMLCanvasElement, options: MapOptions): MapState {
  const { moment, group, by, sequences, layout, dark, pixelRatio, live } = options;
  const { view } = moment;
  const state = view.groups[group];
  const { blockCount } = state;
  const emphasis = sequences === null ? null : new Uint8Array(blockCount);
  const owners = new Int32Array(blockCount);
  const ownerColours = new Int8Array(blockCount).fill(-1);
  const spec = colouringSpec(by);
  const noFill = new Uint16Array(0);
  const raster = createRaster({ blockCount, columns: layout.columns, spec, dark, emphasis });
  const painter = createPainter(canvas, { layout, dark, pixelRatio });
  let drawnVersion = -1;
  let agedMs = 0;

  function markEmphasis(): void {
    if (emphasis === null || sequences === null) return;
    emphasis.fill(0);
    for (const id of sequences) {
      for (const block of view.sequences.get(id)?.blocks[group] ?? []) if (block >= 0) emphasis[block] = 1;
    }
  }

  /** The palette index of each block's first owner. */
  function findOwners(): void {
    view.fillOwners(group, owners, noOwner);
    let lastOwner = noOwner;
    let lastColour = -1;
    for (let block = 0; block < blockCount; block++) {
      const owner = owners[block];
      if (owner !== lastOwner) {
        const sequence = view.sequences.get(owner);
        lastOwner = owner;
        lastColour = sequence === undefined ? -1 : colourIndex(sequence.requestId);
      }
      ownerColours[block] = lastColour;
    }
  }

  /** With a clock that goes on by itself now and then, with one that events move every time. */
  function agesAll(): boolean {
    if (by !== 'age') return false;
    const now = performance.now();
    if (live && now - agedMs < agingMs) return false;
    agedMs = now;
    return true;
  }

  return {
    moment,
    counts: raster.counts,
    update() {
      markEmphasis();
      findOwners();
      const facts: BlockFacts = {
        ...{ group: state, ownerColours },
        filled: spec.needsFill ? state.filled : noFill,
        nowMs: moment.nowMs(),
      };
      raster.update(facts, moment.stamps[group], agesAll() ? -1 : drawnVersion);
      // What is stamped from now on is drawn next time.
      drawnVersion = moment.version;
      moment.version++;
      painter.paint(raster);
    },
  };
}
