// Trace readers, and replays of excerpts whose results are known.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { InvalidRequestError, TraceFileError } from '../errors/index.ts';
import { evictionPolicyNames, memoryModes } from '../memory/index.ts';
import {
  defaultCostModel,
  parseTrace,
  type ReplayOptions,
  readTrace,
  replay,
  simulate,
  type TraceRequest,
} from './index.ts';
import { promptTokenIds } from './prompts.ts';

const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
const mooncakeLine = (fields: Record<string, unknown> = {}) =>
  JSON.stringify({ timestamp: 5, input_length: 600, output_length: 2, hash_ids: [1, 2], ...fields });

describe('trace files', () => {
  it("reads Mooncake's lines", async () => {
    const { format, requests } = await readTrace(fixture('mooncake.jsonl'));
    expect([format, requests.length]).toEqual(['mooncake', 40]);
    expect(requests[0]).toMatchObject({ arrivalMs: 0, promptTokens: 6758, outputTokens: 500 });
    expect(requests[0].hashIds).toHaveLength(14);
  });

  it("reads Azure's lines, with times from the first request on", async () => {
    const { format, requests } = await readTrace(fixture('azure.csv'), 50);
    expect([format, requests.length]).toEqual(['azure', 50]);
    expect(requests[0]).toEqual({ arrivalMs: 0, promptTokens: 374, outputTokens: 44, hashIds: null });
    expect(requests[1].arrivalMs).toBeCloseTo(4314.579, 3);
  });

  it.each([
    ['not JSON', `${mooncakeLine()}\n{"timestamp": 1`, 2, 'is not JSON'],
    ['no object', '[1]', 1, 'is not a JSON object'],
    [
      'a missing field',
      mooncakeLine({ output_length: undefined }),
      1,
      'output_length must be an integer of at least 0',
    ],
    ['a negative time', `${mooncakeLine()}\n\n${mooncakeLine({ timestamp: -1 })}`, 3, 'timestamp'],
    ['an empty prompt', mooncakeLine({ input_length: 0, hash_ids: [] }), 1, 'input_length'],
    ['too few hash ids', mooncakeLine({ hash_ids: [1] }), 1, '600 prompt tokens need 2 hash_ids'],
    ['hash ids that are none', mooncakeLine({ hash_ids: [1, 'x'] }), 1, 'hash_ids'],
    ['another header', 'TIMESTAMP,Context\n1,2', 1, 'is not JSON'],
    ['too many fields', 'TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:15:46,1,2,3', 2, 'has 4 fields'],
    ['a wrong time', 'TIMESTAMP,ContextTokens,GeneratedTokens\nyesterday,1,2', 2, '"yesterday" is no time'],
    ['a wrong count', 'TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.1,1.5,2', 2, 'ContextTokens'],
  ])('refuses %s, with its line', (_what, content, line, detail) => {
    const error = (() => {
      try {
        return parseTrace(content, 'a.trace');
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(error).toBeInstanceOf(TraceFileError);
    expect(error).toMatchObject({ line, path: 'a.trace' });
    expect((error as Error).message).toContain(`a.trace, line ${line}: `);
    expect((error as Error).message).toContain(detail);
  });

  it('refuses files that are empty, missing or folders', async () => {
    for (const content of ['', '\n\n', 'TIMESTAMP,ContextTokens,GeneratedTokens\n']) {
      expect(() => parseTrace(content, 'a')).toThrow('a: has no requests');
    }
    await expect(readTrace(fixture('nothing'))).rejects.toThrow('there is no such file');
    await expect(readTrace(fixture('.'))).rejects.toThrow('is a folder');
  });

  it('are never read as anything else than a trace or an error, whatever is changed in them', () => {
    const content = readFileSync(fixture('azure.csv'), 'utf8').slice(0, 2000);
    for (let at = 0; at < 600; at++) {
      for (const change of ['', 'x', ',', '\n', '"']) {
        try {
          const { requests } = parseTrace(content.slice(0, at) + change + content.slice(at + 1), 'a');
          expect(requests.every(({ promptTokens }) => promptTokens > 0)).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(TraceFileError);
        }
      }
    }
  });
});

it('prompts share tokens exactly where they share hash ids', () => {
  const request = (hashIds: number[] | null): TraceRequest => ({
    arrivalMs: 0,
    promptTokens: 1200,
    outputTokens: 1,
    hashIds,
  });
  const a = promptTokenIds(request([3, 4, 5]), 0, 1200, 7);
  const b = promptTokenIds(request([3, 6, 5]), 1, 1200, 7);
  expect(a).toHaveLength(1200);
  expect(b.slice(0, 512)).toEqual(a.slice(0, 512));
  expect(b.slice(1024)).toEqual(a.slice(1024));
  expect(b.slice(512, 1024).filter((token, i) => token === a[512 + i])).toEqual([]);
  expect(promptTokenIds(request([3, 4, 5]), 9, 1200, 8)[0]).not.toBe(a[0]);
  expect(promptTokenIds(request(null), 0, 1200, 7)[0]).not.toBe(promptTokenIds(request(null), 1, 1200, 7)[0]);
  expect(promptTokenIds(request(null), 4, 1200, 7)).toEqual(promptTokenIds(request(null), 4, 1200, 7));
});

const base: ReplayOptions = {
  blockCount: 1000,
  blockSize: 16,
  memory: 'paged',
  enablePrefixCaching: true,
  maxNumSeqs: 64,
  maxNumBatchedTokens: 2048,
  arrivals: 'saturated',
  cost: defaultCostModel,
  seed: 1,
};

describe('replay', () => {
  const azure = parseTrace(readFileSync(fixture('azure.csv'), 'utf8'), 'azure.csv').requests;

  it.each(memoryModes)('%s: finishes every request, computes every token once, and leaves nothing', (memory) => {
    const requests = azure.slice(0, 60);
    const result = replay(requests, { ...base, memory, watermarkBlocks: 200, checkIntegrity: memory !== 'paged' });
    const expected = requests.reduce((sum, one) => sum + one.promptTokens + one.outputTokens - 1, 0);
    expect(result).toMatchObject({ finishedRequests: 60, refusedRequests: 0, preemptions: 0, hitBlocks: 0 });
    expect(result.computedTokens).toBe(expected);
    expect(result.saturated!.slotUse).toBeGreaterThan(memory === 'paged' ? 0.97 : 0.03);
    expect(result.saturated!.slotUse).toBeLessThan(memory === 'paged' ? 1 : 0.97);
  });

  it('gives the same result for the same options', () => {
    const requests = azure.slice(0, 30);
    expect(replay(requests, base)).toEqual(replay(requests, base));
  });

  it('refuses what is longer than the pool, and preempts where the pool is short', () => {
    const requests = azure.filter(({ outputTokens }) => outputTokens > 50).slice(0, 40);
    const result = replay(requests, { ...base, blockCount: 120, watermarkBlocks: 0 });
    expect(result.refusedRequests).toBe(
      requests.filter((one) => one.promptTokens + one.outputTokens > 120 * 16).length,
    );
    expect(result.refusedRequests).toBeGreaterThan(0);
    expect(result.finishedRequests).toBe(40 - result.refusedRequests);
    expect(result.preemptions).toBeGreaterThan(0);
  });

  it('hands requests over when they arrive', () => {
    const request = { promptTokens: 10, outputTokens: 3, hashIds: null };
    const requests = [5000, 0, 20].map((arrivalMs) => ({ ...request, arrivalMs }));
    const result = replay(requests, { ...base, arrivals: 'trace', cost: { stepSeconds: 1, tokenSeconds: 0 } });
    // Two requests overlap: steps 0 to 3; the third comes at five seconds and takes three steps.
    expect(result).toMatchObject({ steps: 7, simulatedSeconds: 8, peakRequestsInFlight: 2, saturated: null });
  });
});

describe('simulate', () => {
  /** LRU over whole hash ids, as others simulate it: leading-run hits, a prompt's last blocks evicted first. */
  function plainLru(requests: readonly TraceRequest[], capacity: number): number {
    let order: number[] = [];
    let hits = 0;
    for (const { hashIds } of requests) {
      const ids = hashIds!;
      let run = 0;
      while (run < ids.length && order.includes(ids[run])) run++;
      hits += run;
      order = [...order.filter((id) => !ids.includes(id)), ...[...ids].reverse()].slice(-capacity);
    }
    return hits;
  }

  it('hits what a plain LRU over the hash ids hits, whatever the block size', async () => {
    const trace = await readTrace(fixture('mooncake.jsonl'));
    const own = trace.requests.map((one, i) => {
      const prefix = trace.requests[(i * 7) % 40].hashIds!;
      return {
        ...one,
        hashIds: one.hashIds!.map((_, at) => (at < i % 9 ? prefix[at] : undefined) ?? 1e6 + i * 1000 + at),
      };
    });
    const shared = { ...trace, requests: [...trace.requests, ...own, ...trace.requests] };
    for (const capacity of [300, 500]) {
      const options = { trace: shared, replays: ['cache'] as const, policy: 'lru' as const };
      const whole = simulate({ ...options, blockCount: capacity, blockSize: 512 }).cache!;
      const expected = plainLru(shared.requests, capacity);
      expect(whole.promptBlocks).toBe(shared.requests.reduce((sum, { hashIds }) => sum + hashIds!.length, 0));
      // One token of a prompt is always computed: a prompt found whole lacks its last block.
      expect(expected - whole.hitBlocks).toBeGreaterThanOrEqual(0);
      expect(expected - whole.hitBlocks).toBeLessThan(shared.requests.length);
      const small = simulate({ ...options, blockCount: capacity * 8, blockSize: 64 }).cache!;
      expect(Math.abs(small.blockHitRate - whole.blockHitRate)).toBeLessThan(0.02);
    }
  });

  it('evicts by the policy that it is given', async () => {
    const { requests } = await readTrace(fixture('mooncake.jsonl'));
    const trace = {
      format: 'mooncake' as const,
      path: '',
      requests: [...requests, ...requests.slice(0, 20), ...requests],
    };
    const hits = evictionPolicyNames.map((policy) => {
      const { cache } = simulate({ trace, replays: ['cache'], policy, blockCount: 250, blockSize: 512 });
      return cache!.hitBlocks;
    });
    // A loop over more than fits defeats LRU; short as it is, it does not tell all the others apart.
    expect(hits[evictionPolicyNames.indexOf('hit-density')]).toBeGreaterThan(hits[evictionPolicyNames.indexOf('lru')]);
    const byDefault = simulate({ trace, replays: ['cache'], blockCount: 250, blockSize: 512 }).cache!;
    expect(byDefault.hitBlocks).toBe(hits[evictionPolicyNames.indexOf('hit-density')]);
  });

  it('refuses a pool that holds no request, and skips the cache replay of traces that share nothing', async () => {
    const trace = await readTrace(fixture('azure.csv'), 20);
    const options = { trace, blockSize: 16 };
    expect(() => simulate({ ...options, blockCount: 1 })).toThrow(InvalidRequestError);
    const report = simulate({ ...options, blockCount: 2000 });
    expect(report.cache).toBeNull();
    expect(report.serving!.finishedRequests).toBe(20);
  });
});
