// Files out of the page cache and how much of them is in it, by what Linux has on board (coreutils, util-linux).

import { spawnSync } from 'node:child_process';
import { closeSync, fsyncSync, openSync, readSync } from 'node:fs';
import { UsageError } from '../common/options.ts';

/** Bytes of the file that lie in the page cache; null where fincore is missing. */
export function cachedBytes(path: string): number | null {
  const { status, stdout } = spawnSync('fincore', ['--bytes', '--noheadings', '--output', 'RES', path], {
    encoding: 'utf8',
  });
  return status === 0 ? Number(stdout.trim()) : null;
}

/**
 * Evicts the file from the page cache, so that whoever opens it next reads it from the disk. What a host or the disk itself
 * keeps of it is out of reach. Throws UsageError where that cannot be done or did not work.
 */
export function evict(path: string, sizeBytes: number): void {
  const handle = openSync(path, 'r');
  try {
    // Pages that were not written yet would stay.
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  // Of no block at all, "nocache" asks the system to drop the whole file (posix_fadvise, POSIX_FADV_DONTNEED).
  const { status } = spawnSync('dd', [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none']);
  const left = cachedBytes(path);
  if (status !== 0 || left === null)
    throw new UsageError('--state cold needs dd of coreutils and fincore of util-linux');
  if (left > sizeBytes / 100) throw new UsageError(`--state cold: ${left} bytes of ${path} stay in the page cache`);
}

/** Reads the whole file into the page cache. */
export function warm(path: string): void {
  const handle = openSync(path, 'r');
  const bytes = new Uint8Array(8 << 20);
  while (readSync(handle, bytes) > 0);
  closeSync(handle);
}

/** Milliseconds that reading the whole file by direct I/O takes, one block of 8 MiB at a time; null where dd cannot. */
export function directReadMs(path: string): number | null {
  const startMs = performance.now();
  const { status } = spawnSync('dd', [`if=${path}`, 'of=/dev/null', 'iflag=direct', 'bs=8M', 'status=none']);
  return status === 0 ? performance.now() - startMs : null;
}
