// Requests that are made up: Poisson or gamma arrivals, drawn lengths, shared prefixes, chats of several turns.

import type { ArrivalStream, Arrivals } from '../arrivals.ts';
import { longestWithin } from '../arrivals.ts';
import { createHeap } from '../heap.ts';
import { createRandom, deriveSeed, gamma, type Random } from '../random.ts';
import type { PromptRun, TraceRequest } from '../trace.ts';
import type { DrawLength } from './lengths.ts';
import { createPrefixTree, type PrefixLevel } from './prefix-tree.ts';

export interface GeneratorOptions {
  /** Turns of all chats together. */
  readonly requestCount: number;
  /** Requests (or, with turns, chats) that begin in a second, on average; infinity begins all at once. */
  readonly ratePerSecond: number;
  /** Coefficient of variation of the gaps between them: 1 is Poisson, more is more bursty, 0 is like clockwork. */
  readonly variation: number;
  /** What a request, or a turn, adds: without the shared prefix and the history. */
  readonly ownTokens: DrawLength;
  readonly outputTokens: DrawLength;
  /** In front of the prompt; none where empty. */
  readonly prefixTree: readonly PrefixLevel[];
  /** Zipf's exponent of the tree's branches. */
  readonly prefixSkew: number;
  /** Turns of a chat; a turn's prompt is all that was said before, and its own tokens. Null: requests of one turn. */
  readonly turns: DrawLength | null;
  /** Mean time between an answer and the next turn, exponentially distributed. */
  readonly thinkSeconds: number;
  /** A chat ends before a turn that would be longer with its answer. Defaults to no limit. */
  readonly maxModelLen?: number;
  readonly seed: number;
}

/** Turns of a chat at most. */
export const maxTurns = 1024;

interface Turn {
  readonly request: TraceRequest;
  /** After the answer of the turn before. */
  readonly thinkMs: number;
}

interface Due {
  readonly atMs: number;
  readonly index: number;
}

/** The requests of a chat depend on the seed and its number only, so who ends when changes nothing but times. */
export function generatedArrivals(options: GeneratorOptions): Arrivals {
  const { requestCount, seed } = options;
  const drawPrefix = createPrefixTree(options.prefixTree, options.prefixSkew);
  const chat = (number: number): Turn[] => drawChat(options, drawPrefix, number);
  let lengths: number[] | null = null;

  function open(): ArrivalStream {
    const random = createRandom(deriveSeed(seed, -1));
    const chats = new Map<number, { readonly turns: readonly Turn[]; taken: number }>();
    const due = createHeap<Due>((a, b) => a.atMs < b.atMs || (a.atMs === b.atMs && a.index < b.index));
    let chatCount = 0;
    /** Turns of chats that have begun, taken or not. */
    let planned = 0;
    let startMs = 0;
    let isLast = false;

    /** The next chat is always in the heap, until there are requests enough. */
    function beginChat(): void {
      if (isLast) return;
      const number = chatCount++;
      const turns = chat(number).slice(0, requestCount - planned);
      planned += turns.length;
      isLast = planned >= requestCount;
      chats.set(number, { turns, taken: 0 });
      due.push({ atMs: startMs, index: number * maxTurns });
      startMs += gapMs(options, random);
    }

    beginChat();
    return {
      get nextMs() {
        return due.first?.atMs ?? null;
      },
      take() {
        const { atMs, index } = due.pop()!;
        const number = Math.floor(index / maxTurns);
        const state = chats.get(number)!;
        const { request } = state.turns[state.taken++];
        if (index % maxTurns === 0) beginChat();
        return { index, request: { ...request, arrivalMs: atMs } };
      },
      ended(index, atMs) {
        const number = Math.floor(index / maxTurns);
        const { turns, taken } = chats.get(number)!;
        if (taken === turns.length) chats.delete(number);
        else due.push({ atMs: atMs + turns[taken].thinkMs, index: number * maxTurns + taken });
      },
    };
  }

  return {
    requestCount,
    sharesPrompts: options.prefixTree.length > 0 || options.turns !== null,
    longestTokens(limit) {
      if (lengths === null) {
        lengths = [];
        for (let number = 0; lengths.length < requestCount; number++) {
          for (const { request } of chat(number).slice(0, requestCount - lengths.length)) {
            lengths.push(request.promptTokens + request.outputTokens);
          }
        }
      }
      return longestWithin(lengths, limit);
    },
    open,
  };
}

function gapMs({ ratePerSecond, variation }: GeneratorOptions, random: Random): number {
  if (ratePerSecond === Number.POSITIVE_INFINITY) return 0;
  const meanMs = 1000 / ratePerSecond;
  const shape = 1 / variation ** 2;
  return variation === 0 ? meanMs : gamma(shape, meanMs / shape, random);
}

function drawChat(options: GeneratorOptions, drawPrefix: (random: Random) => PromptRun[], number: number): Turn[] {
  const { ownTokens, outputTokens, thinkSeconds, maxModelLen = Number.POSITIVE_INFINITY } = options;
  const random = createRandom(deriveSeed(options.seed, number));
  const turnCount = Math.min(maxTurns, options.turns?.(random) ?? 1);
  const turns: Turn[] = [];
  let history = drawPrefix(random);
  for (let turn = 0; turn < turnCount; turn++) {
    const index = number * maxTurns + turn;
    const runs = [...history, { name: index, tokenCount: ownTokens(random) }];
    const promptTokens = runs.reduce((sum, { tokenCount }) => sum + tokenCount, 0);
    const answered = outputTokens(random);
    const thinkMs = turn === 0 ? 0 : -Math.log(1 - random()) * thinkSeconds * 1000;
    // The first turn is refused by whoever cannot serve it; later ones nobody would ask for.
    if (turn > 0 && promptTokens + answered > maxModelLen) break;
    const request: TraceRequest = {
      arrivalMs: 0,
      promptTokens,
      outputTokens: answered,
      hashIds: null,
      runs,
      ...(turnCount > 1 ? { chat: number } : {}),
    };
    turns.push({ request, thinkMs });
    history = [...runs, { answerOf: index, firstPosition: promptTokens, tokenCount: answered }];
  }
  return turns;
}
