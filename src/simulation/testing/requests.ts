// The clients: they send requests, cancel and fork some, send again what was lost or refused, and compare every answer with the plain run's.

import { InvalidRequestError, QueueFullError } from '../../errors/index.ts';
import type { RunTotals } from './run-scenario.ts';
import { createDraw, type Scenario } from './scenario.ts';
import { groupsOf, type ServerProcess } from './server-process.ts';
import type { plainRun } from './stub-model.ts';
import type { VirtualTime } from './virtual-time.ts';

export interface Request {
  readonly name: string;
  readonly promptTokenIds: readonly number[];
  readonly salt: string;
  readonly maxNewTokens: number;
  readonly logits: boolean;
  /** Milliseconds after which its client loses interest; null: never. */
  readonly patienceMs: number | null;
  /** After so many tokens it is forked; null: never. */
  readonly forkAfter: number | null;
  /** Of what it gets now, under which id of the server; 0 while it is not with it. */
  id: number;
  /** When the server took it. */
  sentMs: number;
  generated: number[];
}

export interface RequestsContext {
  readonly scenario: Scenario;
  readonly time: VirtualTime;
  readonly note: (line: string) => void;
  readonly totals: RunTotals;
  readonly server: () => ServerProcess | null;
  readonly plainRun: typeof plainRun;
  /** Some requests that have their whole answer. */
  readonly onFinished: (request: Request) => void;
}

export interface Requests {
  readonly isDone: boolean;
  readonly longestMs: number;
  begin(): void;
  /** One more request, which goes on after these tokens. */
  goOn(tokenIds: readonly number[], salt: string): void;
  /** Sends what is not with the server. */
  send(): void;
  /** The server is gone with all that it had. */
  lost(): void;
  failed(id: number): void;
  token(id: number, tokenId: number, isLast: boolean): void;
}

const AGAIN_MS = 15;

function familyToken(family: number, position: number): number {
  return (Math.imul(family * 7919 + position + 1, 2654435761) >>> 8) % 50_000;
}

export function createRequests(context: RequestsContext): Requests {
  const { scenario, time, note, totals, server, plainRun: plain, onFinished } = context;
  const { requestCount, outstandingLimit, server: settings } = scenario;
  const { between, of, random, ms } = createDraw(scenario.seed, 4);
  const limitTokens = Math.min(settings.maxModelLen, settings.blockCount * settings.blockSize);
  const live = new Set<Request>();
  const byId = new Map<number, Request>();
  let made = 0;
  let nextId = 1;
  let longestMs = 0;

  function makePrompt(): number[] {
    const length = between(1, random() < 0.5 ? limitTokens - 1 : Math.ceil(limitTokens / 2));
    const family = between(1, scenario.families);
    const own = 1000 + between(1, 3 * scenario.families);
    const shared = random() < 0.5 ? length : Math.floor(length * random());
    return Array.from({ length }, (_, position) => familyToken(position < shared ? family : own, position));
  }

  function make(): Request {
    const promptTokenIds = makePrompt();
    const maxNewTokens = Math.min(
      limitTokens - promptTokenIds.length,
      of([0, 1, between(1, 8), between(1, 80), between(1, 80)]),
    );
    const logits = random() < scenario.logitsShare;
    return {
      name: `r${++made}`,
      promptTokenIds,
      salt: of(['', '', '', 'b']),
      maxNewTokens,
      logits,
      sentMs: time.nowMs,
      patienceMs: random() < scenario.cancelShare ? ms(40) : null,
      forkAfter: random() < scenario.forkShare && maxNewTokens > 1 ? between(1, maxNewTokens - 1) : null,
      id: 0,
      generated: [],
    };
  }

  function accept(request: Request): void {
    live.add(request);
    if (request.patienceMs !== null) time.after(request.patienceMs, () => giveUp(request));
    send(request);
  }

  function send(request: Request): void {
    const to = server();
    if (to === null || request.id !== 0 || !live.has(request)) return;
    const id = nextId++;
    try {
      to.add(id, request.promptTokenIds, request.maxNewTokens, request.salt, request.logits);
    } catch (error) {
      if (!(error instanceof QueueFullError)) throw error;
      time.after(AGAIN_MS, () => send(request));
      return;
    }
    note(`${request.name} is ${id}: ${request.promptTokenIds.length}+${request.maxNewTokens}`);
    request.id = id;
    request.sentMs = time.nowMs;
    byId.set(id, request);
  }

  function next(): void {
    if (made >= requestCount) return;
    if (live.size < outstandingLimit) accept(make());
    time.after(ms(scenario.meanGapMs), next);
  }

  function end(request: Request): void {
    live.delete(request);
    byId.delete(request.id);
    if (request.id !== 0) longestMs = Math.max(longestMs, time.nowMs - request.sentMs);
  }

  function giveUp(request: Request): void {
    if (!live.has(request)) return;
    note(`${request.name} is cancelled`);
    if (request.id !== 0) server()?.cancel(request.id);
    compare(request, false);
    end(request);
    totals.cancelled++;
  }

  /** Tokens so far must begin, or be, those of the plain run. */
  function compare(request: Request, isAll: boolean): void {
    const wanted = plain(request.promptTokenIds, request.salt, request.maxNewTokens, groupsOf(settings));
    const { generated, name } = request;
    const differs = generated.findIndex((token, i) => token !== wanted[i]);
    if (differs !== -1) {
      throw new Error(`${name} got token ${generated[differs]} at ${differs}, alone it gets ${wanted[differs]}`);
    }
    if (isAll && generated.length !== wanted.length) {
      throw new Error(`${name} ended after ${generated.length} tokens, alone it gets ${wanted.length}`);
    }
  }

  function fork(parent: Request): void {
    const to = server();
    if (to === null) return;
    const promptTokenIds = [...parent.promptTokenIds, ...parent.generated];
    const replaced = random() < 0.5 ? between(0, 50_000 - 1) : undefined;
    if (replaced !== undefined) promptTokenIds[promptTokenIds.length - 1] = replaced;
    const maxNewTokens = Math.min(limitTokens - promptTokenIds.length, between(1, 20));
    if (maxNewTokens < 1) return;
    const id = nextId++;
    try {
      to.fork(parent.id, id, maxNewTokens, parent.salt, replaced);
    } catch (error) {
      if (error instanceof QueueFullError || error instanceof InvalidRequestError) return;
      throw error;
    }
    const child: Request = {
      name: `${parent.name}/${id}`,
      promptTokenIds,
      salt: parent.salt,
      maxNewTokens,
      logits: false,
      sentMs: time.nowMs,
      patienceMs: null,
      forkAfter: null,
      id,
      generated: [],
    };
    note(`${child.name} is forked`);
    live.add(child);
    byId.set(id, child);
    totals.forks++;
  }

  /** Holds what the cache has of its prompt for a while, if there is room for one more pin. */
  function pin({ name, promptTokenIds, salt }: Request): void {
    try {
      const pinned = server()?.pins.pin(promptTokenIds, salt, 1 + ms(60));
      if (pinned === undefined) return;
      note(`${name} pins ${pinned.pinnedTokens} tokens`);
      totals.pinnedTokens += pinned.pinnedTokens;
      if (random() < 0.3) time.after(ms(20), pinned.release);
    } catch (error) {
      if (!(error instanceof InvalidRequestError)) throw error;
      totals.refusedPins++;
    }
  }

  function repeat(request: Request): void {
    byId.delete(request.id);
    request.id = 0;
    compare(request, false);
    request.generated = [];
    totals.repeated++;
    time.after(AGAIN_MS, () => send(request));
  }

  return {
    get isDone() {
      return made >= requestCount && live.size === 0;
    },
    get longestMs() {
      return longestMs;
    },
    begin: next,
    goOn(tokenIds, salt) {
      if (made >= requestCount) return;
      const promptTokenIds = [...tokenIds, between(0, 49_999)].slice(0, limitTokens - 1);
      const maxNewTokens = Math.min(limitTokens - promptTokenIds.length, between(1, 20));
      accept({ ...make(), promptTokenIds, salt, maxNewTokens, logits: false, patienceMs: null, forkAfter: null });
    },
    send() {
      for (const request of live) send(request);
    },
    lost() {
      for (const request of live) if (request.id !== 0) repeat(request);
    },
    failed(id) {
      const request = byId.get(id);
      if (request !== undefined) repeat(request);
    },
    token(id, tokenId, isLast) {
      const request = byId.get(id);
      if (request === undefined) throw new Error(`a token for ${id}, which nobody sent`);
      if (tokenId >= 0) request.generated.push(tokenId);
      if (isLast) {
        compare(request, true);
        end(request);
        totals.finished++;
        if (random() < scenario.sessionShare) onFinished(request);
        if (random() < scenario.pinShare) pin(request);
      } else if (request.generated.length === request.forkAfter) {
        // At once, or while the next step runs.
        if (random() < 0.5) fork(request);
        else time.after(0.3, () => live.has(request) && byId.get(id) === request && fork(request));
      }
    },
  };
}
