// Random-access files as the readers of model files see them, and the Node implementation.

import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { ModelFileError } from '../errors/errors.ts';

/** A file whose size is known and that can be read at any offset. Tests and browsers bring their own. */
export interface RandomAccessFile {
  /** For messages. */
  readonly path: string;
  readonly sizeBytes: number;
  /** The system's number of the open file, if it is one of the system's. */
  readonly descriptor?: number;
  /** Fills `into` from `offset`. Rejects with ModelFileError when the file is shorter or cannot be read. */
  read(offset: number, into: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

// One read call of the operating system takes at most 2 GiB less a page.
const maxReadBytes = 1 << 30;
const missingDetail = 'does not exist';

/**
 * Opens a regular file for reading.
 *
 * @throws ModelFileError when it does not exist, is a folder, or cannot be opened
 */
export async function openFile(path: string): Promise<RandomAccessFile> {
  let handle: FileHandle;
  try {
    handle = await open(path, 'r');
  } catch (cause) {
    throw new ModelFileError(path, describeSystemError(cause), { cause });
  }
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw new ModelFileError(path, 'is not a regular file');
    return nodeFile(path, handle, stat.size);
  } catch (cause) {
    await handle.close();
    if (cause instanceof ModelFileError) throw cause;
    throw new ModelFileError(path, describeSystemError(cause), { cause });
  }
}

function nodeFile(path: string, handle: FileHandle, sizeBytes: number): RandomAccessFile {
  return {
    path,
    sizeBytes,
    descriptor: handle.fd,
    async read(offset, into) {
      let filledBytes = 0;
      while (filledBytes < into.length) {
        const lengthBytes = Math.min(into.length - filledBytes, maxReadBytes);
        let readBytes: number;
        try {
          ({ bytesRead: readBytes } = await handle.read(into, filledBytes, lengthBytes, offset + filledBytes));
        } catch (cause) {
          throw new ModelFileError(path, `reading at ${offset + filledBytes}: ${describeSystemError(cause)}`, {
            cause,
          });
        }
        if (readBytes === 0) {
          throw new ModelFileError(
            path,
            `ends at byte ${offset + filledBytes}, but ${into.length} bytes were to be read from byte ${offset}`,
          );
        }
        filledBytes += readBytes;
      }
    },
    close: () => handle.close(),
  };
}

/** A file that lives in memory. */
export function bytesAsFile(path: string, bytes: Uint8Array): RandomAccessFile {
  return {
    path,
    sizeBytes: bytes.length,
    async read(offset, into) {
      if (offset < 0 || offset + into.length > bytes.length) {
        throw new ModelFileError(
          path,
          `has ${bytes.length} bytes, but ${into.length} bytes were to be read from byte ${offset}`,
        );
      }
      into.set(bytes.subarray(offset, offset + into.length));
    },
    async close() {},
  };
}

/** Opens a file by path, or rejects with ModelFileError. */
export type OpenFile = (path: string) => Promise<RandomAccessFile>;

/** The error of a file that is not there, which `openFileIfPresent` turns into null. */
export function missingFileError(path: string, cause?: unknown): ModelFileError {
  return new ModelFileError(path, missingDetail, { cause });
}

/** Opens a file that may be absent: null where it is. Other failures reject as ever. */
export async function openFileIfPresent(path: string, open: OpenFile = openFile): Promise<RandomAccessFile | null> {
  try {
    return await open(path);
  } catch (error) {
    if (error instanceof ModelFileError && error.detail === missingDetail) return null;
    throw error;
  }
}

function describeSystemError(cause: unknown): string {
  const code = (cause as NodeJS.ErrnoException | null)?.code;
  if (code === 'ENOENT') return missingDetail;
  if (code === 'EACCES' || code === 'EPERM') return 'may not be read (permission denied)';
  return cause instanceof Error ? cause.message : String(cause);
}

/** Where a file is written to, front to back. */
export interface ByteSink {
  /** Has taken the bytes when its promise resolves, so the caller may reuse the array. */
  write(bytes: Uint8Array): Promise<void>;
}

/**
 * Writes a file front to back through `produce`. The bytes go to `<path>.partial`, which becomes `path` when all is
 * written and is removed when anything fails, so that `path` is never half a file.
 *
 * @throws ModelFileError when the file cannot be written
 */
export async function writeFileAtomically(path: string, produce: (sink: ByteSink) => Promise<void>): Promise<void> {
  const partialPath = `${path}.partial`;
  let handle: FileHandle;
  try {
    handle = await open(partialPath, 'w');
  } catch (cause) {
    throw new ModelFileError(path, `cannot be written: ${describeSystemError(cause)}`, { cause });
  }
  try {
    await produce({
      async write(bytes) {
        let writtenBytes = 0;
        try {
          while (writtenBytes < bytes.length) {
            const result = await handle.write(bytes, writtenBytes, Math.min(bytes.length - writtenBytes, maxReadBytes));
            writtenBytes += result.bytesWritten;
          }
        } catch (cause) {
          throw new ModelFileError(path, `cannot be written: ${describeSystemError(cause)}`, { cause });
        }
      },
    });
    await handle.close();
    await rename(partialPath, path);
  } catch (error) {
    await handle.close().catch(() => {});
    await rm(partialPath, { force: true });
    throw error;
  }
}
