// Hit rates of the eviction policies on a trace of a real service or on made-up loads, against LRU and an offline optimum.

import { replay } from '../src/memory/eviction/testing/replay.ts';
import { type EvictionPolicyName, evictionPolicyNames } from '../src/memory/index.ts';
import { choices, integer, integers, optionalText, runBench, UsageError } from './common/options.ts';
import { progress } from './common/progress.ts';
import { formatTable } from './common/table.ts';
import { offlineOptimum } from './eviction/optimum.ts';
import { makeWorkload, type Requests, workloadNames } from './eviction/workloads.ts';
import { readTrace } from './serve/trace.ts';

const options = {
  trace: optionalText("a trace with block hashes, such as Mooncake's, in place of the made-up loads"),
  workload: choices(workloadNames, workloadNames.join(','), `made-up loads: ${workloadNames.join(', ')}`),
  requests: integer(6000, 'requests of a made-up load', 100, 10_000_000),
  seed: integer(1, 'of the made-up loads', 0),
  capacity: integers('300,1000,3000,5859,10000,30000', 'blocks of the cache', 1),
  policy: choices(evictionPolicyNames, evictionPolicyNames.join(','), `policies: ${evictionPolicyNames.join(', ')}`),
};

interface Rates {
  readonly policy: EvictionPolicyName | 'optimum';
  /** By capacity, as `capacities` has them. */
  readonly hitRates: readonly number[];
  /** Microseconds for each block that was looked up, all capacities together. */
  readonly blockUs: number | null;
}

interface Result {
  readonly load: string;
  readonly requests: number;
  readonly blocks: number;
  readonly capacities: readonly number[];
  readonly rates: readonly Rates[];
}

function measure(
  load: string,
  requests: Requests,
  capacities: readonly number[],
  names: readonly EvictionPolicyName[],
): Result {
  const blocks = requests.reduce((sum, { length }) => sum + length, 0);
  const rates: Rates[] = names.map((policy) => {
    progress(`  ${load}: ${policy} ...`);
    const startedMs = performance.now();
    const hitRates = capacities.map((capacity) => replay(policy, requests, capacity).hits / blocks);
    const blockUs = ((performance.now() - startedMs) * 1000) / (blocks * capacities.length);
    return { policy, hitRates, blockUs };
  });
  progress(`  ${load}: optimum ...`);
  rates.push({ policy: 'optimum', hitRates: capacities.map((it) => offlineOptimum(requests, it)), blockUs: null });
  return { load, requests: requests.length, blocks, capacities, rates };
}

function show({ load, requests, blocks, capacities, rates }: Result): void {
  const lru = rates.find(({ policy }) => policy === 'lru')?.hitRates;
  const cell = (rate: number, at: number) => {
    const ratio = lru === undefined || lru[at] === 0 ? '-' : (rate / lru[at]).toFixed(2);
    return `${rate.toFixed(4)} (${ratio})`;
  };
  console.log(`\n${load}: ${requests} requests, ${blocks} blocks`);
  console.log(
    formatTable(
      ['policy', ...capacities.map((capacity) => `${capacity} blocks`), 'us per block'],
      rates.map(({ policy, hitRates, blockUs }) => [policy, ...hitRates.map(cell), blockUs?.toFixed(2) ?? '-']),
    ),
  );
}

await runBench('bench:eviction', 'Hit rates of eviction policies.', options, async (values) => {
  const results: Result[] = [];
  if (values.trace !== null) {
    const requests = readTrace(values.trace, Number.POSITIVE_INFINITY).map(({ hashIds }) => {
      if (hashIds === null) throw new UsageError(`--trace ${values.trace} does not tell which blocks are equal`);
      return hashIds;
    });
    results.push(measure('trace', requests, values.capacity, values.policy));
  } else {
    for (const name of values.workload) {
      results.push(measure(name, makeWorkload(name, values.requests, values.seed), values.capacity, values.policy));
    }
  }
  console.log('shares of all blocks that were in leading runs of cached ones (ratio to LRU of the same run)');
  for (const result of results) show(result);
  return { results };
});
