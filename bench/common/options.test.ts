// Command lines of the benches: what is read, and what is refused in one line.

import { describe, expect, it } from 'vitest';
import { choices, flag, helpText, integer, integers, optionalNumber, parseOptions, UsageError } from './options.ts';

const options = {
  runs: integer(5, 'runs', 1, 100),
  rows: integers('1,4', 'rows'),
  type: choices(['q8_0', 'f16'] as const, 'q8_0', 'types'),
  rate: optionalNumber('rate'),
  peer: flag('the peer'),
};

describe('options', () => {
  it('have their defaults', () => {
    const expected = { runs: 5, rows: [1, 4], type: ['q8_0'], rate: null, peer: false, json: false };
    expect(parseOptions([], options)).toEqual(expected);
  });

  it('are read', () => {
    const args = ['--runs', '7', '--rows', '2,8', '--type', 'F16,q8_0', '--rate=1.5', '--peer', '--json'];
    const expected = { runs: 7, rows: [2, 8], type: ['f16', 'q8_0'], rate: 1.5, peer: true, json: true };
    expect(parseOptions(args, options)).toEqual(expected);
  });

  it('ask for help', () => {
    expect(parseOptions(['--help'], options)).toBeNull();
    const help = helpText('bench:x', 'What it does.', options);
    for (const name of [...Object.keys(options), 'json']) expect(help).toContain(`--${name}`);
  });

  it.each([
    [['--runs', '0'], '--runs 0 is not an integer from 1 to 100'],
    [['--runs', '1e1'], '--runs 1e1 is not an integer'],
    [['--rows', '1,,2'], '--rows  is not an integer'],
    [['--type', 'q9'], '--type q9 is not one of q8_0, f16'],
    [['--rate', '-1'], 'rate'],
    [['--rate', '0'], '--rate 0 is not a positive number'],
    [['--nothing'], "Unknown option '--nothing'"],
    [['stray'], "Unexpected argument 'stray'"],
  ])('refuse %j', (args, message) => {
    let refused: unknown;
    try {
      parseOptions(args, options);
    } catch (error) {
      refused = error;
    }
    expect(refused).toBeInstanceOf(UsageError);
    expect((refused as UsageError).message).toContain(message);
    expect((refused as UsageError).message).not.toContain('\n');
  });
});
