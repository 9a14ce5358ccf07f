// The files that hold pages: few, of a fixed size, filled with zeros ahead of use so that a page never finds the disk full.

import { join } from 'node:path';
import { allocateAligned } from '../../tensor/aligned-memory.ts';
import type { TierFile, TierFiles } from './tier-files.ts';

export interface SegmentsOptions {
  readonly files: TierFiles;
  readonly folder: string;
  readonly slotBytes: number;
  readonly slotCount: number;
  readonly slotsPerSegment: number;
  /** Bytes that a file grows by at a time. */
  readonly growthBytes: number;
  readonly wantsDirect: boolean;
}

export interface Segments {
  readonly slotsPerSegment: number;
  /** Bytes of all files now. */
  readonly bytes: number;
  /** Whether a slot lies in space that the disk has given. */
  isReady(slot: number): boolean;
  /** Makes a slot ready, and those after it up to the growth. Rejects with the file system's error; nothing has changed then. */
  grow(slot: number): Promise<void>;
  /** Opens files that are there, and cuts off what lies beyond the slots. */
  reopen(): Promise<void>;
  /** The file of a slot that is ready, and its position there. */
  fileOf(slot: number): TierFile | null;
  positionOf(slot: number): number;
  sync(): Promise<void>;
  close(): Promise<void>;
}

const ZERO_BYTES = 2 ** 20;
const NAME = /^pages-(\d{4})$/;

export function segmentName(segment: number): string {
  return `pages-${String(segment).padStart(4, '0')}`;
}

export function isSegmentName(name: string): boolean {
  return NAME.test(name);
}

export function createSegments(options: SegmentsOptions): Segments {
  const { files, folder, slotBytes, slotCount, slotsPerSegment } = options;
  const segmentCount = Math.ceil(slotCount / slotsPerSegment);
  const open: (TierFile | null)[] = new Array(segmentCount).fill(null);
  const readySlots = new Int32Array(segmentCount);
  const growthSlots = Math.max(1, Math.floor(options.growthBytes / slotBytes));
  const slotsOf = (segment: number) => Math.min(slotsPerSegment, slotCount - segment * slotsPerSegment);
  let bytes = 0;

  async function openSegment(segment: number, creates: boolean): Promise<TierFile> {
    const path = join(folder, segmentName(segment));
    const file = open[segment] ?? (await files.open(path, { wantsDirect: options.wantsDirect, creates }));
    open[segment] = file;
    return file;
  }

  function setReady(segment: number, count: number): void {
    bytes += (count - readySlots[segment]) * slotBytes;
    readySlots[segment] = count;
  }

  async function fill(file: TierFile, from: number, to: number): Promise<void> {
    const zeros = allocateAligned(Math.min(ZERO_BYTES, to - from));
    for (let at = from; at < to; ) {
      const part = zeros.subarray(0, Math.min(zeros.byteLength, to - at));
      const written = await file.write([part], at);
      if (written < part.byteLength) throw Object.assign(new Error('no space for a segment'), { code: 'ENOSPC' });
      at += written;
    }
  }

  return {
    slotsPerSegment,
    get bytes() {
      return bytes;
    },
    isReady(slot) {
      return slot % slotsPerSegment < readySlots[Math.floor(slot / slotsPerSegment)];
    },
    async grow(slot) {
      const segment = Math.floor(slot / slotsPerSegment);
      const file = await openSegment(segment, true);
      const from = readySlots[segment];
      const to = Math.min(slotsOf(segment), Math.max((slot % slotsPerSegment) + 1, from + growthSlots));
      if (to <= from) return;
      try {
        await fill(file, from * slotBytes, to * slotBytes);
      } catch (error) {
        // What did not become ready is given back, so that the files are as large as they are counted.
        await file.resize(from * slotBytes).catch(() => undefined);
        throw error;
      }
      setReady(segment, to);
    },
    async reopen() {
      for (const name of await files.list(folder)) {
        const segment = Number(NAME.exec(name)?.[1] ?? -1);
        if (segment < 0) continue;
        if (segment >= segmentCount) {
          await files.remove(join(folder, name));
          continue;
        }
        const file = await openSegment(segment, false);
        const size = await file.sizeBytes();
        const count = Math.min(slotsOf(segment), Math.floor(size / slotBytes));
        if (size !== count * slotBytes) await file.resize(count * slotBytes);
        setReady(segment, count);
      }
    },
    fileOf: (slot) => open[Math.floor(slot / slotsPerSegment)],
    positionOf: (slot) => (slot % slotsPerSegment) * slotBytes,
    async sync() {
      await Promise.all(open.map((file) => file?.sync()));
    },
    async close() {
      const closing = open.map((file) => file?.close());
      open.fill(null);
      readySlots.fill(0);
      bytes = 0;
      await Promise.allSettled(closing);
    },
  };
}
