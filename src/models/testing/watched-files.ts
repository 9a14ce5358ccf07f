// Files in memory that record what is asked of them, and a watch over the typed arrays that code creates meanwhile.

import { IntegrityError } from '../../errors/errors.ts';
import { bytesAsFile, missingFileError, type OpenFile } from '../file.ts';

export interface WatchedFiles {
  readonly open: OpenFile;
  /** Files opened and not yet closed. */
  openCount(): number;
  /** Bytes of all reads. */
  readBytes(): number;
  /** Size of all files together. */
  readonly sizeBytes: number;
}

/** Serves `files` by their last path part. A read outside a file is an IntegrityError: readers must check first. */
export function watchFiles(files: ReadonlyMap<string, Uint8Array>): WatchedFiles {
  let openCount = 0;
  let readBytes = 0;
  let sizeBytes = 0;
  for (const content of files.values()) sizeBytes += content.length;
  return {
    sizeBytes,
    openCount: () => openCount,
    readBytes: () => readBytes,
    async open(path) {
      const content = files.get(path.slice(path.lastIndexOf('/') + 1));
      if (content === undefined) throw missingFileError(path);
      const file = bytesAsFile(path, content);
      openCount++;
      return {
        ...file,
        async read(offset, into) {
          if (!Number.isSafeInteger(offset) || offset < 0 || offset + into.length > content.length) {
            throw new IntegrityError(`Read of ${into.length} bytes at ${offset} of a file of ${content.length}.`);
          }
          readBytes += into.length;
          await file.read(offset, into);
        },
        async close() {
          openCount--;
        },
      };
    },
  };
}

const watchedConstructors = [
  'ArrayBuffer',
  'Uint8Array',
  'Int8Array',
  'Uint16Array',
  'Int16Array',
  'Uint32Array',
  'Int32Array',
  'Float32Array',
  'Float64Array',
  'BigUint64Array',
  'BigInt64Array',
] as const;

/**
 * Runs `action` and tells the largest array buffer, in bytes, that it created by length (`new Float32Array(n)`,
 * `Buffer.alloc(n)`, …). Not for concurrent use: it replaces globals meanwhile.
 */
export async function largestAllocation<T>(action: () => Promise<T>): Promise<{ value: T; largestBytes: number }> {
  let largestBytes = 0;
  const globals = globalThis as unknown as Record<string, NewableFunction>;
  const originals = new Map<string, NewableFunction>();
  for (const name of watchedConstructors) {
    const original = globals[name];
    originals.set(name, original);
    const elementBytes = (original as { readonly BYTES_PER_ELEMENT?: number } & NewableFunction).BYTES_PER_ELEMENT ?? 1;
    globals[name] = new Proxy(original, {
      construct(target, args, newTarget) {
        if (typeof args[0] === 'number') largestBytes = Math.max(largestBytes, args[0] * elementBytes);
        return Reflect.construct(target, args, newTarget === globals[name] ? target : newTarget);
      },
    });
  }
  const { alloc, allocUnsafe } = Buffer;
  const watch = (make: (...args: never[]) => Buffer) => {
    return (...args: [number]) => {
      largestBytes = Math.max(largestBytes, args[0]);
      return Reflect.apply(make, Buffer, args);
    };
  };
  Buffer.alloc = watch(alloc);
  Buffer.allocUnsafe = watch(allocUnsafe);
  try {
    const value = await action();
    return { value, largestBytes };
  } finally {
    for (const [name, original] of originals) globals[name] = original;
    Buffer.alloc = alloc;
    Buffer.allocUnsafe = allocUnsafe;
  }
}
