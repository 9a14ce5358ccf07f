// The load generator's parts: workloads, traces, the event reader and the measures, each against hand-made cases.

import { describe, expect, it } from 'vitest';
import { drive } from '../../src/cli/load/drive.ts';
import { createEventReader } from '../../src/cli/load/http-client.ts';
import { createRandom, gamma } from '../common/random.ts';
import { measureRun, parseObjectives } from './measures.ts';
import { parseMetrics, reportOf } from './metrics.ts';
import { parseTrace, tracePrompts } from './trace.ts';
import { longestTokens, syntheticWorkload, traceWorkload } from './workload.ts';

describe('workloads', () => {
  const base = { requestCount: 40, inputTokens: 20, outputTokens: 5, sharedPrefix: 8, seed: 3 };

  it('have exact lengths, a common prefix and nothing else in common', () => {
    const { requests, concurrency } = syntheticWorkload({ ...base, arrivals: { kind: 'closed', concurrency: 4 } });
    expect(concurrency).toBe(4);
    expect(requests.every(({ prompt, outputTokens }) => prompt.length === 20 && outputTokens === 5)).toBe(true);
    expect(new Set(requests.map(({ prompt }) => prompt.slice(0, 8).join())).size).toBe(1);
    expect(new Set(requests.map(({ prompt }) => prompt[8])).size).toBeGreaterThan(35);
  });

  it('arrive at the rate asked for, and the same with the same seed', () => {
    const arrivals = { kind: 'open', ratePerSecond: 50, burstiness: 1 } as const;
    const make = (seed: number) => syntheticWorkload({ ...base, requestCount: 4000, seed, arrivals }).requests;
    const spanMs = make(1).at(-1)!.arrivalMs;
    expect(spanMs / 4000).toBeGreaterThan(18);
    expect(spanMs / 4000).toBeLessThan(22);
    expect(make(1)).toEqual(make(1));
    expect(make(2)[1]).not.toEqual(make(1)[1]);
  });

  it.each([0.3, 1, 4])('draw gamma variables of shape %f with the right mean and variance', (shape) => {
    const random = createRandom(5);
    const values = Array.from({ length: 40_000 }, () => gamma(shape, 2, random));
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    expect(mean / (2 * shape)).toBeCloseTo(1, 1);
    expect(Math.abs(variance / (4 * shape) - 1)).toBeLessThan(0.1);
  });
});

describe('traces', () => {
  const mooncake = [
    '{"timestamp": 100, "input_length": 1000, "output_length": 50, "hash_ids": [0, 1]}',
    '{"timestamp": 350, "input_length": 900, "output_length": 3, "hash_ids": [0, 2]}',
  ].join('\n');

  it("of Mooncake keep what prompts share, at the trace's scale", () => {
    const entries = parseTrace(mooncake, 10);
    expect(entries.map(({ timestampMs }) => timestampMs)).toEqual([0, 250]);
    const [first, second] = tracePrompts(entries, 0.1, 1);
    expect([first.length, second.length]).toEqual([100, 90]);
    expect(second.slice(0, 51)).toEqual(first.slice(0, 51));
    expect(second[51]).not.toBe(first[51]);
  });

  it('of Azure are read', () => {
    const csv =
      'TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:17:03.9799600,4808,10\r\n2023-11-16 18:17:04.0319600,3180,8\r\n';
    expect(parseTrace(csv, 10)).toEqual([
      { timestampMs: 0, inputTokens: 4808, outputTokens: 10, hashIds: null },
      { timestampMs: 52, inputTokens: 3180, outputTokens: 8, hashIds: null },
    ]);
    expect(parseTrace(csv, 1)).toHaveLength(1);
  });

  it('fit the model', () => {
    const entries = parseTrace(mooncake, 10);
    const workload = traceWorkload({ entries, scale: 1, speed: 2, maxTokens: 200, concurrency: null, seed: 1 });
    expect(longestTokens(workload)).toBe(200);
    expect(workload.requests[1].arrivalMs).toBe(125);
  });

  it.each(['', 'nonsense', '{"timestamp": 1}', 'TIMESTAMP,ContextTokens,GeneratedTokens\nnow,1,2'])(
    'that are none give nothing: %j',
    (content) => expect(parseTrace(content, 10)).toEqual([]),
  );
});

describe('the event reader', () => {
  const stream = [
    'data: {"choices":[{"text":"a","finish_reason":null}],"usage":null}\n\n',
    'data: {"choices":[{"text":"b","finish_reason":null}],"usage":null}\n\n',
    'data: {"choices":[{"text":"","finish_reason":"length"}],"usage":null}\n\n',
    'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":12,"total_tokens":15}}\n\n',
    'data: [DONE]\n\n',
  ].join('');

  it.each([1, 7, 64, 10_000])('finds the tokens in pieces of %i bytes', (pieceBytes) => {
    let tokens = 0;
    const reader = createEventReader(() => tokens++);
    const bytes = Buffer.from(stream);
    for (let at = 0; at < bytes.length; at += pieceBytes) reader.push(bytes.subarray(at, at + pieceBytes));
    expect(tokens).toBe(2);
    expect(reader.result()).toEqual({ error: null, isDone: true, completionTokens: 12 });
  });

  it('notes an error in the stream', () => {
    const reader = createEventReader(() => undefined);
    reader.push(Buffer.from('data: {"error":{"message":"gone"}}\n\n'));
    expect(reader.result()).toMatchObject({ isDone: false, error: expect.stringContaining('gone') });
  });
});

describe('measures', () => {
  const records = [
    { inputTokens: 10, outputTokens: 3, startMs: 0, tokenMs: [100, 120, 160], error: null },
    { inputTokens: 10, outputTokens: 1, startMs: 50, tokenMs: [350], error: null },
    { inputTokens: 10, outputTokens: 0, startMs: 60, tokenMs: [], error: 'refused' },
  ];

  it("follow vllm bench serve's definitions", () => {
    const measures = measureRun({ records, durationMs: 500 }, parseObjectives('ttft:200,tpot:40'));
    expect(measures).toMatchObject({
      completed: 2,
      failed: 1,
      firstError: 'refused',
      outputTokensPerSecond: 8,
      totalTokensPerSecond: 48,
      requestsPerSecond: 4,
      goodputPerSecond: 2,
      ttftMs: { mean: 200, p50: 100, p99: 300 },
      itlMs: { mean: 30, p50: 20, p99: 40 },
      tpotMs: { mean: 30, p50: 30 },
      e2eMs: { mean: 230, p50: 160, p99: 300 },
      tokensPerEvent: 1,
    });
  });

  it.each(['', 'ttft', 'ttft:x', 'speed:3', 'ttft:1,'])('refuse the objectives %j', (text) => {
    expect(() => parseObjectives(text)).toThrow('is not of the form');
  });
});

describe('drive', () => {
  const requests = Array.from({ length: 9 }, (_, i) => ({ arrivalMs: i * 5, prompt: [1, 2], outputTokens: 2 }));

  it('keeps the concurrency of a closed loop, and notes failures', async () => {
    let inFlight = 0;
    let most = 0;
    const { records } = await drive({ requests, concurrency: 3 }, async (_, index, onToken) => {
      most = Math.max(most, ++inFlight);
      await new Promise((resolve) => setTimeout(resolve, 2));
      inFlight--;
      if (index === 4) throw new Error('broken');
      onToken();
      onToken();
      return index === 5 ? 1 : 2;
    });
    expect(most).toBe(3);
    expect(records.map(({ error }) => error)).toEqual(
      requests.map((_, i) => (i === 4 ? 'broken' : i === 5 ? '1 tokens came, not 2' : null)),
    );
  });

  it('sends when requests arrive, and counts their waiting from then', async () => {
    const { records } = await drive({ requests, concurrency: null }, async (_request, _index, onToken) => {
      onToken();
      return 2;
    });
    const firstMs = records[0].startMs;
    records.forEach(({ startMs, tokenMs }, i) => {
      expect(startMs - firstMs).toBeCloseTo(i * 5, 3);
      expect(tokenMs[0]).toBeGreaterThanOrEqual(startMs);
    });
  });
});

describe('metrics', () => {
  it('are the growth over the run', () => {
    const text = (computed: number, generated: number) =>
      [
        '# HELP octavo_computed_tokens_total Tokens',
        `octavo_computed_tokens_total{model_name="m"} ${computed}`,
        `octavo_generation_tokens_total{model_name="m"} ${generated}`,
        'octavo_memory_planned_bytes{part="kv",model_name="m"} 4096',
      ].join('\n');
    const report = reportOf(parseMetrics(text(100, 10)), parseMetrics(text(300, 70)), 4);
    // 200 computed, of them 60 - 4 for tokens after the first.
    expect(report.promptTokensComputed).toBe(144);
    expect(report.kvBytes).toBe(4096);
    expect(report.steps).toBeNull();
    expect(report.outsideKernelsShare).toBeNull();
  });

  it.each(['', 'followed_'])('give the share outside kernels, of %ssteps', (kind) => {
    const text = (seconds: number, kernelSeconds: number) =>
      parseMetrics(
        [
          `octavo_step_${kind}seconds_total{model_name="m"} ${seconds}`,
          `octavo_step_${kind}kernel_seconds_total{model_name="m"} ${kernelSeconds}`,
        ].join('\n'),
      );
    expect(reportOf(text(1, 1), text(5, 4), 1).outsideKernelsShare).toBeCloseTo(0.25, 9);
  });
});
