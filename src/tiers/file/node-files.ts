// TierFiles over Node's file system: direct I/O where it works, tried once on each file.

import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { allocateAligned, IO_ALIGNMENT, isAligned } from '../../tensor/aligned-memory.ts';
import { lockFile } from './lock-file.ts';
import type { TierFile, TierFiles } from './tier-files.ts';

const OPEN_FLAGS = constants.O_RDWR;
/** Not on every system. */
const DIRECT_FLAG = (constants as { O_DIRECT?: number }).O_DIRECT ?? 0;

/**
 * A folder and what it lies in. Not `recursive`: Node's search for a parent never ends where one exists and takes no folders (/proc).
 */
async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return;
    const parent = dirname(path);
    const isParentMissing = code === 'ENOENT' && parent !== path && (await stat(parent).catch(() => null)) === null;
    if (!isParentMissing) throw error;
    await makeFolder(parent);
    await mkdir(path);
  }
}

/** The file system of this machine. */
export function createNodeFiles(): TierFiles {
  return {
    makeFolder,
    list: (folder) => readdir(folder),
    async open(path, { wantsDirect, creates }) {
      const flags = OPEN_FLAGS | (creates ? constants.O_CREAT : 0);
      if (wantsDirect && DIRECT_FLAG !== 0) {
        const handle = await openDirect(path, flags | DIRECT_FLAG);
        if (handle !== null) return wrap(handle, true);
      }
      return wrap(await open(path, flags, 0o600), false);
    },
    rename: (from, to) => rename(from, to),
    remove: (path) => rm(path, { force: true }),
    async syncFolder(path) {
      const handle = await open(path, constants.O_RDONLY);
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    },
    lock: lockFile,
  };
}

/** Null: this file system has no direct I/O, or wants another alignment than ours. */
async function openDirect(path: string, flags: number): Promise<FileHandle | null> {
  const buffer = allocateAligned(IO_ALIGNMENT);
  if (!isAligned(buffer)) return null;
  let handle: FileHandle;
  try {
    handle = await open(path, flags, 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EINVAL') return null;
    throw error;
  }
  try {
    await handle.read(buffer, 0, IO_ALIGNMENT, 0);
    return handle;
  } catch (error) {
    await handle.close();
    if ((error as NodeJS.ErrnoException).code === 'EINVAL') return null;
    throw error;
  }
}

function wrap(handle: FileHandle, isDirect: boolean): TierFile {
  return {
    isDirect,
    async sizeBytes() {
      return (await handle.stat()).size;
    },
    async read(buffers, position) {
      if (buffers.length === 1) return (await handle.read(buffers[0], 0, buffers[0].byteLength, position)).bytesRead;
      return (await handle.readv(buffers as Uint8Array[], position)).bytesRead;
    },
    async write(buffers, position) {
      if (buffers.length === 1) {
        return (await handle.write(buffers[0], 0, buffers[0].byteLength, position)).bytesWritten;
      }
      return (await handle.writev(buffers as Uint8Array[], position)).bytesWritten;
    },
    resize: (bytes) => handle.truncate(bytes),
    sync: () => handle.datasync(),
    close: () => handle.close(),
  };
}
