// `octavo serve` as a process of its own: started, watched, stopped.

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startServeProcess } from '../../src/cli/load/serve-process.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

export interface ServerOptions {
  readonly model: string;
  readonly threads: number;
  readonly maxModelLen: number;
  readonly maxNumSeqs: number;
  readonly kvCacheMemoryBytes: string;
  readonly extraFlags: readonly string[];
}

export interface ServedProcess {
  readonly url: string;
  /** What was started: built files, or the sources through tsx. */
  readonly from: 'dist' | 'src through tsx';
  /** Highest resident memory so far, in bytes; null where /proc is missing. */
  peakResidentBytes(): number | null;
  stop(): Promise<void>;
}

/** Starts it on a free port and waits until it listens. Rejects with what it wrote when it ends instead. */
export async function startServer(options: ServerOptions): Promise<ServedProcess> {
  const isBuilt = isDistFresh();
  const entry = isBuilt ? ['dist/cli/main.js'] : ['--import', 'tsx', 'src/cli/main.ts'];
  const flags = [
    ...['--threads', String(options.threads)],
    ...['--max-model-len', String(options.maxModelLen)],
    ...['--max-num-seqs', String(options.maxNumSeqs)],
    ...['--kv-cache-memory-bytes', options.kvCacheMemoryBytes],
    ...options.extraFlags,
  ];
  const served = await startServeProcess({ entry, args: [options.model, ...flags], cwd: root });
  return {
    url: served.url,
    from: isBuilt ? 'dist' : 'src through tsx',
    peakResidentBytes: () => peakResidentBytes(served.pid),
    stop: served.stop,
  };
}

/** Whether `npm run build` has run since the sources changed. */
function isDistFresh(): boolean {
  const entry = join(root, 'dist/cli/main.js');
  if (!existsSync(entry)) return false;
  const builtMs = newestMs(join(root, 'dist'));
  return builtMs >= newestMs(join(root, 'src'));
}

function newestMs(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((newest, entry) => Math.max(newest, statSync(join(entry.parentPath, entry.name)).mtimeMs), 0);
}

/** Highest resident memory of a process, in bytes (Linux), or null. */
export function peakResidentBytes(pid: number | undefined): number | null {
  try {
    const match = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return match === null ? null : Number(match[1]) * 1024;
  } catch {
    return null;
  }
}
