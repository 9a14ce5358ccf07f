// The same workloads twice: as the simulation takes them, and with the token ids that a server gets.

import {
  type Arrivals,
  closedLoopArrivals,
  generatedArrivals,
  lengthsOf,
  listArrivals,
  parseLengthSpec,
  promptTokenIds,
  type TraceRequest,
} from '../../src/simulation/index.ts';
import type { Workload } from '../serve/workload.ts';

export interface NamedWorkload {
  readonly name: string;
  readonly requests: readonly TraceRequest[];
  /** Null: requests start when they arrive. */
  readonly concurrency: number | null;
}

/** A factor of the request counts lets slow models take part. */
export interface WorkloadOptions {
  readonly requestCount: number;
  /** Of the open loop. */
  readonly ratePerSecond: number;
  readonly seed: number;
}

function made(
  requestCount: number,
  seed: number,
  options: { input: string; output: string; prefix?: number; rate?: number },
): TraceRequest[] {
  const { input, output, prefix = 0, rate = Number.POSITIVE_INFINITY } = options;
  const arrivals = generatedArrivals({
    requestCount,
    ratePerSecond: rate,
    variation: 1,
    ownTokens: lengthsOf(parseLengthSpec(input, 'input')),
    outputTokens: lengthsOf(parseLengthSpec(output, 'output')),
    prefixTree: prefix === 0 ? [] : [{ branches: 1, tokens: prefix }],
    prefixSkew: 0,
    turns: null,
    thinkSeconds: 0,
    seed,
  });
  const stream = arrivals.open();
  return Array.from({ length: requestCount }, () => stream.take().request);
}

/**
 * A closed loop with a shared prefix, one where nothing is shared, and Poisson arrivals of mixed lengths. Lengths of the first vary: where all
 * are equal, requests end and come in lock-step, and half of them wait for one step or for two as the first wave happened to fall; the
 * server's own median is then 100 ms in one run and 150 in the next.
 */
export function workloads({ requestCount, ratePerSecond, seed }: WorkloadOptions): NamedWorkload[] {
  return [
    {
      name: 'closed loop, shared prefix',
      requests: made(requestCount, seed, { prefix: 384, input: 'uniform:64-192', output: 'uniform:32-96' }),
      concurrency: 16,
    },
    {
      name: 'closed loop, nothing shared',
      requests: made(requestCount, seed + 1, { input: '256', output: '48' }),
      concurrency: 8,
    },
    {
      name: 'Poisson, mixed lengths',
      requests: made(requestCount, seed + 2, {
        input: 'lognormal:160,0.8',
        output: 'uniform:8-72',
        rate: ratePerSecond,
      }),
      concurrency: null,
    },
  ];
}

export function arrivalsOf({ requests, concurrency }: NamedWorkload): Arrivals {
  return concurrency === null ? listArrivals(requests) : closedLoopArrivals(requests, concurrency);
}

/** Token ids are drawn from [vocabSize / 8, vocabSize * 7 / 8): special ones lie at the ends. */
export function servedWorkload({ requests, concurrency }: NamedWorkload, vocabSize: number, seed: number): Workload {
  const span = Math.floor(vocabSize * 0.75);
  const first = Math.floor(vocabSize / 8);
  return {
    concurrency,
    requests: requests.map((request, index) => ({
      arrivalMs: request.arrivalMs,
      outputTokens: request.outputTokens,
      prompt: promptTokenIds(request, index, request.promptTokens, seed).map((id) => first + (id % span)),
    })),
  };
}

export function longestTokens(all: readonly NamedWorkload[]): number {
  const lengths = all.flatMap(({ requests }) => requests.map((one) => one.promptTokens + one.outputTokens));
  return Math.max(...lengths);
}
