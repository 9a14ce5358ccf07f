// Pages to and from their slots: neighbouring slots in one transfer, several transfers under way, copied only where direct I/O must.

import { allocateAligned, IO_ALIGNMENT, isAligned } from '../../tensor/aligned-memory.ts';
import { createIoLanes } from './io-lanes.ts';
import type { Segments } from './segments.ts';
import type { TierFile } from './tier-files.ts';

/** A page to be moved. `bytes` is `pageBytes` long. */
export interface PageTransfer {
  readonly slot: number;
  readonly bytes: Uint8Array;
  /** Written: called right before, to sum the bytes up while they are near. Read: called right after. */
  readonly visit: () => void;
}

export interface PageIo {
  /** What went wrong with each, or null. */
  write(transfers: readonly PageTransfer[]): Promise<(Error | null)[]>;
  read(transfers: readonly PageTransfer[]): Promise<(Error | null)[]>;
}

export interface PageIoOptions {
  readonly segments: Segments;
  readonly pageBytes: number;
  readonly slotBytes: number;
  readonly laneCount: number;
  /** Bytes of the longest transfer of several pages. */
  readonly transferBytes: number;
}

/** Buffers of one system call. */
const MAX_BUFFERS = 256;

export function createPageIo(options: PageIoOptions): PageIo {
  const { segments, pageBytes, slotBytes } = options;
  const lanes = createIoLanes(options.laneCount);
  const runLimit = Math.max(1, Math.min(MAX_BUFFERS / 2, Math.floor(options.transferBytes / slotBytes)));
  const paddingBytes = slotBytes - pageBytes;
  const writePadding = new Uint8Array(paddingBytes);
  /** Aligned memory of each lane for one run, and where its reads leave what pads a slot. */
  const staging: (Uint8Array | null)[] = new Array(options.laneCount).fill(null);
  const readPadding = Array.from({ length: options.laneCount }, () => new Uint8Array(paddingBytes));

  function stagingOf(lane: number, pageCount: number): Uint8Array {
    staging[lane] ??= allocateAligned(runLimit * slotBytes);
    return staging[lane].subarray(0, pageCount * slotBytes);
  }

  /** Indexes of transfers in runs of neighbouring slots of one file, short enough to keep all lanes busy. */
  function runsOf(transfers: readonly PageTransfer[]): number[][] {
    const order = transfers.map((_, i) => i).sort((a, b) => transfers[a].slot - transfers[b].slot);
    const limit = Math.min(runLimit, Math.ceil(transfers.length / lanes.laneCount));
    const runs: number[][] = [];
    for (const index of order) {
      const run = runs.at(-1);
      const { slot } = transfers[index];
      const follows = run !== undefined && transfers[run[run.length - 1]].slot + 1 === slot;
      if (follows && run.length < limit && slot % segments.slotsPerSegment !== 0) run.push(index);
      else runs.push([index]);
    }
    return runs;
  }

  /** Whether a file takes the pages' own buffers. */
  function goesInPlace(file: TierFile, run: readonly PageTransfer[]): boolean {
    return !file.isDirect || (pageBytes % IO_ALIGNMENT === 0 && run.every(({ bytes }) => isAligned(bytes)));
  }

  async function transfer(kind: 'read' | 'write', run: readonly PageTransfer[], lane: number): Promise<void> {
    const { slot } = run[0];
    const file = segments.fileOf(slot);
    if (file === null) throw new Error('the tier is closed');
    const position = segments.positionOf(slot);
    const staged = goesInPlace(file, run) ? null : stagingOf(lane, run.length);
    const pageOf = (i: number) => staged!.subarray(i * slotBytes, i * slotBytes + pageBytes);
    const padding = kind === 'read' ? readPadding[lane] : writePadding;
    const buffers =
      staged !== null ? [staged] : run.flatMap(({ bytes }) => (paddingBytes === 0 ? [bytes] : [bytes, padding]));
    if (kind === 'write') {
      for (const [i, { bytes, visit }] of run.entries()) {
        visit();
        if (staged !== null) pageOf(i).set(bytes);
      }
    }
    const count = kind === 'read' ? await file.read(buffers, position) : await file.write(buffers, position);
    if (count < run.length * slotBytes) throw Object.assign(new Error(`a short ${kind}`), { code: 'EIO' });
    if (kind === 'read') {
      for (const [i, { bytes, visit }] of run.entries()) {
        if (staged !== null) bytes.set(pageOf(i));
        visit();
      }
    }
  }

  async function move(kind: 'read' | 'write', transfers: readonly PageTransfer[]): Promise<(Error | null)[]> {
    const faults: (Error | null)[] = new Array(transfers.length).fill(null);
    const attempt = async (run: readonly number[]): Promise<void> => {
      try {
        await lanes.run((lane) =>
          transfer(
            kind,
            run.map((i) => transfers[i]),
            lane,
          ),
        );
      } catch (error) {
        // One bad page must not cost its neighbours.
        if (run.length > 1) for (const index of run) await attempt([index]);
        else faults[run[0]] = error instanceof Error ? error : new Error(String(error));
      }
    };
    await Promise.all(runsOf(transfers).map(attempt));
    return faults;
  }

  return { write: (transfers) => move('write', transfers), read: (transfers) => move('read', transfers) };
}
