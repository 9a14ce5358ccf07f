// Command lines of the benches: typed values from flags; wrong ones end the process with one line and exit code 2.

import { parseArgs } from 'node:util';
import { formatStolen, processorTimes, stolenShare } from './stolen.ts';

/** What went wrong with a command line, in one line. */
export class UsageError extends Error {}

/** Reads the text of a flag. Throws UsageError. */
type Reader<T> = (text: string, flag: string) => T;

export interface Option<T> {
  readonly read: Reader<T>;
  /** As on a command line; null: absent unless given, and null then. */
  readonly fallback: string | null;
  readonly help: string;
  /** A switch takes no value. */
  readonly isSwitch?: boolean;
}

export function text(fallback: string, help: string): Option<string> {
  return { read: (value) => value, fallback, help };
}

export function optionalText(help: string): Option<string | null> {
  return { read: (value) => value, fallback: null, help };
}

export function integer(fallback: number, help: string, low = 1, high = 2 ** 31 - 1): Option<number> {
  return { read: readInteger(low, high), fallback: String(fallback), help };
}

export function integers(fallback: string, help: string, low = 1, high = 2 ** 31 - 1): Option<readonly number[]> {
  const read = readInteger(low, high);
  return { read: (value, flag) => value.split(',').map((part) => read(part, flag)), fallback, help };
}

/** Null when the flag is not given. */
export function optionalInteger(help: string, low = 1, high = 2 ** 31 - 1): Option<number | null> {
  return { read: readInteger(low, high), fallback: null, help };
}

/** A positive number; null when the flag is not given. */
export function optionalNumber(help: string): Option<number | null> {
  return { read: readPositive, fallback: null, help };
}

export function positive(fallback: number, help: string): Option<number> {
  return { read: readPositive, fallback: String(fallback), help };
}

/** One or several, separated by commas, of `names`. */
export function choices<T extends string>(names: readonly T[], fallback: string, help: string): Option<readonly T[]> {
  return {
    read: (value, flag) =>
      value.split(',').map((part) => {
        const name = part.toLowerCase() as T;
        if (!names.includes(name)) throw new UsageError(`--${flag} ${part} is not one of ${names.join(', ')}`);
        return name;
      }),
    fallback,
    help,
  };
}

export function flag(help: string): Option<boolean> {
  return { read: () => true, fallback: null, help, isSwitch: true };
}

function readInteger(low: number, high: number): Reader<number> {
  return (value, name) => {
    const number = Number(value);
    if (/^\d+$/.test(value) && number >= low && number <= high) return number;
    throw new UsageError(`--${name} ${value} is not an integer from ${low} to ${high}`);
  };
}

function readPositive(value: string, name: string): number {
  const number = Number(value);
  if (value !== '' && number > 0 && Number.isFinite(number)) return number;
  throw new UsageError(`--${name} ${value} is not a positive number`);
}

type Values<T extends Record<string, Option<unknown>>> = {
  readonly [K in keyof T]: T[K] extends Option<infer V> ? V : never;
} & { readonly json: boolean };

/** The values of `args`; `--json` and `--help` are added to `options`. Throws UsageError. Null: help was asked for. */
export function parseOptions<T extends Record<string, Option<unknown>>>(
  args: readonly string[],
  options: T,
): Values<T> | null {
  const known: Record<string, Option<unknown>> = { ...options, json: jsonFlag };
  let given: Record<string, string | boolean | undefined>;
  try {
    ({ values: given } = parseArgs({
      args: [...args],
      options: Object.fromEntries([
        ...Object.entries(known).map(([name, { isSwitch }]) => [name, { type: isSwitch ? 'boolean' : 'string' }]),
        ['help', { type: 'boolean' }],
      ]) as Record<string, { type: 'string' | 'boolean' }>,
    }));
  } catch (error) {
    throw new UsageError((error as Error).message.split(/\.\s|\n/)[0]);
  }
  if (given.help === true) return null;
  const values: Record<string, unknown> = {};
  for (const [name, { read, fallback, isSwitch }] of Object.entries(known)) {
    const value = given[name] ?? fallback;
    values[name] = value === null ? (isSwitch ? false : null) : read(String(value), name);
  }
  return values as Values<T>;
}

const jsonFlag = flag('print one JSON object as the last line');

/** The text of `--help`. */
export function helpText(command: string, what: string, options: Record<string, Option<unknown>>): string {
  const lines = Object.entries({ ...options, json: jsonFlag }).map(([name, { help, fallback }]) => {
    return `  --${name.padEnd(20)} ${help}${fallback === null || fallback === '' ? '' : ` (default: ${fallback})`}`;
  });
  return `npm run ${command} -- [options]\n\n${what}\n\n${lines.join('\n')}`;
}

/** Runs a bench, and tells how much of the processors' time the host took meanwhile: help on stdout with code 0, a wrong command line as one line on stderr with code 2. */
export async function runBench<T extends Record<string, Option<unknown>>>(
  command: string,
  what: string,
  options: T,
  body: (values: Values<T>) => Promise<Record<string, unknown>>,
): Promise<void> {
  try {
    const values = parseOptions(process.argv.slice(2), options);
    if (values === null) {
      console.log(helpText(command, what, options));
      return;
    }
    const before = processorTimes();
    const report = await body(values);
    const stolen = stolenShare(before, processorTimes());
    const told = formatStolen(stolen);
    if (told !== '') console.log(told);
    if (values.json) console.log(JSON.stringify({ bench: command, ...report, stolen }));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${command}: ${error.message}`);
    process.exitCode = 2;
  }
}
