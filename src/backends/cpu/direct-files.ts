// Weights straight from the disk: direct I/O into staging memory, without a copy of the whole file in the system's page cache.

import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { alignUp, IO_ALIGNMENT } from '../../tensor/aligned-memory.ts';
import type { WeightPlace } from '../backend.ts';
import type { Addon } from './addon.ts';

/** Not on every system. */
const DIRECT_FLAG = (constants as { O_DIRECT?: number }).O_DIRECT ?? 0;
/** A file of which this share is in the page cache is read from there. */
const CACHED_SHARE = 0.5;
/**
 * A disk slower than this is read through the page cache after all, so that the next start finds the file in memory. Above it
 * a cached file would hardly be ready sooner, since its weights have to be packed as well.
 */
const WORTHWHILE_BYTES_PER_SECOND = 500e6;
/** Bytes after which a disk is judged, again and again. */
const JUDGED_BYTES = 64 << 20;

export interface DirectFiles {
  /**
   * Reads `lengthBytes` from a place into `staging`, which begins on a page of memory and has room for two pages more. Resolves
   * to the index in `staging` of the first byte asked for, or to null where nothing was read: the source must be asked then.
   */
  read(place: WeightPlace, lengthBytes: number, staging: Uint8Array): Promise<number | null>;
  close(): Promise<void>;
}

/** @param warmUpBytes what is read before the disk is judged, until when memory is touched for the first time */
export function createDirectFiles(addon: Addon, warmUpBytes: number, now = () => performance.now()): DirectFiles {
  const handles = new Map<string, Promise<FileHandle | null>>();
  let isWorthwhile = DIRECT_FLAG !== 0;
  let inFlight = 0;
  let readBytes = -warmUpBytes;
  let busyMs = 0;
  let lastMs = 0;

  /** Counts the time in which anything was being read. */
  function clock(change: 1 | -1): void {
    const nowMs = now();
    if (inFlight > 0) busyMs += nowMs - lastMs;
    lastMs = nowMs;
    inFlight += change;
  }

  function judge(bytes: number): void {
    readBytes += bytes;
    if (readBytes > 0 && readBytes < JUDGED_BYTES) return;
    if (readBytes > 0 && readBytes / busyMs < WORTHWHILE_BYTES_PER_SECOND / 1000) isWorthwhile = false;
    if (readBytes > 0) readBytes = 0;
    busyMs = 0;
  }

  function handleOf(place: WeightPlace): Promise<FileHandle | null> {
    let handle = handles.get(place.path);
    if (handle === undefined) {
      handle = openDirect(addon, place);
      handles.set(place.path, handle);
    }
    return handle;
  }

  return {
    async read(place, lengthBytes, staging) {
      if (!isWorthwhile) return null;
      const handle = await handleOf(place);
      if (handle === null) return null;
      const fileOffset = place.byteOffset - (place.byteOffset % IO_ALIGNMENT);
      const skipped = place.byteOffset - fileOffset;
      clock(1);
      try {
        const { bytesRead } = await handle.read(staging, 0, alignUp(skipped + lengthBytes), fileOffset);
        // Short at the end of the file, and where the system stops in between.
        return bytesRead >= skipped + lengthBytes ? skipped : null;
      } catch {
        // The source tells what is wrong with the file, if anything is.
        return null;
      } finally {
        clock(-1);
        judge(lengthBytes);
      }
    },
    async close() {
      const opened = await Promise.all(handles.values());
      await Promise.all(opened.map((handle) => handle?.close()));
    },
  };
}

/** The open file once more, by another number. Null where it is in the page cache and where direct I/O is not to be had. */
async function openDirect(addon: Addon, place: WeightPlace): Promise<FileHandle | null> {
  const cached = addon.cachedBytes(place.descriptor, place.fileBytes);
  if (cached < 0 || cached >= place.fileBytes * CACHED_SHARE) return null;
  return open(`/proc/self/fd/${place.descriptor}`, constants.O_RDONLY | DIRECT_FLAG).catch(() => null);
}
