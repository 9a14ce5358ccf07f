// Runs the command as a process of its own, as built in dist/.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const mainPath = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export interface CliRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts `octavo` with `args`. Fails when dist/ is not built. */
export function startCli(args: readonly string[], env: Record<string, string> = {}): ChildProcess {
  if (!existsSync(mainPath)) throw new Error('dist/ is not built: run `npm run build` before the tests');
  return spawn(process.execPath, [mainPath, ...args], {
    cwd: root,
    env: { PATH: process.env.PATH ?? '', NO_COLOR: '1', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}

/** Runs `octavo` to its end, with `input` on standard input. */
export function runCli(args: readonly string[], input = '', env: Record<string, string> = {}): Promise<CliRun> {
  const child = startCli(args, env);
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (data) => {
    stdout += data;
  });
  child.stderr?.on('data', (data) => {
    stderr += data;
  });
  child.stdin?.end(input);
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr })));
}
