// Made-up loads of a prefix cache: requests as lists of block names, in which equal names are equal prefixes.

import { createRandom, type Random } from '../common/random.ts';

export type Requests = readonly (readonly number[])[];

/** What all loads are made with. */
interface Source {
  readonly random: Random;
  /** Names that were not used before. */
  fresh(count: number): number[];
  /** From 1 on, geometric with this mean. */
  length(mean: number): number;
  pick(count: number): number;
  /** Picks 0 to count - 1 with weights 1 / (i + 1)^exponent. */
  heavyTail(count: number, exponent: number): () => number;
}

function createSource(seed: number): Source {
  const random = createRandom(seed);
  let next = 0;
  return {
    random,
    fresh: (count) => Array.from({ length: count }, () => next++),
    length: (mean) => 1 + Math.floor(-Math.log(1 - random()) * (mean - 1)),
    pick: (count) => Math.floor(random() * count),
    heavyTail(count, exponent) {
      const sums: number[] = [];
      for (let i = 0, sum = 0; i < count; i++) {
        sum += (i + 1) ** -exponent;
        sums.push(sum);
      }
      return () => {
        const at = random() * sums[count - 1];
        return Math.max(
          0,
          sums.findIndex((sum) => sum > at),
        );
      };
    },
  };
}

/** Conversations that grow from turn to turn, 150 at a time, under one system prompt. */
function chats({ random, fresh, length, pick }: Source, count: number): Requests {
  const system = fresh(4);
  const open: number[][] = [];
  return Array.from({ length: count }, () => {
    if (open.length < 150 || random() < 0.25) {
      open.push([...system, ...fresh(length(6))]);
      return [...open[open.length - 1]];
    }
    const at = pick(open.length);
    open[at].push(...fresh(length(5)));
    const request = [...open[at]];
    if (random() < 0.25) open.splice(at, 1);
    return request;
  });
}

/** Agents that call tools in quick succession, each on one of eight long system prompts. */
function agents({ random, fresh, length, pick }: Source, count: number): Requests {
  const tools = Array.from({ length: 8 }, () => fresh(16));
  const open: { readonly blocks: number[]; left: number }[] = [];
  return Array.from({ length: count }, () => {
    if (open.length < 40 || random() < 0.08) {
      open.push({ blocks: [...tools[pick(8)], ...fresh(length(4))], left: length(12) });
    }
    const at = pick(open.length);
    const agent = open[at];
    const request = [...agent.blocks];
    agent.blocks.push(...fresh(length(3)));
    if (--agent.left <= 0) open.splice(at, 1);
    return request;
  });
}

/** Shared prompts of which a few are asked for most of the time; questions are new. */
function prompts({ fresh, length, heavyTail }: Source, count: number): Requests {
  const next = heavyTail(400, 0.9);
  const shared = Array.from({ length: 400 }, () => fresh(length(20)));
  return Array.from({ length: count }, () => [...shared[next()], ...fresh(length(6))]);
}

/** Shared prompts, and in between long documents that are read once. */
function documents({ random, fresh, length, heavyTail }: Source, count: number): Requests {
  const next = heavyTail(150, 0.8);
  const shared = Array.from({ length: 150 }, () => fresh(length(12)));
  return Array.from({ length: count }, () =>
    random() < 0.15 ? fresh(60 + length(60)) : [...shared[next()], ...fresh(length(4))],
  );
}

/** A hundred documents read round and round: 4,000 blocks, more than the caches hold. */
function loop({ fresh, length }: Source, count: number): Requests {
  const documents = Array.from({ length: 100 }, () => fresh(20 + length(20)));
  return Array.from({ length: count }, (_, i) => documents[i % 100]);
}

/** Shared prompts that are replaced one by one. */
function drift({ fresh, length, heavyTail, pick }: Source, count: number): Requests {
  const next = heavyTail(200, 0.9);
  const shared = Array.from({ length: 200 }, () => fresh(length(16)));
  return Array.from({ length: count }, (_, i) => {
    if (i % 20 === 0) shared[pick(200)] = fresh(length(16));
    return [...shared[next()], ...fresh(length(4))];
  });
}

/** Shared prompts that are all replaced at once, three times. */
function shifts({ fresh, length, heavyTail }: Source, count: number): Requests {
  const next = heavyTail(250, 0.8);
  let shared: number[][] = [];
  return Array.from({ length: count }, (_, i) => {
    if (i % Math.ceil(count / 4) === 0) shared = Array.from({ length: 250 }, () => fresh(length(14)));
    return [...shared[next()], ...fresh(length(4))];
  });
}

/** Chains that are asked for again soon or never: the load that LRU is right for. */
function recent({ random, fresh, length }: Source, count: number): Requests {
  const past: number[][] = [];
  return Array.from({ length: count }, () => {
    if (past.length < 5 || random() < 0.35) past.push(fresh(length(14)));
    else {
      const back = Math.min(past.length - 1, Math.floor(-Math.log(1 - random()) * 25));
      const [chain] = past.splice(past.length - 1 - back, 1);
      if (random() < 0.5) chain.push(...fresh(length(3)));
      past.push(chain);
    }
    return [...past[past.length - 1]];
  });
}

const makers = { chats, agents, prompts, documents, loop, drift, shifts, recent } as const;

export type WorkloadName = keyof typeof makers;
export const workloadNames = Object.keys(makers) as readonly WorkloadName[];

/** The same seed gives the same requests. */
export function makeWorkload(name: WorkloadName, requestCount: number, seed: number): Requests {
  return makers[name](createSource(seed), requestCount);
}
