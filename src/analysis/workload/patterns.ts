// Access patterns of a cache: requests that each ask for a page, or for a chain of pages.

import { TOKENS_PER_HASH_ID, type TraceRequest } from '../../simulation/trace.ts';
import { type Text, text } from '../i18n/index.ts';
import { createRandom, integerBetween } from './random.ts';

export interface AccessPattern {
  readonly id: string;
  readonly name: Text;
  /** What it does. */
  readonly meaning: Text;
  /** Pages in the order in which they are asked for. */
  readonly accesses: readonly number[];
}

/** Patterns over a cache of `capacity` pages; the same seed gives the same accesses. */
export function accessPatterns(capacity: number, count: number, seed: number): AccessPattern[] {
  const many = Array.from({ length: count }, (_, i) => i);
  const pages = Math.round(capacity * 1.25);
  const local = createRandom(seed, 11);
  const popular = createRandom(seed, 12);
  const weights: number[] = [];
  for (let page = 0, sum = 0; page < capacity * 8; page++) {
    sum += 1 / (page + 1) ** 0.9;
    weights.push(sum);
  }
  return [
    {
      id: 'local',
      name: text('Local', '局部'),
      meaning: text('a working set of half the cache that drifts slowly', '缓慢漂移的工作集，大小为缓存的一半'),
      accesses: many.map((i) => Math.floor(i / 16) + integerBetween(local, 0, capacity / 2)),
    },
    {
      id: 'strided',
      name: text('Strided', '跳跃'),
      meaning: text(
        'every fourth page, then those beside them, over and over',
        '每隔三页访问一页，之后访问相邻页，循环往复',
      ),
      accesses: many.map((i) => {
        const row = Math.ceil(pages / 4);
        return (i % row) * 4 + (Math.floor(i / row) % 4);
      }),
    },
    {
      id: 'reversed',
      name: text('Reversed', '反向'),
      meaning: text('up and down again over a quarter more pages than fit', '在比容量多四分之一的页上来回访问'),
      accesses: many.map((i) => {
        const at = i % (2 * pages);
        return at < pages ? at : 2 * pages - 1 - at;
      }),
    },
    {
      id: 'looping',
      name: text('Looping', '循环'),
      meaning: text('round and round a quarter more pages than fit', '循环访问比容量多四分之一的页'),
      accesses: many.map((i) => i % pages),
    },
    {
      id: 'popular',
      name: text('Popular', '热点'),
      meaning: text('few pages asked for most of the time', '少数页占大多数访问'),
      accesses: many.map(() => {
        const at = popular() * weights[weights.length - 1];
        return weights.findIndex((sum) => sum >= at);
      }),
    },
  ];
}

/** Each access as a request whose prompt is that page and one token more, which is always computed. */
export function accessRequests(accesses: readonly number[]): TraceRequest[] {
  return accesses.map((page, i) => ({
    arrivalMs: 0,
    promptTokens: TOKENS_PER_HASH_ID + 1,
    outputTokens: 0,
    hashIds: [page, 1_000_000 + i],
  }));
}

/** Conversations that come back, each time with their answers so far and a page or two more, under one shared first page. */
export function conversationRequests(count: number, seed: number): TraceRequest[] {
  const random = createRandom(seed, 13);
  const open: number[][] = [];
  let next = 1;
  const fresh = (most: number) => Array.from({ length: integerBetween(random, 1, most) }, () => next++);
  return Array.from({ length: count }, () => {
    if (open.length < 30 || random() < 0.2) open.push([0, ...fresh(3)]);
    const at =
      random() < 0.6
        ? Math.max(0, open.length - 1 - integerBetween(random, 0, 9))
        : integerBetween(random, 0, open.length - 1);
    const chain = open[at];
    chain.push(...fresh(2));
    if (open.length > 60) open.splice(0, 1);
    return { arrivalMs: 0, promptTokens: chain.length * TOKENS_PER_HASH_ID, outputTokens: 0, hashIds: [...chain] };
  });
}

/** Hits of an oracle that always drops the page which is asked for last (Belady, 1966). */
export function optimalHits(accesses: readonly number[], capacity: number): number {
  const nextUse = new Array<number>(accesses.length);
  const seen = new Map<number, number>();
  for (let i = accesses.length - 1; i >= 0; i--) {
    nextUse[i] = seen.get(accesses[i]) ?? Number.POSITIVE_INFINITY;
    seen.set(accesses[i], i);
  }
  const cached = new Map<number, number>();
  let hits = 0;
  accesses.forEach((page, i) => {
    if (cached.has(page)) hits++;
    else if (cached.size >= capacity) {
      let [victim, farthest] = [-1, -1];
      for (const [candidate, use] of cached) if (use > farthest) [victim, farthest] = [candidate, use];
      cached.delete(victim);
    }
    cached.set(page, nextUse[i]);
  });
  return hits;
}
