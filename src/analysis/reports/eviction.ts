// Report: how often each eviction policy hits, by access pattern.

import { type EvictionPolicyName, evictionPolicyNames } from '../../memory/index.ts';
import { defaultCostModel, replay, simulate, type Trace, type TraceRequest } from '../../simulation/index.ts';
import { TOKENS_PER_HASH_ID } from '../../simulation/trace.ts';
import { cellChart, type GridCell } from '../charts/index.ts';
import { formatCount, formatShare } from '../format.ts';
import { type Text, text, words } from '../i18n/index.ts';
import { accessPatterns, accessRequests, conversationRequests, optimalHits } from '../workload/patterns.ts';
import type { Report } from './report.ts';

interface Load {
  readonly id: string;
  readonly name: Text;
  readonly meaning: Text;
  readonly capacityBlocks: number;
  readonly requests: number;
  readonly hitRates: Readonly<Record<EvictionPolicyName, number>>;
  readonly evictions: Readonly<Record<EvictionPolicyName, number>>;
  /** Of an oracle; null where none was computed. */
  readonly optimum: number | null;
}

type Rates = Record<EvictionPolicyName, number>;

export const eviction: Report = {
  name: 'eviction',
  title: text('Eviction policies by access pattern', '淘汰策略与访问模式'),
  summary: text(
    'Shares of the asked-for pages that the prefix cache still had, for every policy and the patterns of the founding documents: local, strided, reversed, looping, and conversations or a trace.',
    '各淘汰策略在文档所列访问模式（局部、跳跃、反向、循环）以及对话或真实轨迹下的前缀缓存命中率。',
  ),
  async run({ trace, seed, quick, onProgress }) {
    const capacity = quick ? 32 : 128;
    const count = quick ? 300 : 2500;
    const patterns = accessPatterns(capacity, count, seed);
    const total = (patterns.length + 1) * evictionPolicyNames.length;
    let done = 0;
    const loads: Load[] = patterns.map((pattern) => {
      const requests = accessRequests(pattern.accesses);
      const results = evictionPolicyNames.map((policy) => {
        const result = replay(requests, {
          // One block more for the token that is always computed.
          blockCount: capacity + 1,
          blockSize: TOKENS_PER_HASH_ID,
          memory: 'paged',
          enablePrefixCaching: true,
          evictionPolicy: policy,
          maxNumSeqs: 1,
          maxNumBatchedTokens: 2 * TOKENS_PER_HASH_ID,
          arrivals: 'saturated',
          watermarkBlocks: 0,
          cost: defaultCostModel,
          seed,
        });
        onProgress(++done, total);
        return [policy, result] as const;
      });
      return {
        ...pattern,
        capacityBlocks: capacity,
        requests: requests.length,
        hitRates: Object.fromEntries(
          results.map(([policy, { hitBlocks }]) => [policy, hitBlocks / requests.length]),
        ) as Rates,
        evictions: Object.fromEntries(results.map(([policy, result]) => [policy, result.evictions])) as Rates,
        optimum: optimalHits(pattern.accesses, capacity) / requests.length,
      };
    });
    loads.push(chainLoad(trace, quick, seed, () => onProgress(++done, total)));

    const nameOf = ({ id, accesses: _accesses, ...rest }: Load & { accesses?: unknown }) => ({ id, ...rest });
    const best = (load: Load) => Math.max(...Object.values(load.hitRates));
    const byDefault = evictionPolicyNames[0];
    const worstLru = loads.reduce((one, other) =>
      best(other) - other.hitRates.lru > best(one) - one.hitRates.lru ? other : one,
    );
    return {
      findings: [
        text(
          `No policy is best everywhere. LRU loses most on ${worstLru.name.en.toLowerCase()} access: ${formatShare(worstLru.hitRates.lru)} against ${formatShare(best(worstLru))}.`,
          `没有处处最优的策略。LRU 在${worstLru.name.zh}访问下损失最大：${formatShare(worstLru.hitRates.lru)}，最好的策略为 ${formatShare(best(worstLru))}。`,
        ),
        text(
          `The default, ${byDefault}: ${loads.map((load) => `${load.name.en.toLowerCase()} ${formatShare(load.hitRates[byDefault])}`).join(', ')}.`,
          `默认策略 ${byDefault}：${loads.map((load) => `${load.name.zh} ${formatShare(load.hitRates[byDefault])}`).join('，')}。`,
        ),
        text(
          `The documents' goal of over 80 % is reached with the default on ${loads.filter((load) => load.hitRates[byDefault] > 0.8).length} of ${loads.length} patterns; what a cache of this size can hit at all is the optimum's share.`,
          `文档目标（命中率高于 80 %）在默认策略下于 ${loads.length} 种模式中的 ${loads.filter((load) => load.hitRates[byDefault] > 0.8).length} 种达到；该容量下的上限即为“最优”一行。`,
        ),
      ],
      charts: [
        cellChart({
          id: 'hit-rates',
          title: words.hitRate,
          caption: text(
            'Policies by access pattern: share of asked-for pages that were cached. Optimum: an oracle that knows what comes; for chats it is not known.',
            '策略与访问模式：被请求页的命中比例。“最优”为已知未来访问的理想策略；对话的最优值未知。',
          ),
          columns: loads.map(({ name }) => name),
          rows: [...evictionPolicyNames, text('optimum', '最优')],
          cells: loads.flatMap((load, column) => [
            ...evictionPolicyNames.map((policy, row): GridCell => cellOf(column, row, load.hitRates[policy])),
            ...(load.optimum === null
              ? [{ column, row: evictionPolicyNames.length, label: '–', color: 'grid', strength: 0.5 } as const]
              : [{ ...cellOf(column, evictionPolicyNames.length, load.optimum), color: 2 }]),
          ]),
        }),
      ],
      tables: [
        {
          id: 'rates',
          title: words.hitRate,
          columns: [{ label: words.policy }, ...loads.map(({ name }) => ({ label: name }))],
          rows: [
            ...evictionPolicyNames.map((policy) => [
              policy,
              ...loads.map((load) => formatShare(load.hitRates[policy], 2)),
            ]),
            [
              text('optimum', '最优'),
              ...loads.map(({ optimum }) => (optimum === null ? '-' : formatShare(optimum, 2))),
            ],
          ],
        },
        {
          id: 'evictions',
          title: words.evictions,
          columns: [{ label: words.policy }, ...loads.map(({ name }) => ({ label: name }))],
          rows: evictionPolicyNames.map((policy) => [
            policy,
            ...loads.map((load) => formatCount(load.evictions[policy])),
          ]),
        },
        {
          id: 'patterns',
          title: text('The patterns', '访问模式'),
          columns: [
            { label: text('Pattern', '模式') },
            { label: text('What it does', '含义'), align: 'left' },
            { label: words.requests },
            { label: text('Blocks', '容量（块）') },
          ],
          rows: loads.map(({ name, meaning, requests, capacityBlocks }) => [
            name,
            meaning,
            formatCount(requests),
            formatCount(capacityBlocks),
          ]),
        },
      ],
      method: [
        text(
          `Every access is a request through the real scheduler and memory manager, one after the other, that asks for one page (a block of ${TOKENS_PER_HASH_ID} tokens) or a chain of pages; hits and evictions are the manager's own.`,
          `每次访问都是经真实调度器与内存管理器依次执行的请求，请求一页（${TOKENS_PER_HASH_ID} token 的块）或一串页；命中与淘汰均为管理器自身统计。`,
        ),
      ],
      data: { capacity, loads: loads.map(nameOf) },
    };
  },
};

function cellOf(column: number, row: number, share: number): GridCell {
  return { column, row, label: `${Math.round(share * 100)} %`, color: 0, strength: 0.12 + 0.88 * share };
}

/** Chains of pages: the trace if there is one that tells what is shared, else conversations. */
function chainLoad(trace: Trace | null, quick: boolean, seed: number, step: () => void): Load {
  const told = trace?.requests.filter(({ hashIds }) => hashIds !== null) ?? [];
  const isTrace = told.length > 0;
  const limit = quick ? 100 : 1500;
  const requests: readonly TraceRequest[] = isTrace ? told.slice(0, limit) : conversationRequests(limit, seed);
  const distinct = new Set(requests.flatMap(({ hashIds }) => hashIds ?? [])).size;
  const longest = Math.max(...requests.map(({ hashIds }) => hashIds?.length ?? 0));
  // A tenth of all that is ever asked for.
  const capacityBlocks = Math.max(longest + 1, Math.ceil(distinct / 10));
  const results = evictionPolicyNames.map((policy) => {
    const { cache } = simulate({
      trace: { format: 'mooncake', path: '', requests },
      blockCount: capacityBlocks,
      blockSize: TOKENS_PER_HASH_ID,
      policy,
      replays: ['cache'],
      seed,
    });
    step();
    return [policy, cache!] as const;
  });
  return {
    id: isTrace ? 'trace' : 'conversations',
    name: isTrace ? words.trace : text('Chats', '对话'),
    meaning: isTrace
      ? text('the trace that was given', '给定的轨迹')
      : text('conversations that come back and grow, some soon and some late', '不断返回并增长的对话'),
    capacityBlocks,
    requests: requests.length,
    hitRates: Object.fromEntries(results.map(([policy, { blockHitRate }]) => [policy, blockHitRate])) as Rates,
    evictions: Object.fromEntries(results.map(([policy, { evictions }]) => [policy, evictions])) as Rates,
    optimum: null,
  };
}
