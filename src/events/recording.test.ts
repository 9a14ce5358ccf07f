import { describe, expect, it } from 'vitest';
import { RecordingFormatError } from '../errors/index.ts';
import { type RecordingLine, readRecording } from './recording.ts';

const header = JSON.stringify({
  kind: 'header',
  format: 'octavo-recording',
  version: 1,
  startedAtMs: 0,
  startedMs: 0,
  model: 'm',
  blockSize: 16,
  blockCount: 4,
  groups: [{ blockSize: 16, blockCount: 4 }],
  scheduler: {},
  events: false,
});
const request = {
  kind: 'request',
  requestId: 'a',
  arrivedMs: 1,
  inputTokens: 3,
  outputTokens: 2,
  n: 1,
  priority: 0,
  tenant: 'x',
  blockHashes: ['aa'],
  outcome: 'stop',
  cachedTokens: 0,
  firstScheduledMs: 2,
  firstTokenMs: 3,
  finishedMs: 4,
  waitedMs: {},
  preemptions: 0,
};
const end = JSON.stringify({ kind: 'end', reason: 'closed', finishedMs: 9 });
const line = (changes: object): string => JSON.stringify({ ...request, ...changes });

async function read(lines: readonly string[]): Promise<RecordingLine[]> {
  const found: RecordingLine[] = [];
  for await (const each of readRecording(lines)) found.push(each);
  return found;
}

describe('readRecording', () => {
  it('yields the lines in order, and skips empty ones', async () => {
    const kinds = (await read([header, '', line({}), end, ''])).map(({ kind }) => kind);
    expect(kinds).toEqual(['header', 'request', 'end']);
  });

  it('takes a file whose last line was cut off, but not a broken line before others', async () => {
    expect(await read([header, line({}), '{"kind":"req'])).toHaveLength(2);
    await expect(read([header, '{"kind":"req', line({})])).rejects.toThrow('line 2');
  });

  it('goes on with the next part of the same run', async () => {
    const rotated = end.replace('closed', 'rotated');
    const kinds = (await read([header, line({}), rotated, header, line({}), end])).map(({ kind }) => kind);
    expect(kinds).toEqual(['header', 'request', 'end', 'header', 'request', 'end']);
    const other = header.replace('"startedMs":0', '"startedMs":5');
    await expect(read([header, rotated, other])).rejects.toThrow('line 3 of the recording: a part of another run');
    await expect(read([header, rotated, line({})])).rejects.toThrow('line 3 of the recording: not a recording');
  });

  it.each([
    ['an empty file', [], 1, 'empty'],
    ['another file', ['{"a":1}', line({})], 1, 'not a recording'],
    ['no JSON', ['hello'], 1, 'not a JSON object'],
    ['a later version', [header.replace('"version":1', '"version":2')], 1, 'version 2'],
    ['a header without blocks', [header.replace('"blockCount":4', '"blockCount":-4')], 1, 'blockCount'],
    ['an unknown kind', [header, '{"kind":"note"}'], 2, 'kind must be one of'],
    ['an array', [header, '[1]'], 2, 'not a JSON object'],
    ['a negative length', [header, '', line({ inputTokens: -1 })], 3, 'inputTokens'],
    ['no arrival', [header, line({ arrivedMs: null })], 2, 'arrivedMs'],
    ['hashes that are none', [header, line({ blockHashes: [1] })], 2, 'blockHashes'],
    ['an unknown event', [header, '{"kind":"event","event":{"type":"moved","id":1,"timeMs":1}}'], 2, 'event type'],
    ['an event without an id', [header, '{"kind":"event","event":{"type":"released","timeMs":1}}'], 2, 'id must be'],
    ['lines after the end', [header, end, line({})], 3, 'nothing may follow'],
  ])('refuses %s, with the number of the line', async (_name, lines, number, message) => {
    const error = await read(lines).catch((each: unknown) => each);
    expect(error).toBeInstanceOf(RecordingFormatError);
    expect(error).toMatchObject({ line: number, code: 'recording_format' });
    expect(String(error)).toContain(message);
  });
});
