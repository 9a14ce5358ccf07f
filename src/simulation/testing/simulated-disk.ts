// A disk in memory that takes its time and does what a plan says: operations fail, hang, transfer too little or something else; and
// a process on it that can die at any operation and is heard of no more.

import type { TierFile, TierFiles } from '../../tiers/index.ts';
import {
  createMemoryFiles,
  type FileFault,
  type FileOperation,
  type MemoryFiles,
} from '../../tiers/testing/memory-files.ts';
import type { VirtualTime } from './virtual-time.ts';

/** What happens to an operation instead of its work: a fault of the files, or it takes that long. */
export type DiskFault = FileFault | { readonly hangMs: number };

export interface SimulatedDiskOptions {
  readonly time: VirtualTime;
  /** Milliseconds that an operation takes when nothing is wrong. */
  readonly latencyMs: (operation: FileOperation) => number;
  readonly diskBytes?: number;
  readonly log: (line: string) => void;
}

export interface ProcessFiles {
  readonly files: TierFiles;
  /** Nothing that the process has begun ends, and nothing that it begins is done. */
  die(): void;
}

export interface SimulatedDisk {
  readonly files: MemoryFiles;
  readonly faults: number;
  /** Decides about each operation; null: none fails. */
  plan: ((operation: FileOperation) => DiskFault | null) | null;
  /** `onDeath`: an operation killed the process (`crash` and `torn`). */
  startProcess(onDeath: () => void): ProcessFiles;
}

export function createSimulatedDisk({ time, latencyMs, diskBytes, log }: SimulatedDiskOptions): SimulatedDisk {
  let faults = 0;
  /** Decided when an operation begins, as it has to be known how long it takes; done when it ends. */
  const decided = new Map<number, FileFault>();

  const files = createMemoryFiles({
    diskBytes,
    async delay(operation) {
      const fault = disk.plan?.(operation) ?? null;
      let takesMs = latencyMs(operation);
      if (fault !== null) {
        faults++;
        if (typeof fault === 'object') takesMs += fault.hangMs;
        else decided.set(operation.index, fault);
        log(
          `disk ${operation.index} ${operation.name}: ${typeof fault === 'object' ? `hangs ${fault.hangMs}` : fault}`,
        );
      }
      await time.sleep(takesMs);
    },
    decide({ index }) {
      const fault = decided.get(index) ?? null;
      decided.delete(index);
      return fault;
    },
  });

  const disk: SimulatedDisk = {
    files,
    plan: null,
    get faults() {
      return faults;
    },
    startProcess(onDeath) {
      let isAlive = true;

      /** What a dead process waits for never comes. */
      function attempt<T>(work: () => Promise<T>): Promise<T> {
        if (!isAlive) return new Promise<T>(() => {});
        return new Promise<T>((resolve, reject) => {
          work().then(
            (value) => {
              if (isAlive) resolve(value);
            },
            (error: unknown) => {
              if (!isAlive) return;
              if ((error as { code?: string }).code !== 'EDEAD') return reject(error);
              isAlive = false;
              onDeath();
            },
          );
        });
      }

      function wrap(file: TierFile): TierFile {
        return {
          isDirect: file.isDirect,
          sizeBytes: () => attempt(() => file.sizeBytes()),
          read: (buffers, position) => attempt(() => file.read(buffers, position)),
          write: (buffers, position) => attempt(() => file.write(buffers, position)),
          resize: (bytes) => attempt(() => file.resize(bytes)),
          sync: () => attempt(() => file.sync()),
          close: () => attempt(() => file.close()),
        };
      }

      return {
        die() {
          isAlive = false;
        },
        files: {
          makeFolder: (path) => attempt(() => files.makeFolder(path)),
          list: (folder) => attempt(() => files.list(folder)),
          open: (path, options) => attempt(async () => wrap(await files.open(path, options))),
          rename: (from, to) => attempt(() => files.rename(from, to)),
          remove: (path) => attempt(() => files.remove(path)),
          syncFolder: (path) => attempt(() => files.syncFolder(path)),
          lock: (path) =>
            attempt(async () => {
              const lock = await files.lock(path);
              return lock === null ? null : { release: () => attempt(() => lock.release()) };
            }),
        },
      };
    },
  };
  return disk;
}
