// Parsers of flag values: a value, or a commander error that says what was expected.

import { InvalidArgumentError } from 'commander';

/** An integer in [low, high]. */
export function integerFlag(low: number, high: number = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^-?\d+$/.test(text.trim()) && value >= low && value <= high) return value;
    const range =
      high === Number.MAX_SAFE_INTEGER ? `an integer of at least ${low}` : `an integer from ${low} to ${high}`;
    throw new InvalidArgumentError(`Expected ${range}.`);
  };
}

/** A number in [low, high]. */
export function numberFlag(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && value >= low && value <= high) return value;
    throw new InvalidArgumentError(`Expected a number from ${low} to ${high}.`);
  };
}

const byteFactors: Readonly<Record<string, number>> = {
  '': 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
};

/** Bytes, with an optional binary suffix: `536870912`, `512M`, `2G`, `1.5GiB`. */
export function bytesFlag(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim());
  const bytes = match === null ? 0 : Math.floor(Number(match[1]) * byteFactors[match[2].toLowerCase()]);
  if (bytes < 1 || bytes > Number.MAX_SAFE_INTEGER) {
    throw new InvalidArgumentError('Expected bytes with an optional suffix, such as 536870912, 512M or 2G.');
  }
  return bytes;
}

/** Collects a flag that may be given several times. */
export function repeatedFlag(text: string, previous: readonly string[] | undefined): string[] {
  return [...(previous ?? []), text];
}
