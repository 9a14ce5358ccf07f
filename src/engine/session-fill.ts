// Pages of a session file on their way into blocks: read in batches, copied between two steps.

import type { BlockFill } from '../memory/index.ts';
import type { SessionPages } from '../tiers/index.ts';
import type { StallWatch } from './stall-watch.ts';

/** By logical block the place of its page among a group's: all leading ones, or with a window those that were held. */
export type PagePlaces = ReadonlyMap<number, number>;

export interface SessionFill {
  readonly pageOf: PagePlaces;
  /** The cache group's part; the file has its pages. */
  readonly fill: BlockFill;
  readonly watch: StallWatch;
  readonly write: (block: number, page: Uint8Array) => void;
  /** Runs an action while no step runs. */
  readonly betweenSteps: (action: () => void) => Promise<void>;
}

/** Pages copied between two steps, at most: a few milliseconds of the steps' time. */
const BATCH_PAGES = 16;

/** Reads the pages of a cache group's part of a fill into its blocks. Rejects as reading them does. */
export async function fillFromFile(
  { pageBytes, readPages }: SessionPages,
  { pageOf, fill, watch, write, betweenSteps }: SessionFill,
): Promise<void> {
  const { blocks } = fill;
  /** Places in the file. */
  const indices = fill.indices.map((index) => pageOf.get(index)!);
  const batchBytes = Math.min(BATCH_PAGES, blocks.length) * pageBytes;
  const buffers = [new Uint8Array(batchBytes), new Uint8Array(batchBytes)];
  const runs = runsOf(indices);

  async function read(run: number): Promise<readonly Uint8Array[]> {
    const { first, count } = runs[run];
    const bytes = buffers[run % 2];
    const pages = Array.from({ length: count }, (_, i) => bytes.subarray(i * pageBytes, (i + 1) * pageBytes));
    await readPages(indices[first], pages);
    watch.touch();
    return pages;
  }

  // One run is read while the one before it is copied.
  let reading: Promise<readonly Uint8Array[]> | null = runs.length > 0 ? read(0) : null;
  for (let run = 0; reading !== null; run++) {
    const pages = await reading;
    reading = run + 1 < runs.length ? read(run + 1) : null;
    const copying = betweenSteps(() => {
      // The blocks are somebody else's.
      if (watch.isOver) return;
      for (const [i, page] of pages.entries()) write(blocks[runs[run].first + i], page);
    });
    // Both have to end before the blocks may be given back and the file closed.
    const [copied] = await Promise.allSettled([copying, reading]);
    if (copied.status === 'rejected') throw copied.reason;
  }
}

/** Stretches of neighbouring places, as positions in `indices`, none longer than a batch. */
function runsOf(indices: readonly number[]): { readonly first: number; readonly count: number }[] {
  const runs: { first: number; count: number }[] = [];
  for (const [i, index] of indices.entries()) {
    const last = runs.at(-1);
    if (last !== undefined && last.count < BATCH_PAGES && index === indices[i - 1] + 1) last.count++;
    else runs.push({ first: i, count: 1 });
  }
  return runs;
}
