// Contestants as processes: started, asked, ended.

import { type ChildProcess, fork } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Measurement, Task } from './protocol.ts';

export interface Player {
  readonly name: string;
  measure(task: Task, seed: number): Promise<Measurement>;
  stop(): Promise<void>;
}

const here = dirname(fileURLToPath(import.meta.url));

/** Starts `script` of this folder and waits until it has loaded the model. Rejects when it ends instead. */
export async function startPlayer(name: string, script: string, model: string, threads: number): Promise<Player> {
  const child = fork(join(here, script), [model, String(threads)], {
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  await answer(name, child);
  return {
    name,
    measure(task, seed) {
      child.send({ task, seed });
      return answer(name, child) as Promise<Measurement>;
    },
    stop: () =>
      new Promise((resolve) => {
        child.once('exit', () => resolve());
        child.disconnect();
      }),
  };
}

function answer(name: string, child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null) => reject(new Error(`${name} ended with code ${code}`));
    child.once('exit', onExit);
    child.once('message', (message) => {
      child.off('exit', onExit);
      resolve(message);
    });
  });
}
