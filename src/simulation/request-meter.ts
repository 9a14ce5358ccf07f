// Notes when tokens come, and makes the figures of a load generator from it.

import { type LoadFigures, loadFigures, type Objectives, type RequestTimes } from './measures.ts';

/** A request under way. Times in milliseconds. */
export interface MeteredRequest {
  readonly arrivalMs: number;
  firstTokenMs: number;
  lastTokenMs: number;
  tokenCount: number;
}

export interface RequestMeter {
  arrived(arrivalMs: number): MeteredRequest;
  token(request: MeteredRequest, nowMs: number): void;
  /** Counts a request whose last token has come; one without tokens does not count. */
  ended(request: MeteredRequest, inputTokens: number): void;
  /** Null where no request had tokens. */
  figures(objectives: Objectives | null): LoadFigures | null;
}

const NEVER = -1;

/** `latencyMs` passes between a token and the moment its reader has it. */
export function createRequestMeter(latencyMs: number): RequestMeter {
  const requests: RequestTimes[] = [];
  let gaps = new Float64Array(1024);
  let gapCount = 0;
  let lastMs = 0;
  return {
    arrived: (arrivalMs) => ({ arrivalMs, firstTokenMs: NEVER, lastTokenMs: NEVER, tokenCount: 0 }),
    token(request, nowMs) {
      if (request.tokenCount++ === 0) {
        request.firstTokenMs = nowMs;
      } else {
        if (gapCount === gaps.length) {
          const wider = new Float64Array(gapCount * 2);
          wider.set(gaps);
          gaps = wider;
        }
        gaps[gapCount++] = nowMs - request.lastTokenMs;
      }
      request.lastTokenMs = nowMs;
    },
    ended({ arrivalMs, firstTokenMs, lastTokenMs, tokenCount }, inputTokens) {
      if (tokenCount === 0) return;
      lastMs = Math.max(lastMs, lastTokenMs + latencyMs);
      requests.push({
        inputTokens,
        outputTokens: tokenCount,
        ttft: firstTokenMs + latencyMs - arrivalMs,
        tpot: tokenCount < 2 ? null : (lastTokenMs - firstTokenMs) / (tokenCount - 1),
        e2e: lastTokenMs + latencyMs - arrivalMs,
      });
    },
    figures(objectives) {
      return requests.length === 0 ? null : loadFigures(requests, gaps.subarray(0, gapCount), lastMs, objectives);
    },
  };
}
