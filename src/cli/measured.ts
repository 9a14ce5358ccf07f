// How a page's numbers came about: the command as typed, the date and the machine.

import { availableParallelism, cpus, totalmem } from 'node:os';
import type { Measured } from '../analysis/page/index.ts';
import { formatBytes } from './format.ts';

/** `args` are those after the command's name; file names are kept as they were typed. */
export function measuredHere(args: readonly string[], seconds: number, method: Measured['method']): Measured {
  const typed = args.map((arg) => (/^[\w@%+=:,./-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", "'\\''")}'`));
  return {
    command: ['octavo', ...typed].join(' '),
    date: new Date().toISOString().replace(/\.\d+Z$/, 'Z'),
    machine: describeMachine(),
    seconds,
    method,
  };
}

function describeMachine(): string {
  const [cpu] = cpus();
  const model = cpu?.model.replaceAll(/\((R|TM)\)/g, '').trim() ?? process.arch;
  return `${model}, ${availableParallelism()} CPUs, ${formatBytes(totalmem())}, Node ${process.versions.node}, ${process.platform}`;
}
