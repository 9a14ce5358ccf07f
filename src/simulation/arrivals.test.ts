// Where requests come from: traces read as streams, recordings, generators, closed loops.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { InvalidRequestError, TraceFileError } from '../errors/index.ts';
import {
  type Arrivals,
  closedLoopArrivals,
  createRandom,
  type GeneratorOptions,
  generatedArrivals,
  lengthsOf,
  openTrace,
  parseLengthSpec,
  parsePrefixTree,
  parseTrace,
  promptTokenIds,
  readTrace,
  type TraceRequest,
} from './index.ts';
import { sampledTokenId } from './prompts.ts';

const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'octavo-arrivals-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** Takes everything, each request ending `serviceMs` after it arrived. */
function takeAll(arrivals: Arrivals, serviceMs = 0): (TraceRequest & { index: number })[] {
  const stream = arrivals.open();
  const taken: (TraceRequest & { index: number })[] = [];
  while (stream.nextMs !== null) {
    const { nextMs } = stream;
    const { index, request } = stream.take();
    expect(request.arrivalMs).toBe(nextMs);
    taken.push({ ...request, index });
    stream.ended(index, request.arrivalMs + serviceMs);
  }
  return taken;
}

describe('traces as streams', () => {
  it.each(['mooncake.jsonl', 'azure.csv'])('%s gives the requests of the list, twice', async (name) => {
    const { requests, format } = await readTrace(fixture(name));
    const trace = openTrace(fixture(name));
    expect(trace).toMatchObject({ format, requestCount: requests.length, sharesPrompts: name.startsWith('moon') });
    for (let pass = 0; pass < 2; pass++) {
      const expected = requests.map((request, index) => ({ ...request, index }));
      expect(takeAll(trace)).toEqual(expected.sort((a, b) => a.arrivalMs - b.arrivalMs || a.index - b.index));
    }
    expect(trace.longestTokens(5000)).toBe(
      Math.max(...requests.map((one) => one.promptTokens + one.outputTokens).filter((length) => length <= 5000)),
    );
  });

  it('brings a file that is out of order into order, and speeds it up', () => {
    const line = (timestamp: number) =>
      JSON.stringify({ timestamp, input_length: 10, output_length: 1, hash_ids: [timestamp] });
    const path = file('disorder.jsonl', `\uFEFF${[30, 10, 20, 10].map(line).join('\r\n')}\n\n`);
    const taken = takeAll(openTrace(path, undefined, 2));
    expect(taken.map(({ arrivalMs, index, hashIds }) => [arrivalMs, index, hashIds?.[0]])).toEqual([
      [0, 1, 10],
      [0, 3, 10],
      [5, 2, 20],
      [10, 0, 30],
    ]);
  });

  it('refuses what parseTrace refuses, with the line', () => {
    const path = file(
      'broken.jsonl',
      `${readFileSync(fixture('mooncake.jsonl'), 'utf8').split('\n')[0]}\nnonsense\n{}`,
    );
    expect(() => openTrace(path)).toThrow(new TraceFileError(path, 2, 'is not JSON'));
    expect(openTrace(path, 1).requestCount).toBe(1);
    expect(() => openTrace(folder)).toThrow('is a folder');
    expect(() => openTrace(join(folder, 'none'))).toThrow('there is no such file');
    expect(() => openTrace(file('empty', '\n'))).toThrow('has no requests');
  });
});

describe('recordings', () => {
  const header = {
    kind: 'header',
    format: 'octavo-recording',
    version: 1,
    startedAtMs: 0,
    startedMs: 0,
    blockSize: 4,
    blockCount: 9,
    groups: [{ blockSize: 4, blockCount: 9 }],
    scheduler: {},
    fingerprint: 'abc',
  };
  const request = (fields: Record<string, unknown> = {}) =>
    JSON.stringify({
      kind: 'request',
      arrivedMs: 1000,
      finishedMs: 2000,
      inputTokens: 10,
      outputTokens: 3,
      n: 1,
      priority: 0,
      cachedTokens: 0,
      preemptions: 0,
      waitedMs: {},
      tenant: 't',
      blockHashes: ['aa', 'bb'],
      outcome: 'length',
      ...fields,
    });
  const text = (...lines: string[]) => [JSON.stringify(header), ...lines].join('\n');

  it('keep lengths, tenants and shared blocks; events and failed requests are passed over', () => {
    const { format, requests } = parseTrace(
      text(
        request({ arrivedMs: 1500 }),
        JSON.stringify({ kind: 'event', event: { id: 0, timeMs: 0, type: 'cancelled' } }),
        request({ blockHashes: ['aa', 'cc'] }),
        request({ outcome: 'error' }),
        request({ tenant: 'u' }),
        JSON.stringify({ kind: 'end', finishedMs: 2000 }),
      ),
      'r',
    );
    expect(format).toBe('recording');
    expect(requests.map(({ arrivalMs, hashIds, salt }) => [arrivalMs, hashIds, salt])).toEqual([
      [500, [0, 1], 't'],
      [0, [0, 2], 't'],
      [0, [0, 1], 'u'],
    ]);
    const [a, b] = requests.map((one, i) => promptTokenIds(one, i, one.promptTokens, 1));
    expect(a.slice(0, 4)).toEqual(b.slice(0, 4));
    expect(a[4]).not.toBe(b[4]);
    expect(a[8]).not.toBe(b[8]);
    expect(openTrace(file('r', text(request()))).recording).toEqual({ blockSize: 4, fingerprint: 'abc' });
  });

  it('may end in the middle of a line, and only there', () => {
    expect(parseTrace(text(request(), '{"kind": "req'), 'r').requests).toHaveLength(1);
    expect(() => parseTrace(text('{"kind": "req', request()), 'r')).toThrow('r, line 2: not a JSON object');
  });

  it.each([
    [request({ inputTokens: 0 }), 'inputTokens must be at least 1'],
    [request({ outputTokens: -1 }), 'outputTokens'],
    [request({ arrivedMs: 'now' }), 'arrivedMs must be a number'],
    [request({ blockHashes: [1] }), 'blockHashes must be a list of strings'],
    [request({ blockHashes: ['a', 'b', 'c'] }), '10 prompt tokens have no 3 full blocks of 4'],
    ['{}', 'kind must be one of'],
    ['[]', 'not a JSON object'],
  ])('refuse %s', (line, detail) => {
    expect(() => parseTrace(text(line), 'r')).toThrow(`r, line 2: ${detail}`);
  });

  it('are read with the parts that were rotated away before', () => {
    const part = (arrivedMs: number, reason: string, ...more: string[]) =>
      text(request({ arrivedMs }), ...more, JSON.stringify({ kind: 'end', reason, finishedMs: 0 }));
    const path = file('rotated', part(3000, 'closed'));
    file('rotated.1', part(2000, 'rotated'));
    file('rotated.2', part(1000, 'rotated'));
    const trace = openTrace(path);
    expect(trace.requestCount).toBe(3);
    expect(takeAll(trace).map(({ arrivalMs }) => arrivalMs)).toEqual([0, 1000, 2000]);
    file('rotated.1', part(2000, 'rotated', 'x', request()));
    expect(() => openTrace(path)).toThrow(/rotated\.1, line 3: /);
    expect(() => parseTrace(`${part(1, 'closed')}\n${part(2, 'closed')}`, 'r')).toThrow('line 4: nothing may follow');
  });

  it('refuse other versions', () => {
    expect(() => parseTrace(JSON.stringify({ ...header, version: 2 }), 'r')).toThrow('line 1: version 2 is unknown');
    expect(() => parseTrace(JSON.stringify({ ...header, blockSize: 0 }), 'r')).toThrow('line 1: blockSize');
  });
});

describe('generators', () => {
  const base: GeneratorOptions = {
    requestCount: 2000,
    ratePerSecond: 10,
    variation: 1,
    ownTokens: () => 100,
    outputTokens: () => 20,
    prefixTree: [],
    prefixSkew: 0,
    turns: null,
    thinkSeconds: 0,
    seed: 5,
  };
  const gapsOf = (taken: readonly TraceRequest[]) => taken.slice(1).map((one, i) => one.arrivalMs - taken[i].arrivalMs);
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

  it.each([0, 0.5, 1, 3])('gaps have their rate and a coefficient of variation of %d', (variation) => {
    const gaps = gapsOf(takeAll(generatedArrivals({ ...base, requestCount: 20_000, variation })));
    const average = mean(gaps);
    const deviation = Math.sqrt(mean(gaps.map((gap) => (gap - average) ** 2)));
    expect(Math.abs(average / 100 - 1)).toBeLessThan(0.08);
    expect(Math.abs(deviation / average - variation)).toBeLessThan(0.06 + variation * 0.06);
  });

  it('the same seed gives the same requests, another seed others', () => {
    const options = { ...base, requestCount: 50, ownTokens: lengthsOf(parseLengthSpec('uniform:1-999', 'x')) };
    expect(takeAll(generatedArrivals(options))).toEqual(takeAll(generatedArrivals(options)));
    expect(takeAll(generatedArrivals({ ...options, seed: 6 }))).not.toEqual(takeAll(generatedArrivals(options)));
  });

  it('lengths follow their distributions', () => {
    const draw = (text: string, lengths?: number[]) => {
      const random = createRandom(3);
      const one = lengthsOf(parseLengthSpec(text, 'x'), lengths);
      return Array.from({ length: 20_000 }, () => one(random));
    };
    expect(new Set(draw('7'))).toEqual(new Set([7]));
    const uniform = draw('uniform:10-20');
    expect([Math.min(...uniform), Math.max(...uniform)]).toEqual([10, 20]);
    expect(Math.abs(mean(uniform) - 15)).toBeLessThan(0.1);
    const lognormal = draw('lognormal:200,0.5');
    const average = mean(lognormal);
    expect(Math.abs(average / 200 - 1)).toBeLessThan(0.02);
    expect(Math.abs(Math.sqrt(mean(lognormal.map((one) => (one - average) ** 2))) / average - 0.5)).toBeLessThan(0.03);
    expect(new Set(draw('trace:x', [3, 0, 9]))).toEqual(new Set([3, 1, 9]));
  });

  it.each(['', '0', '-5', '1.5', 'uniform:9-2', 'uniform:1', 'lognormal:0,1', 'lognormal:5', 'trace:', 'zipf:3'])(
    'refuse a length of "%s"',
    (text) => {
      expect(() => parseLengthSpec(text, '--input-tokens')).toThrow(InvalidRequestError);
    },
  );

  it('prompts share the prefixes of their branch, and nothing else', () => {
    const prefixTree = parsePrefixTree('2x10,3x5');
    const taken = takeAll(generatedArrivals({ ...base, requestCount: 200, prefixTree }));
    const prompts = taken.map((one) => promptTokenIds(one, one.index, one.promptTokens, base.seed));
    expect(new Set(prompts.map((ids) => ids.length))).toEqual(new Set([115]));
    expect(new Set(prompts.map((ids) => ids.slice(0, 10).join())).size).toBe(2);
    expect(new Set(prompts.map((ids) => ids.slice(0, 15).join())).size).toBe(6);
    expect(new Set(prompts.map((ids) => ids[15])).size).toBe(200);
    const skewed = takeAll(generatedArrivals({ ...base, prefixTree: parsePrefixTree('8x1'), prefixSkew: 1.5 }));
    const first = skewed.filter(({ runs }) => JSON.stringify(runs![0]) === JSON.stringify(skewed[0].runs![0]));
    expect(first.length / skewed.length).toBeGreaterThan(0.4);
    for (const text of ['', '4', '4x', '0x5', '4x0', '4x5,', 'x']) {
      expect(() => parsePrefixTree(text)).toThrow(InvalidRequestError);
    }
  });

  it('turns of a chat continue what was said, after the answer and some thought', () => {
    const options = { ...base, requestCount: 300, turns: () => 3, thinkSeconds: 2, prefixTree: parsePrefixTree('1x8') };
    const taken = takeAll(generatedArrivals(options), 500);
    expect(taken).toHaveLength(300);
    const chats = new Map<number | undefined, typeof taken>();
    for (const one of taken) chats.set(one.chat, [...(chats.get(one.chat) ?? []), one]);
    expect(chats.size).toBe(100);
    const thoughts: number[] = [];
    for (const turns of chats.values()) {
      turns.forEach((turn, i) => {
        const ids = promptTokenIds(turn, turn.index, turn.promptTokens, base.seed);
        expect(ids).toHaveLength(8 + 100 * (i + 1) + 20 * i);
        if (i === 0) return;
        const before = turns[i - 1];
        const history = promptTokenIds(before, before.index, before.promptTokens, base.seed);
        for (let k = 0; k < 20; k++) history.push(sampledTokenId(before.index, before.promptTokens + k, base.seed));
        expect(ids.slice(0, history.length)).toEqual(history);
        thoughts.push(turn.arrivalMs - before.arrivalMs - 500);
      });
    }
    expect(Math.min(...thoughts)).toBeGreaterThanOrEqual(0);
    expect(Math.abs(mean(thoughts) / 2000 - 1)).toBeLessThan(0.25);
    const short = generatedArrivals({ ...options, maxModelLen: 240 });
    expect(Math.max(...takeAll(short).map((one) => one.promptTokens + one.outputTokens))).toBeLessThanOrEqual(240);
  });

  it('a closed loop begins the next request when one ends', () => {
    const loop = closedLoopArrivals(generatedArrivals({ ...base, requestCount: 6, ratePerSecond: Infinity }), 2).open();
    expect([loop.take().request.arrivalMs, loop.take().request.arrivalMs, loop.nextMs]).toEqual([0, 0, null]);
    loop.ended(0, 70);
    expect(loop.nextMs).toBe(70);
    expect(loop.take().request.arrivalMs).toBe(70);
    expect(loop.nextMs).toBeNull();
  });
});
