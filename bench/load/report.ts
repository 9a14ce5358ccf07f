// What one process that loaded a model tells, and how it tells it.

import { readFileSync } from 'node:fs';

/** Times in milliseconds. */
export interface LoadReport {
  /** From the start of the process to the first call of the library: Node and modules. */
  readonly modulesMs: number;
  /** From that call until requests are taken. */
  readonly loadMs: number;
  /** From then until the first token of a prompt of one token is there. */
  readonly firstTokenMs: number;
  /** Highest resident memory of the process, mapped files included; before the library was called, and in the end. */
  readonly baselineBytes: number;
  readonly peakBytes: number;
  /** Ours only. */
  readonly memory: { readonly weightBytes: number; readonly kvBytes: number } | null;
}

/** Highest resident memory of this process so far, in bytes (Linux; else 0). */
function peakResidentBytes(): number {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

export interface LoadedSide {
  readonly memory: LoadReport['memory'];
  /** Resolves when the first token that follows this prompt is there. */
  firstToken(tokenIds: readonly number[]): Promise<void>;
  close(): Promise<void>;
}

/** Loads, asks for one token, and prints the report as one line of JSON. */
export async function reportLoad(load: () => Promise<LoadedSide>): Promise<void> {
  const modulesMs = performance.now();
  const baselineBytes = peakResidentBytes();
  const side = await load();
  const loadedMs = performance.now();
  await side.firstToken([300]);
  const readyMs = performance.now();
  const report: LoadReport = {
    modulesMs,
    loadMs: loadedMs - modulesMs,
    firstTokenMs: readyMs - loadedMs,
    baselineBytes,
    peakBytes: peakResidentBytes(),
    memory: side.memory,
  };
  await side.close();
  console.log(JSON.stringify(report));
}
