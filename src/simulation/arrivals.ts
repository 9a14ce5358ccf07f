// When requests arrive: one interface over traces, generators and closed loops, read as a stream.

import type { TraceRequest } from './trace.ts';

export interface Arrival {
  /** Names the request: its place in the file or the order of generation. Its prompt and answer depend on it and the seed. */
  readonly index: number;
  readonly request: TraceRequest;
}

/** One pass over the requests, in the order of their arrival. */
export interface ArrivalStream {
  /** When the next request arrives, in milliseconds from the start; null while none is known, because all others wait for ends, and after the last. */
  readonly nextMs: number | null;
  /** Takes that request. */
  take(): Arrival;
  /** The request ended or was refused: closed loops and chats go on from there. */
  ended(index: number, atMs: number): void;
}

export interface Arrivals {
  readonly requestCount: number;
  /** Whether prompts may have something in common. */
  readonly sharesPrompts: boolean;
  /** Prompt and answer of the longest request that is at most `limitTokens` long; 0 if there is none. */
  longestTokens(limitTokens: number): number;
  open(): ArrivalStream;
}

/** The requests of a list, at their times or (`saturated`) all at the start. */
export function listArrivals(requests: readonly TraceRequest[], saturated = false): Arrivals {
  const dueMs = (index: number): number => (saturated ? 0 : requests[index].arrivalMs);
  const order = requests.map((_, index) => index);
  if (!saturated) order.sort((a, b) => dueMs(a) - dueMs(b) || a - b);
  return {
    ...boundsOf(requests),
    open() {
      let next = 0;
      return {
        get nextMs() {
          return next < order.length ? dueMs(order[next]) : null;
        },
        take() {
          const index = order[next++];
          return { index, request: requests[index] };
        },
        ended() {},
      };
    },
  };
}

/** The same requests in the same order, all at the start; turns of a chat still wait for one another. */
export function saturatedArrivals(arrivals: Arrivals): Arrivals {
  return {
    ...arrivals,
    open() {
      const stream = arrivals.open();
      return {
        get nextMs() {
          return stream.nextMs === null ? null : 0;
        },
        take() {
          const { index, request } = stream.take();
          return { index, request: { ...request, arrivalMs: 0 } };
        },
        ended: stream.ended,
      };
    },
  };
}

/** The same requests, changed one by one; `change` makes none longer by more than `addedTokens`. */
export function changedArrivals(
  arrivals: Arrivals,
  change: (request: TraceRequest) => TraceRequest,
  addedTokens: number,
): Arrivals {
  return {
    ...arrivals,
    longestTokens: (limit) => Math.min(limit, arrivals.longestTokens(Number.POSITIVE_INFINITY) + addedTokens),
    open() {
      const stream = arrivals.open();
      return {
        get nextMs() {
          return stream.nextMs;
        },
        take() {
          const { index, request } = stream.take();
          return { index, request: change(request) };
        },
        ended: stream.ended,
      };
    },
  };
}

/** Requests in a closed loop: `concurrency` at the start, the next when one ends. Their own times do not count. */
export function closedLoopArrivals(requests: readonly TraceRequest[] | Arrivals, concurrency: number): Arrivals {
  const arrivals = 'open' in requests ? requests : listArrivals(requests, true);
  return {
    ...arrivals,
    open() {
      const stream = arrivals.open();
      /** Times of ends that nobody has followed yet, in order. */
      const due: number[] = Array.from({ length: Math.min(concurrency, arrivals.requestCount) }, () => 0);
      return {
        get nextMs() {
          return stream.nextMs !== null && due.length > 0 ? due[0] : null;
        },
        take() {
          const arrivalMs = due.shift()!;
          const { index, request } = stream.take();
          return { index, request: { ...request, arrivalMs } };
        },
        ended(index, atMs) {
          stream.ended(index, atMs);
          due.push(atMs);
        },
      };
    },
  };
}

function boundsOf(
  requests: readonly TraceRequest[],
): Pick<Arrivals, 'requestCount' | 'sharesPrompts' | 'longestTokens'> {
  return {
    requestCount: requests.length,
    sharesPrompts: requests.some(({ hashIds, runs }) => hashIds !== null || runs !== undefined),
    longestTokens: (limit) =>
      longestWithin(
        requests.map((one) => one.promptTokens + one.outputTokens),
        limit,
      ),
  };
}

/** The largest of `lengths` that is at most `limit`, or 0. */
export function longestWithin(lengths: Iterable<number>, limit: number): number {
  let longest = 0;
  for (const length of lengths) if (length <= limit && length > longest) longest = length;
  return longest;
}
