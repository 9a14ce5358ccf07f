// A file system in memory for tests of tiers: any operation can fail, be cut short, be torn by a crash, or lie.

import { IO_ALIGNMENT, isAligned } from '../../tensor/aligned-memory.ts';
import type { TierFile, TierFiles, TierLock } from '../file/tier-files.ts';

/**
 * What an operation does instead of its work. Codes: it fails so, changing nothing. `short`: transfers half. `torn`: writes half,
 * then the process dies. `crash`: the process dies before it. `flip`: transfers with one bit changed, and says nothing.
 */
export type FileFault = 'EIO' | 'ENOSPC' | 'ENOENT' | 'short' | 'torn' | 'crash' | 'flip';

export type FileOperationName =
  | 'folder'
  | 'list'
  | 'open'
  | 'size'
  | 'read'
  | 'write'
  | 'resize'
  | 'sync'
  | 'close'
  | 'rename'
  | 'remove'
  | 'lock';

export interface FileOperation {
  /** Counted from 1. */
  readonly index: number;
  readonly name: FileOperationName;
  readonly path: string;
}

interface Node {
  bytes: Uint8Array;
  durable: Uint8Array;
}

export interface MemoryFilesOptions {
  /** Whether files that are asked for direct I/O have it, with its rules. Defaults to true. */
  readonly isDirect?: boolean;
  /** Asked before each operation. */
  readonly decide?: (operation: FileOperation) => FileFault | null;
  /** Awaited before each operation: a slow disk. */
  readonly delay?: (operation: FileOperation) => Promise<void>;
  /** Bytes that all files may have together. */
  readonly diskBytes?: number;
}

export interface MemoryFiles extends TierFiles {
  readonly operationCount: number;
  readonly openFileCount: number;
  readonly totalBytes: number;
  /** The largest that `totalBytes` has been. */
  readonly peakBytes: number;
  decide: ((operation: FileOperation) => FileFault | null) | null;
  /** The process is gone: its files are closed, its locks void. With `lose`, sectors that were not synced may be lost too. */
  restart(lose?: () => boolean): void;
  /** Removes all folders and all in them while they are in use: nothing can be made there until `makeFolder`. */
  vanish(): void;
  flipBit(path: string, byte: number): void;
  sizeOf(path: string): number;
  paths(): string[];
}

const SECTOR_BYTES = 512;

function fault(code: string): Error {
  return Object.assign(new Error(code), { code });
}

export function createMemoryFiles(options: MemoryFilesOptions = {}): MemoryFiles {
  const { diskBytes = Number.POSITIVE_INFINITY } = options;
  const nodes = new Map<string, Node>();
  const locks = new Set<string>();
  let operationCount = 0;
  let openFileCount = 0;
  let peakBytes = 0;
  let isDead = false;
  let life = 0;
  let hasVanished = false;

  const totalBytes = () => [...nodes.values()].reduce((sum, { bytes }) => sum + bytes.byteLength, 0);

  async function begin(name: FileOperationName, path: string): Promise<FileFault | null> {
    const operation = { index: ++operationCount, name, path };
    const bornIn = life;
    await options.delay?.(operation);
    await Promise.resolve();
    if (isDead || bornIn !== life) throw fault('EDEAD');
    const decided = files.decide?.(operation) ?? null;
    if (decided === 'crash') {
      isDead = true;
      throw fault('EDEAD');
    }
    if (decided === 'EIO' || decided === 'ENOSPC' || decided === 'ENOENT') throw fault(decided);
    return decided;
  }

  function nodeAt(path: string): Node {
    const node = nodes.get(path);
    if (node === undefined) throw fault('ENOENT');
    return node;
  }

  function setSize(node: Node, size: number): void {
    if (size > node.bytes.byteLength && totalBytes() + size - node.bytes.byteLength > diskBytes) throw fault('ENOSPC');
    const bytes = new Uint8Array(size);
    bytes.set(node.bytes.subarray(0, size));
    node.bytes = bytes;
    peakBytes = Math.max(peakBytes, totalBytes());
  }

  function wrap(path: string, node: Node, isDirect: boolean): TierFile {
    const born = life;
    openFileCount++;
    const check = (buffers: readonly Uint8Array[], position: number) => {
      if (born !== life) throw fault('EBADF');
      if (!isDirect) return;
      const isRight = (buffer: Uint8Array) => isAligned(buffer) && buffer.byteLength % IO_ALIGNMENT === 0;
      if (position % IO_ALIGNMENT !== 0 || !buffers.every(isRight)) throw fault('EINVAL');
    };
    return {
      isDirect,
      async sizeBytes() {
        await begin('size', path);
        return node.bytes.byteLength;
      },
      async read(buffers, position) {
        check(buffers, position);
        const decided = await begin('read', path);
        let at = position;
        const wanted = buffers.reduce((sum, { byteLength }) => sum + byteLength, 0);
        const end = Math.min(node.bytes.byteLength, position + (decided === 'short' ? Math.floor(wanted / 2) : wanted));
        for (const buffer of buffers) {
          const part = node.bytes.subarray(at, Math.min(end, at + buffer.byteLength));
          buffer.set(part);
          if (decided === 'flip' && part.byteLength > 0) buffer[part.byteLength >> 1] ^= 16;
          at += part.byteLength;
        }
        return at - position;
      },
      async write(buffers, position) {
        check(buffers, position);
        const decided = await begin('write', path);
        const all = new Uint8Array(buffers.reduce((sum, { byteLength }) => sum + byteLength, 0));
        let at = 0;
        for (const buffer of buffers) {
          all.set(buffer, at);
          at += buffer.byteLength;
        }
        const isHalf = decided === 'short' || decided === 'torn';
        const part = isHalf ? all.subarray(0, Math.floor(all.byteLength / 2)) : all;
        if (decided === 'flip') part[part.byteLength >> 1] ^= 16;
        if (position + part.byteLength > node.bytes.byteLength) setSize(node, position + part.byteLength);
        node.bytes.set(part, position);
        if (decided === 'torn') {
          isDead = true;
          throw fault('EDEAD');
        }
        return part.byteLength;
      },
      async resize(bytes) {
        await begin('resize', path);
        setSize(node, bytes);
      },
      async sync() {
        await begin('sync', path);
        node.durable = node.bytes.slice();
      },
      async close() {
        if (born === life) openFileCount--;
        await begin('close', path);
      },
    };
  }

  const files: MemoryFiles = {
    decide: options.decide ?? null,
    get operationCount() {
      return operationCount;
    },
    get openFileCount() {
      return openFileCount;
    },
    get totalBytes() {
      return totalBytes();
    },
    get peakBytes() {
      return peakBytes;
    },
    async makeFolder(path) {
      await begin('folder', path);
      hasVanished = false;
    },
    async list(folder) {
      await begin('list', folder);
      if (hasVanished) throw fault('ENOENT');
      const inside = [...nodes.keys()].filter((path) => path.startsWith(`${folder}/`));
      return [...new Set(inside.map((path) => path.slice(folder.length + 1).split('/')[0]))];
    },
    async open(path, { wantsDirect, creates }) {
      await begin('open', path);
      if (hasVanished) throw fault('ENOENT');
      if (creates && !nodes.has(path)) nodes.set(path, { bytes: new Uint8Array(), durable: new Uint8Array() });
      return wrap(path, nodeAt(path), wantsDirect && (options.isDirect ?? true));
    },
    async rename(from, to) {
      await begin('rename', from);
      const node = nodeAt(from);
      nodes.delete(from);
      nodes.set(to, node);
    },
    async remove(path) {
      await begin('remove', path);
      nodes.delete(path);
    },
    async syncFolder(path) {
      await begin('sync', path);
      if (hasVanished) throw fault('ENOENT');
    },
    async lock(path): Promise<TierLock | null> {
      await begin('lock', path);
      if (hasVanished) throw fault('ENOENT');
      if (locks.has(path)) return null;
      locks.add(path);
      return {
        async release() {
          locks.delete(path);
        },
      };
    },
    restart(lose) {
      life++;
      isDead = false;
      openFileCount = 0;
      locks.clear();
      for (const node of nodes.values()) {
        if (lose !== undefined) {
          for (let at = 0; at < node.bytes.byteLength; at += SECTOR_BYTES) {
            const end = Math.min(node.bytes.byteLength, at + SECTOR_BYTES);
            if (!lose()) continue;
            node.bytes.fill(0, at, end);
            node.bytes.set(node.durable.subarray(at, end), at);
          }
        }
        node.durable = node.bytes.slice();
      }
    },
    vanish() {
      nodes.clear();
      hasVanished = true;
    },
    flipBit(path, byte) {
      nodeAt(path).bytes[byte] ^= 1;
    },
    sizeOf: (path) => nodeAt(path).bytes.byteLength,
    paths: () => [...nodes.keys()],
  };
  return files;
}
