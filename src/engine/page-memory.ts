// What native code does for pages in tiers, whatever the backend, where it is built.

import { loadPageChecksum, loadPopulate } from '../backends/cpu/index.ts';
import { type ChecksumFunction, checksumBytes } from '../tiers/index.ts';

/** Who sums pages up: native code or TypeScript, which agree to the bit. */
export function choosePageChecksum(): ChecksumFunction {
  try {
    return loadPageChecksum();
  } catch {
    return checksumBytes;
  }
}

/** Memory that is waited for, and how much is asked for at once. */
const AWAITED_BYTES = 2 ** 30;
const CHUNK_BYTES = 64 * 2 ** 20;
/** Of the time beside serving that the rest takes. */
const BACKGROUND_SHARE = 1 / 5;

export interface PopulateClock {
  readonly now: () => number;
  /** Calls `action` after that many milliseconds. */
  readonly after: (ms: number, action: () => void) => void;
}

/**
 * Has the system give memory to arenas before they are written: a page that is copied into new memory takes several times as long, and a step waits for it.
 * Resolves when the first GiB is there; the rest follows, a little at a time, until `isOver`. Nothing is done without native code.
 */
export async function populateArenas(
  arenas: readonly Uint8Array[],
  { now, after }: PopulateClock,
  isOver: () => boolean,
): Promise<void> {
  let populate: ReturnType<typeof loadPopulate>;
  try {
    populate = loadPopulate();
  } catch {
    return;
  }
  const chunks: Uint8Array[] = [];
  for (const arena of arenas) {
    for (let at = 0; at < arena.length; at += CHUNK_BYTES) chunks.push(arena.subarray(at, at + CHUNK_BYTES));
  }
  const awaited = chunks.splice(0, AWAITED_BYTES / CHUNK_BYTES);
  for (const chunk of awaited) await populate(chunk);
  const next = async (): Promise<void> => {
    const chunk = chunks.shift();
    if (chunk === undefined || isOver()) return;
    const startedMs = now();
    await populate(chunk);
    after((now() - startedMs) / BACKGROUND_SHARE, () => void next());
  };
  void next();
}
