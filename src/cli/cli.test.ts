// Flag values, number formats and error reports of the command.

import { Writable } from 'node:stream';
import { InvalidArgumentError } from 'commander';
import { describe, expect, test } from 'vitest';
import { HubError, MemoryPlanError, ModelFileError } from '../errors/index.ts';
import { CliError, reportError } from './cli-error.ts';
import { bytesFlag, integerFlag, numberFlag } from './flag-values.ts';
import { formatBytes, formatCount, formatParameters } from './format.ts';
import { resolveModel } from './resolve-model.ts';

describe('flag values', () => {
  test.each([
    ['536870912', 536_870_912],
    ['512M', 512 * 1024 ** 2],
    ['2G', 2 * 1024 ** 3],
    ['1.5GiB', 1.5 * 1024 ** 3],
    ['64kb', 65_536],
  ])('%s is %d bytes', (text, bytes) => {
    expect(bytesFlag(text)).toBe(bytes);
  });

  test.each(['', '0', '-1', '5X', '1.5.2', 'G', '99999999999999999G'])('"%s" is no number of bytes', (text) => {
    expect(() => bytesFlag(text)).toThrow(InvalidArgumentError);
  });

  test('integers and numbers within their range', () => {
    expect(integerFlag(1, 5)('5')).toBe(5);
    expect(numberFlag(0, 2)('0.5')).toBe(0.5);
    for (const text of ['0', '6', '1.5', '', 'x', '1e0']) expect(() => integerFlag(1, 5)(text)).toThrow('from 1 to 5');
    for (const text of ['-0.1', '2.1', '', 'NaN']) expect(() => numberFlag(0, 2)(text)).toThrow('from 0 to 2');
  });
});

test('numbers for people', () => {
  expect(formatBytes(0)).toBe('0 B');
  expect(formatBytes(1536)).toBe('1.5 KiB');
  expect(formatBytes(320 * 1024 ** 2)).toBe('320 MiB');
  expect(formatCount(1_234_567)).toBe('1,234,567');
  expect(formatParameters(1_235_814_400)).toBe('1.24 B');
  expect(formatParameters(3_200_000)).toBe('3.2 M');
});

describe('errors are told in a line or two', () => {
  function report(error: unknown, verbose = false): { code: number; text: string } {
    let text = '';
    const stream = new Writable({
      write(chunk, _encoding, done) {
        text += String(chunk);
        done();
      },
    });
    return { code: reportError(error, stream, verbose), text };
  }

  test('with the names of flags instead of options', () => {
    const { code, text } = report(new MemoryPlanError('Raise kvCacheMemoryBytes, or lower maxModelLen to 5.', 2, 1));
    expect(code).toBe(1);
    expect(text).toContain('Raise --kv-cache-memory-bytes, or lower --max-model-len to 5.');
    expect(text).toContain('octavo inspect');
  });

  test('with what to do next, and the stack only when asked for', () => {
    const error = new ModelFileError('a.gguf', 'is truncated');
    expect(report(error).text).toContain('download it again');
    expect(report(error).text).not.toContain('    at ');
    expect(report(error, true).text).toContain('    at ');
    expect(report(new HubError('access', 'https://x', 'no access', 401)).text).toContain('HF_TOKEN');
  });

  test('with the exit code of a wrong command line', () => {
    expect(report(new CliError('no', null, 2)).code).toBe(2);
  });
});

test('a MODEL that is neither a path nor an id is refused with the forms it can have', async () => {
  for (const model of ['nowhere', 'models/typo.gguf', './a/b/c']) {
    await expect(resolveModel(model)).rejects.toThrow(`There is no file or folder ${model}.`);
  }
});
