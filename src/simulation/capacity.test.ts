// What planning rests on: figures as a load generator defines them, the pace of prefill, host memory, sweeps, fits.

import { describe, expect, it } from 'vitest';
import { CalibrationFileError, InvalidRequestError } from '../errors/index.ts';
import type { OctavoEvent, RecordedRequest, RecordingLine } from '../events/index.ts';
import { bindDesign, designWork } from './calibration/bind-design.ts';
import { designSteps } from './calibration/design.ts';
import { fitSteps } from './calibration/fit-steps.ts';
import { type Calibration, fitServer, parseCalibration, readServerHistory, simulateLoad } from './calibration/index.ts';
import { nonNegativeLeastSquares } from './calibration/nnls.ts';
import { kernelSeconds, type ServerCosts, serverTermNames } from './cost-model.ts';
import {
  closedLoopArrivals,
  generatedArrivals,
  lengthsOf,
  paretoFront,
  parseLengthSpec,
  parsePrefixTree,
  type ReplayOptions,
  replay,
  replayWithHostTier,
  runSweep,
  type Scenario,
  sweepPoints,
  type TraceRequest,
} from './index.ts';

const base: ReplayOptions = {
  blockCount: 1000,
  blockSize: 16,
  memory: 'paged',
  enablePrefixCaching: true,
  maxNumSeqs: 64,
  maxNumBatchedTokens: 512,
  arrivals: 'trace',
  cost: { stepSeconds: 0.01, tokenSeconds: 0.001 },
  seed: 1,
};
const request = (fields: Partial<TraceRequest> = {}): TraceRequest => ({
  arrivalMs: 0,
  promptTokens: 20,
  outputTokens: 3,
  hashIds: null,
  ...fields,
});
const chats = (seed = 2) =>
  generatedArrivals({
    requestCount: 120,
    ratePerSecond: 3,
    variation: 2,
    ownTokens: lengthsOf(parseLengthSpec('uniform:20-300', 'x')),
    outputTokens: lengthsOf(parseLengthSpec('uniform:5-80', 'x')),
    prefixTree: parsePrefixTree('2x64'),
    prefixSkew: 0,
    turns: () => 4,
    thinkSeconds: 2,
    seed,
  });

describe('figures', () => {
  it('are those of steps that can be counted by hand', () => {
    const objectives = { ttft: 40, tpot: 15 };
    const { figures, steps } = replay([request(), request({ arrivalMs: 1000, promptTokens: 40 })], {
      ...base,
      objectives,
    });
    expect(steps).toBe(6);
    // 10 ms a step, 1 ms a token: 30 + 11 + 11, and 50 + 11 + 11 a second later.
    expect(figures!.ttftMs).toMatchObject({ mean: 40, p50: 30, p99: 50 });
    expect(figures!.tpotMs.p50).toBeCloseTo(11, 9);
    expect(figures!.itlMs.mean).toBeCloseTo(11, 9);
    expect(figures!.e2eMs.p99).toBeCloseTo(72, 9);
    expect(figures!.durationS).toBeCloseTo(1.072, 9);
    expect(figures!.outputTokensPerSecond).toBeCloseTo(6 / 1.072, 9);
    expect(figures!.goodputPerSecond).toBeCloseTo(1 / 1.072, 9);
  });

  it('tell of the server around the kernels', () => {
    const server = {
      stepSeconds: 0.002,
      disturbedSeconds: 0.0005,
      disturbedShare: 0.1,
      sampledSeconds: 0.0004,
      firstSampledSeconds: 0.0006,
      endedSeconds: 0.003,
      readSeconds: 0.007,
      requestSeconds: 0.004,
      latencySeconds: 0.003,
      deliverySeconds: 0.002,
    };
    const cost = { step: { step: 0.01, tokens: 0.001 }, server };
    const { figures } = replay(closedLoopArrivals([request(), request()], 1), { ...base, cost });
    // 4 to read, 10 + 20 for the step, 5 on the way; each later token 2 between steps, 10 + 1, 0.5 + 1.1 + 1 because one is published.
    expect(figures!.ttftMs.p50).toBeCloseTo(39, 9);
    expect(figures!.tpotMs.p50).toBeCloseTo(15.6, 9);
    expect(figures!.e2eMs.p50).toBeCloseTo(70.2, 9);
    expect(figures!.durationS).toBeCloseTo(0.1404, 9);
  });

  it('prolong a step by what is read and published beside it', () => {
    const server = {
      stepSeconds: 0,
      disturbedSeconds: 0,
      disturbedShare: 0,
      sampledSeconds: 0,
      firstSampledSeconds: 0,
      endedSeconds: 0.003,
      readSeconds: 0.007,
      requestSeconds: 0.001,
      latencySeconds: 0,
      deliverySeconds: 0,
    };
    const cost = { step: { step: 0.01 }, server };
    // The second is read at 13, while the second step runs: 11 + 10 + 7. The first ends with that step, and the third takes 3 more.
    const requests = [request({ outputTokens: 2 }), request({ arrivalMs: 12, outputTokens: 1 })];
    const { figures } = replay(requests, { ...base, cost });
    expect(figures!.itlMs.mean).toBeCloseTo(17, 9);
    expect(figures!.ttftMs.p99).toBeCloseTo(28 + 13 - 12, 9);
  });

  it('hold prefill back beside decoding as the engine does', () => {
    const requests = [request({ outputTokens: 100 }), request({ arrivalMs: 300, promptTokens: 2000, outputTokens: 2 })];
    const free = replay(requests, base);
    const paced = replay(requests, { ...base, maxStepStretch: 3 });
    expect(free.figures!.itlMs.p99).toBeCloseTo(10 + 512, 6);
    // 64 tokens before anything is known, then (3 - 1) times a decoding step of 11 ms.
    expect(paced.figures!.itlMs.p99).toBeLessThan(80);
    expect(paced.figures!.ttftMs.p99).toBeGreaterThan(free.figures!.ttftMs.p99);
  });

  it('come with a timeline that accounts for all tokens and all time', () => {
    const { timeline, computedTokens, simulatedSeconds, preemptions } = replay(chats(), {
      ...base,
      blockCount: 100,
      watermarkBlocks: 0,
    });
    const sum = (read: (point: (typeof timeline.points)[number]) => number) =>
      timeline.points.reduce((total, point) => total + read(point), 0);
    expect(timeline.points.length).toBeLessThanOrEqual(240);
    expect(timeline.points.length).toBeGreaterThan(100);
    expect(sum((point) => point.computedTokens)).toBe(computedTokens);
    expect(sum((point) => point.preemptions)).toBe(preemptions);
    expect(preemptions).toBeGreaterThan(0);
    expect(timeline.points.at(-1)!.seconds).toBeLessThan(simulatedSeconds);
    expect(Math.max(...timeline.points.map(({ poolUse }) => poolUse))).toBeLessThanOrEqual(1 + 1e-9);
  });
});

describe('host memory', () => {
  it('brings back what was evicted, and the same seed gives the same bytes', async () => {
    const options = { ...base, blockCount: 150 };
    const without = replay(chats(), options);
    const host = { blockCount: 4000, blockSeconds: 1e-5 };
    const first = await replayWithHostTier(chats(), options, host);
    expect(first.finishedRequests).toBe(120);
    expect(first.pagesIn).toBeGreaterThan(100);
    expect(first.computedTokens).toBeLessThan(without.computedTokens * 0.9);
    expect(JSON.stringify(await replayWithHostTier(chats(), options, host))).toBe(JSON.stringify(first));
    const slow = await replayWithHostTier(chats(), options, { ...host, blockSeconds: 0.2 });
    expect(slow.finishedRequests).toBe(120);
    expect(slow.pagesIn).toBeLessThan(first.pagesIn);
  });
});

describe('sweeps', () => {
  const scenario: Scenario = {
    blockSize: 16,
    blockCount: 100,
    policy: 'lru',
    memory: 'paged',
    preemption: 'recompute',
    maxNumBatchedTokens: 512,
    maxNumSeqs: 16,
    rate: 3,
  };

  it('are every combination', () => {
    const points = sweepPoints(['pool-tokens=1600,3200', 'block-size=8,16', 'policy=arc'], scenario);
    expect(points.map((point) => [point.scenario.blockCount, point.scenario.blockSize, point.scenario.policy])).toEqual(
      [
        [200, 8, 'arc'],
        [100, 16, 'arc'],
        [400, 8, 'arc'],
        [200, 16, 'arc'],
      ],
    );
    expect(points[0].settings).toEqual({ 'pool-tokens': '1600', 'block-size': '8', policy: 'arc' });
  });

  it.each([
    [['pool'], 'must have the form NAME=VALUE'],
    [['pool='], 'must have the form'],
    [['pool=1=2'], 'must have the form'],
    [['size=1'], 'size is not one of pool, pool-tokens'],
    [['pool=-5'], '-5 is none of integers from 1'],
    [['pool=1.5'], '1.5 is none of'],
    [['pool=1,,2'], 'an empty value is none of'],
    [['policy=lru,mru'], 'mru is none of hit-density, lru'],
    [['preemption=swap,never'], 'never is none of recompute, swap'],
    [['rate=0'], '0 is none of numbers over 0'],
    [['pool=1', 'pool=2'], 'pool is given twice'],
    [['pool=1', 'pool-tokens=2'], 'exclude each other'],
    [[`pool=${Array.from({ length: 257 }, (_, i) => i + 1).join(',')}`], 'makes 257 combinations; at most 256'],
  ])('refuse %j', (texts, message) => {
    expect(() => sweepPoints(texts as string[], scenario)).toThrow(InvalidRequestError);
    expect(() => sweepPoints(texts as string[], scenario)).toThrow(message as string);
  });

  it('need generated arrivals for rates', () => {
    expect(() => sweepPoints(['rate=1'], { ...scenario, rate: null })).toThrow('rate needs generated arrivals');
  });

  it('run the same twice, say what cannot run, and mark the front', async () => {
    const run = () =>
      runSweep({
        points: sweepPoints(['pool=1,120,400', 'preemption=recompute,swap'], scenario),
        arrivalsFor: () => chats(),
        base: { cost: base.cost, seed: 1, objectives: { ttft: 500 } },
        hostTierFor: ({ blockCount }) => ({ blockCount: blockCount * 4, blockSeconds: 1e-5 }),
        tokenBytes: 1000,
      });
    const results = await run();
    expect(JSON.stringify(await run())).toBe(JSON.stringify(results));
    expect(results.map(({ error }) => error === null)).toEqual([false, false, true, true, true, true]);
    expect(results[0].error).toContain('a pool of 1 blocks of 16 tokens holds none of the requests');
    expect(results[2]).toMatchObject({ poolTokens: 1920, poolBytes: 1_920_000, isOnFront: false });
    expect(results.filter(({ isOnFront }) => isOnFront).length).toBeGreaterThan(0);
    for (const { isOnFront, refusedRequests } of results) expect(isOnFront && refusedRequests > 0).toBe(false);
  });

  it('front: less memory or better, ties to the smaller pool', () => {
    const result = (poolTokens: number, p99: number, refusedRequests = 0) => ({
      poolTokens,
      refusedRequests,
      figures: { goodputPerSecond: null, ttftMs: { p99 } } as never,
    });
    const front = paretoFront([
      result(10, 9),
      result(20, 5),
      result(30, 5),
      result(30, 7),
      result(5, 1, 3),
      result(40, 4),
    ]);
    expect([...front]).toEqual([0, 1, 5]);
  });
});

describe('calibration', () => {
  it('solves least squares with coefficients of at least zero', () => {
    expect(
      nonNegativeLeastSquares(
        [
          [1, 0],
          [0, 1],
          [1, 1],
        ],
        [1, 2, 3],
      ).map((x) => Math.round(x * 1e6) / 1e6),
    ).toEqual([1, 2]);
    // Unbounded, the second would be -1.
    const [x, y] = nonNegativeLeastSquares(
      [
        [1, 1],
        [1, 2],
        [1, 3],
      ],
      [3, 2, 1],
    );
    expect(x).toBeCloseTo(2, 6);
    expect(y).toBe(0);
    expect(
      nonNegativeLeastSquares(
        [
          [1, 0, 1],
          [2, 0, 2],
        ],
        [1, 2],
      ).reduce((sum, one) => sum + one, 0),
    ).toBeCloseTo(1, 4);
  });

  const limits = { maxSequences: 64, maxTokens: 512, maxContextTokens: 2048, blockSize: 16, blockCount: 1500 };

  it('designs steps that fit their limits, with every block in the pool written once', () => {
    for (const each of [limits, { ...limits, maxSequences: 3, maxTokens: 40, blockCount: 9, maxContextTokens: 100 }]) {
      const steps = designSteps(each);
      expect(steps.length).toBeGreaterThan(10);
      for (const step of steps) {
        const bound = bindDesign(step, each.blockSize, 1000);
        const work = designWork(step);
        expect(bound.tokenCount).toBe(work.tokens);
        expect(bound.tokenCount).toBeLessThanOrEqual(each.maxTokens);
        expect(bound.sequenceCount).toBeLessThanOrEqual(each.maxSequences);
        expect(Math.max(...bound.contextLengths)).toBeLessThanOrEqual(each.maxContextTokens);
        expect(Math.max(...bound.blockTables)).toBeLessThan(each.blockCount);
        expect(new Set(bound.slotMapping).size).toBe(bound.tokenCount);
        expect(work.sharedContext).toBeLessThanOrEqual(work.decodeContext);
      }
    }
  });

  it('finds the machine behind steps that are noisy, some of them spoilt', () => {
    const truth = { step: 0.005, tokensTo16: 0.0002, tokensFrom64: 0.0003, ownContext: 1e-6, promptContext: 3e-7 };
    let state = 1;
    const noise = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return 1 + (state / 2 ** 32 - 0.5) * 0.06;
    };
    const measured = designSteps(limits).map((step, i) => {
      const work = designWork(step);
      return { work, seconds: kernelSeconds(work, truth) * noise() * (i % 17 === 3 ? 2.5 : 1), spread: 0.02 };
    });
    const { coefficients, quality } = fitSteps(measured);
    const errors = measured.map(({ work }) =>
      Math.abs(kernelSeconds(work, coefficients) / kernelSeconds(work, truth) - 1),
    );
    expect(errors.sort((a, b) => a - b)[Math.floor(errors.length * 0.9)]).toBeLessThan(0.08);
    expect(quality.medianError).toBeLessThan(0.04);
    expect(quality.maxError).toBeGreaterThan(0.4);
    for (const value of Object.values(coefficients)) expect(value).toBeGreaterThan(0);
  });

  it('finds what a server adds in its record of what it did', async () => {
    const step = { step: 0.006, tokens: 0.0003, decodeContext: 1e-7 };
    const truth = {
      gap: 0.2,
      disturbed: 4,
      share: 0.1,
      sampled: 0.3,
      first: 0.6,
      ended: 3,
      read: 0.6,
      request: 1.2,
      way: 2,
      beside: 0.3,
    };
    const lines: RecordingLine[] = [];
    const ttftSeconds: number[][] = [[], []];
    let nowMs = 1000;
    let id = 0;
    const event = (body: object) =>
      lines.push({ kind: 'event', event: { id: id++, step: 0, timeMs: nowMs, ...body } as OctavoEvent });
    const served = (arrivedMs: number) =>
      lines.push({ kind: 'request', arrivedMs, firstTokenMs: arrivedMs + 30, finishedMs: 0 } as RecordedRequest);
    // A server that warms up: slow, and not to be counted.
    nowMs = -9000;
    for (let i = 0; i < 50; i++) {
      served(nowMs);
      event({ type: 'scheduled', sequences: [0], positions: [100], tokens: [1] });
      nowMs += 150;
      event({ type: 'completed', sampled: [0] });
    }
    nowMs = 1000;
    served(nowMs);
    let published = { tokens: 0, ended: 0 };
    for (let i = 0; i < 400; i++) {
      const decoding = (i * 7) % 16;
      const prompt = i % 5 === 0 ? 20 + (i % 90) : 0;
      const tokens = [...new Array<number>(decoding + 1).fill(1), ...(prompt > 0 ? [prompt] : [])];
      const positions = tokens.map((count) => 100 + i - count);
      const sampled = tokens.map((_, s) => s);
      const read = i % 11 === 3 ? 2 : 0;
      event({ type: 'scheduled', sequences: sampled, positions, tokens });
      const startMs = nowMs;
      for (let k = 0; k < read; k++) {
        nowMs += truth.request;
        event({ type: 'added', sequence: 1000 + i });
      }
      const kernelMs =
        kernelSeconds(
          {
            tokens: decoding + 1 + prompt,
            sequences: tokens.length,
            outputs: tokens.length,
            decodeContext: (decoding + 1) * (100 + i),
            sharedContext: 0,
            promptContext: 0,
          },
          step,
        ) * 1000;
      const beside =
        published.tokens === 0
          ? 0
          : truth.disturbed +
            kernelMs * truth.share +
            published.tokens * truth.sampled +
            Math.min(published.tokens, 8) * truth.first +
            published.ended * truth.ended +
            // Half of the steps have it all.
            (i % 2 === 0 ? 3 : -3);
      nowMs = startMs + kernelMs + beside + read * truth.read;
      event({ type: 'completed', sampled });
      const ended = i % 13 === 5 ? 1 : 0;
      if (ended > 0) event({ type: 'finished', sequence: 0 });
      published = { tokens: sampled.length, ended };
      nowMs += truth.gap;
      // Nothing to do for a while: what follows was not disturbed.
      if (i % 50 === 49) nowMs += 100;
    }
    // Two loads, whose tokens are published by fours and by twelves.
    for (const [load, beside] of [4, 12].entries()) {
      const beginMs = nowMs + 1000;
      for (let i = 0; i < 20; i++) {
        const arrivedMs = beginMs + (i < 8 ? i * truth.request : 100 + 50 * i);
        if (i >= 8) {
          nowMs = arrivedMs + 10;
          event({ type: 'scheduled', sequences: [], positions: [], tokens: [] });
          nowMs = arrivedMs + 31;
          event({ type: 'completed', sampled: new Array(beside).fill(0) });
        }
        served(arrivedMs);
        ttftSeconds[load].push((30 + truth.request + truth.way + beside * truth.beside) / 1000);
      }
    }
    const history = await readServerHistory(lines, 50);
    const runs = [
      { concurrency: 1, ttftSeconds: [0.03] },
      ...ttftSeconds.map((times) => ({ concurrency: 8, ttftSeconds: times })),
    ];
    const { costs } = fitServer(step, serverSettings, history, runs, []);
    const expected: ServerCosts = {
      stepSeconds: truth.gap / 1000,
      disturbedSeconds: truth.disturbed / 1000,
      disturbedShare: truth.share,
      sampledSeconds: truth.sampled / 1000,
      firstSampledSeconds: truth.first / 1000,
      endedSeconds: truth.ended / 1000,
      readSeconds: truth.read / 1000,
      requestSeconds: truth.request / 1000,
      latencySeconds: truth.way / 1000,
      deliverySeconds: truth.beside / 1000,
    };
    // What is published with others is told apart less well; together it is exact.
    const apart: readonly string[] = ['disturbedSeconds', 'disturbedShare', 'sampledSeconds', 'firstSampledSeconds'];
    for (const name of serverTermNames) {
      const tolerance = apart.includes(name) ? 0.7 : 0.25;
      expect(Math.abs(costs[name] / expected[name] - 1), name).toBeLessThan(tolerance);
    }
    for (const tokens of [2, 8, 15]) {
      const total = (it: ServerCosts) =>
        it.disturbedSeconds +
        0.009 * it.disturbedShare +
        tokens * it.sampledSeconds +
        Math.min(tokens, 8) * it.firstSampledSeconds;
      expect(Math.abs(total(costs) / total(expected) - 1)).toBeLessThan(0.1);
    }
  });

  it('tells how far the simulation of the measured loads is off', () => {
    const settings = serverSettings;
    const requests = Array.from({ length: 12 }, () => request({ promptTokens: 24, outputTokens: 8 }));
    const [durationSeconds, ttftSeconds] = simulateLoad(
      { requests, concurrency: 4 },
      { step: { step: 0.01 }, server: null },
      settings,
    );
    const load = { requests, concurrency: 4, durationSeconds: durationSeconds * 2, ttftSeconds };
    const fit = fitServer({ step: 0.01 }, settings, { steps: [], requests: [] }, [], [load]);
    expect(fit.loads[0]).toMatchObject({ concurrency: 4, requests: 12, durationRatio: 0.5, ttftRatio: 1 });
  });

  const serverSettings = {
    blockCount: 2048,
    blockSize: 16,
    maxNumSeqs: 64,
    maxNumBatchedTokens: 512,
    maxModelLen: 512,
    maxStepStretch: 3.5,
  };

  const good: Calibration = {
    format: 'octavo-calibration',
    version: 2,
    date: '2026-01-01T00:00:00.000Z',
    model: { name: 'm', fingerprint: 'f', vocabSize: 100 },
    machine: { processor: 'p', cores: 2, memoryBytes: 1 },
    backend: 'b',
    build: 'cpu 0',
    threads: 2,
    blockSize: 16,
    kvCacheDtype: 'f16',
    blockBytes: 4096,
    limits: { maxNumSeqs: 64, maxNumBatchedTokens: 512, maxContextTokens: 512 },
    step: { step: 0.01 },
    server: null,
    pageSeconds: 0,
    fit: { steps: 1, medianError: 0, p90Error: 0, maxError: 0, spread: 0, rounds: 1, server: null },
  };

  it('is read back', () => {
    expect(parseCalibration(JSON.stringify(good), 'c')).toEqual(good);
  });

  it.each([
    ['nonsense', 'is not JSON'],
    ['[]', 'a calibration must be an object'],
    [JSON.stringify({ ...good, format: 'x' }), 'has no format'],
    [JSON.stringify({ ...good, version: 9 }), 'version 9 is unknown'],
    [JSON.stringify({ ...good, blockBytes: -1 }), 'blockBytes must be a number of at least 1, not -1'],
    [JSON.stringify({ ...good, step: { tokens: -1 } }), 'tokens must be a number of at least 0'],
    [JSON.stringify({ ...good, step: { warp: 1 } }), 'step.warp is no term'],
    [JSON.stringify({ ...good, step: {} }), 'step has no terms'],
    [JSON.stringify({ ...good, server: { stepSeconds: 'x' } }), 'stepSeconds'],
    [JSON.stringify({ ...good, model: { name: 'm', vocabSize: 5 } }), 'model.fingerprint must be a string'],
  ])('is refused: %s', (text, message) => {
    expect(() => parseCalibration(text, 'c')).toThrow(CalibrationFileError);
    expect(() => parseCalibration(text, 'c')).toThrow(message);
  });
});
