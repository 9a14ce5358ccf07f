// `octavo serve` as a process of its own: started, waited for, stopped.

import { type ChildProcess, spawn } from 'node:child_process';

export interface ServeProcess {
  readonly url: string;
  readonly pid: number | undefined;
  stop(): Promise<void>;
}

export interface ServeProcessOptions {
  /** Arguments of node before `serve`: the script, and what loads it. */
  readonly entry: readonly string[];
  /** Model and flags. `--port 0` is added. */
  readonly args: readonly string[];
  readonly cwd?: string;
}

/** Starts it on a free port and waits until it listens. Rejects with what it wrote when it ends instead. */
export async function startServeProcess({ entry, args, cwd }: ServeProcessOptions): Promise<ServeProcess> {
  const child = spawn(process.execPath, [...entry, 'serve', ...args, '--port', '0'], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1' },
  });
  const url = await untilListening(child);
  return {
    url,
    pid: child.pid,
    stop: () =>
      new Promise((resolve) => {
        if (child.exitCode !== null) resolve();
        child.once('exit', () => resolve());
        child.kill('SIGTERM');
      }),
  };
}

function untilListening(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let written = '';
    const onText = (chunk: Buffer) => {
      written += chunk.toString('utf8');
      const match = /(http:\/\/[\d.]+:\d+)\/v1/.exec(written);
      if (match !== null) resolve(match[1]);
    };
    child.stdout?.on('data', onText);
    child.stderr?.on('data', onText);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`octavo serve ended with code ${code}:\n${written}`)));
  });
}
