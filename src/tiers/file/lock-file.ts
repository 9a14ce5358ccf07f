// One process per directory: a lock file that names its owner, and is taken from an owner that is gone.

import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import type { TierLock } from './tier-files.ts';

interface Owner {
  readonly pid: number;
  /** What tells this process from an earlier one with its number: its start, as the system or else as Node gives it. */
  readonly start: string;
  readonly token: string;
}

/** Ticks at which a process started, with the boot that they count from; null where the system does not say. */
async function startOf(pid: number): Promise<string | null> {
  try {
    const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The name, in brackets, may hold anything; the fields after it are numbers.
    return `${boot}:${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}`;
  } catch {
    return null;
  }
}

const startOfNode = () => `node:${Math.round(performance.timeOrigin)}`;

async function isAlive(owner: Owner): Promise<boolean> {
  if (owner.pid === process.pid) return owner.start === ((await startOf(process.pid)) ?? startOfNode());
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    // Alive, but somebody else's.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const start = await startOf(owner.pid);
  return start === null || owner.start.startsWith('node:') || owner.start === start;
}

/** Null while the file does not exist or is not a whole lock (its writer died at the wrong moment). */
async function readOwner(path: string): Promise<Owner | null> {
  try {
    const owner = JSON.parse(await readFile(path, 'utf8')) as Partial<Owner>;
    if (!Number.isInteger(owner.pid) || typeof owner.start !== 'string') return null;
    return owner as Owner;
  } catch {
    return null;
  }
}

/** Takes the lock at `path`, or gives null if a living process (this one included) has it. */
export async function lockFile(path: string): Promise<TierLock | null> {
  const token = randomUUID();
  const own: Owner = { pid: process.pid, start: (await startOf(process.pid)) ?? startOfNode(), token };
  // A link is made whole or not at all, and never over an existing one.
  const draft = `${path}.${token}`;
  await writeFile(draft, JSON.stringify(own), { flag: 'wx', mode: 0o600 });
  try {
    for (let attempt = 0; attempt < 3; attempt++) {
      try {
        await link(draft, path);
        return {
          async release() {
            if ((await readOwner(path))?.token === token) await rm(path, { force: true });
          },
        };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const owner = await readOwner(path);
      if (owner !== null && (await isAlive(owner))) return null;
      // Moved aside first: of two that find the same dead owner, one moves it and the other finds nothing, or
      // the new owner's lock, which it puts back.
      const aside = `${draft}.old`;
      try {
        await rename(path, aside);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
        continue;
      }
      const moved = await readOwner(aside);
      if (moved !== null && moved.token !== owner?.token) await link(aside, path).catch(() => undefined);
      await rm(aside, { force: true });
    }
    return null;
  } finally {
    await rm(draft, { force: true });
  }
}
