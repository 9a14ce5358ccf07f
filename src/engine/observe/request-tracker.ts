// What happens to each request, put together from the scheduler's events: for explanations and recordings.

import type { EventHub, MissReason, OctavoEvent, RequestWaits, WaitCause } from '../../events/index.ts';

export interface TrackedPreemption {
  readonly timeMs: number;
  readonly step: number;
  /** The request that got its memory. */
  readonly by: string;
  readonly reason: 'blocks' | 'quota';
  readonly mode: 'recompute';
  /** Tokens that it had in memory, and how many of them it had to compute again; null until it runs again. */
  readonly lostTokens: number;
  recomputedTokens: number | null;
}

export interface TrackedRequest {
  readonly requestId: string;
  /** Ids of its sequences: one for each choice that ran. */
  readonly sequences: number[];
  /** The request that it was forked off, if it was. */
  readonly forkedFrom: string | null;
  readonly waitedMs: { -readonly [K in keyof RequestWaits]: number };
  /** Of the first admission. */
  cachedTokens: number;
  reason: MissReason | null;
  firstMissing: number | null;
  /** Requests that had some of its cached blocks too when it was admitted first. */
  sharedWith: readonly { readonly requestId: string; readonly blocks: number }[];
  /** Pages that were loaded for it, by the tier that had them. */
  readonly pagesIn: Record<string, number>;
  failedPages: number;
  preemptionCount: number;
  /** The first `mostPreemptions` of them. */
  readonly preemptions: TrackedPreemption[];
  firstStep: number | null;
  lastStep: number | null;
  /** Steps that ran at least one of its sequences. */
  stepCount: number;
  /** Tokens that those steps computed, recomputation included. */
  computedTokens: number;
}

export interface RequestTracker {
  /** A request that has not ended; its waits as of now. */
  find(requestId: string, nowMs: number): TrackedRequest | undefined;
  /** Forgets a request, and returns what is known of it. */
  take(requestId: string, nowMs: number): TrackedRequest | undefined;
  close(): void;
}

interface TrackedSequence {
  readonly request: TrackedRequest;
  /** Null while it runs. */
  cause: WaitCause | null;
  sinceMs: number;
  /** The preemption that it has not come back from. */
  preemption: TrackedPreemption | null;
}

const mostPreemptions = 64;

export function createRequestTracker(hub: Pick<EventHub, 'listen'>): RequestTracker {
  const requests = new Map<string, TrackedRequest>();
  const sequences = new Map<number, TrackedSequence>();

  function requestOf(requestId: string, forkedFrom: string | null): TrackedRequest {
    const known = requests.get(requestId);
    if (known !== undefined) return known;
    const request: TrackedRequest = {
      requestId,
      sequences: [],
      forkedFrom,
      waitedMs: { queue: 0, blocks: 0, headroom: 0, quota: 0, pages: 0, prefix: 0 },
      cachedTokens: 0,
      reason: null,
      firstMissing: null,
      sharedWith: [],
      pagesIn: {},
      failedPages: 0,
      preemptionCount: 0,
      preemptions: [],
      firstStep: null,
      lastStep: null,
      stepCount: 0,
      computedTokens: 0,
    };
    requests.set(requestId, request);
    return request;
  }

  function begin(id: number, request: TrackedRequest, cause: WaitCause | null, sinceMs: number): void {
    request.sequences.push(id);
    sequences.set(id, { request, cause, sinceMs, preemption: null });
  }

  /** Counts what a sequence has waited until now, and lets it wait for something else, or run. */
  function turn(id: number, cause: WaitCause | null, nowMs: number): TrackedSequence | undefined {
    const sequence = sequences.get(id);
    if (sequence === undefined) return undefined;
    if (sequence.cause !== null) sequence.request.waitedMs[sequence.cause] += nowMs - sequence.sinceMs;
    sequence.cause = cause;
    sequence.sinceMs = nowMs;
    return sequence;
  }

  const nameOf = (id: number): string => sequences.get(id)?.request.requestId ?? `sequence ${id}`;

  function noteShares(event: OctavoEvent & { readonly type: 'scheduled' }): void {
    for (let i = 0; i < event.sequences.length; i++) {
      const request = sequences.get(event.sequences[i])?.request;
      if (request === undefined) continue;
      request.computedTokens += event.tokens[i];
      if (request.lastStep === event.step) continue;
      request.firstStep ??= event.step;
      request.lastStep = event.step;
      request.stepCount++;
    }
  }

  function noteAdmission(event: OctavoEvent & { readonly type: 'admitted' }): void {
    const sequence = turn(event.sequence, null, event.timeMs);
    if (sequence === undefined) return;
    const { request } = sequence;
    if (request.reason === null && !event.resumed) {
      request.cachedTokens = event.cachedTokens;
      request.reason = event.reason;
      request.firstMissing = event.firstMissing;
      request.sharedWith = event.sharedWith.map((each) => ({ requestId: nameOf(each.sequence), blocks: each.blocks }));
    }
    const { preemption } = sequence;
    if (preemption !== null) preemption.recomputedTokens = Math.max(0, preemption.lostTokens - event.cachedTokens);
    sequence.preemption = null;
  }

  function notePreemption(event: OctavoEvent & { readonly type: 'preempted' }): void {
    const sequence = turn(event.sequence, event.reason, event.timeMs);
    if (sequence === undefined) return;
    const { request } = sequence;
    request.preemptionCount++;
    if (request.preemptions.length === mostPreemptions) return;
    const { timeMs, step, reason, mode, computedTokens } = event;
    const by = nameOf(event.by);
    sequence.preemption = { timeMs, step, by, reason, mode, lostTokens: computedTokens, recomputedTokens: null };
    request.preemptions.push(sequence.preemption);
  }

  function note(event: OctavoEvent): void {
    switch (event.type) {
      case 'added':
        begin(event.sequence, requestOf(event.requestId, null), 'queue', event.timeMs);
        return;
      case 'forked': {
        const parent = nameOf(event.parent);
        const request = requestOf(event.requestId, parent === event.requestId ? null : parent);
        begin(event.sequence, request, event.running ? null : 'queue', event.timeMs);
        return;
      }
      case 'waiting':
        turn(event.sequence, event.cause, event.timeMs);
        return;
      case 'admitted':
        noteAdmission(event);
        return;
      case 'preempted':
        notePreemption(event);
        return;
      case 'aborted':
        for (const id of event.returned) turn(id, 'queue', event.timeMs);
        return;
      case 'scheduled':
        noteShares(event);
        return;
      case 'paged_in':
        for (const id of event.sequences) {
          const request = sequences.get(id)?.request;
          if (request === undefined) continue;
          for (const [tier, pages] of Object.entries(event.tiers)) {
            request.pagesIn[tier] = (request.pagesIn[tier] ?? 0) + pages;
          }
          request.failedPages += event.failed;
        }
        return;
      case 'finished':
      case 'cancelled':
        turn(event.sequence, null, event.timeMs);
        return;
    }
  }

  /** Counts waits that go on. */
  function settle(request: TrackedRequest, nowMs: number): TrackedRequest {
    for (const id of request.sequences) {
      const sequence = sequences.get(id);
      if (sequence !== undefined) turn(id, sequence.cause, nowMs);
    }
    return request;
  }

  const stop = hub.listen(note);
  return {
    find(requestId, nowMs) {
      const request = requests.get(requestId);
      return request && settle(request, nowMs);
    },
    take(requestId, nowMs) {
      const request = requests.get(requestId);
      if (request === undefined) return undefined;
      settle(request, nowMs);
      requests.delete(requestId);
      for (const id of request.sequences) sequences.delete(id);
      return request;
    },
    close: stop,
  };
}
