// A tier whose operations fail, lose pages or wait as a test decides.

import type { GetResult, PutResult, Tier } from '../tier.ts';

export interface TierOperation {
  /** Counted from 1. */
  readonly index: number;
  readonly name: 'put' | 'get';
  readonly pageCount: number;
}

/** `fail`: as if the disk refused. `corrupt`: pages that are read prove damaged. `forget`: what is put is dropped again. */
export type TierFault = 'fail' | 'corrupt' | 'forget';

export interface FaultyTier extends Tier {
  readonly operationCount: number;
  decide: (operation: TierOperation) => TierFault | Promise<TierFault | null> | null;
}

/** Wraps `tier`; it never says `ok` of a page that the tier did not give. */
export function createFaultyTier(tier: Tier, decide: FaultyTier['decide'] = () => null): FaultyTier {
  let operationCount = 0;
  const faulty: FaultyTier = {
    decide,
    get operationCount() {
      return operationCount;
    },
    name: tier.name,
    pageBytes: tier.pageBytes,
    capacityPages: tier.capacityPages,
    isLossy: tier.isLossy,
    outlivesProcess: tier.outlivesProcess,
    counters: tier.counters,
    get state() {
      return tier.state;
    },
    get usage() {
      return tier.usage;
    },
    has: (key) => tier.has(key),
    async put(pages): Promise<PutResult[]> {
      const fault = await faulty.decide({ index: ++operationCount, name: 'put', pageCount: pages.length });
      if (fault === 'fail') return pages.map(() => 'failed');
      const results = await tier.put(pages);
      if (fault === 'forget') tier.delete(pages.map(({ key }) => key));
      return results;
    },
    async get(keys, into): Promise<GetResult[]> {
      const fault = await faulty.decide({ index: ++operationCount, name: 'get', pageCount: keys.length });
      if (fault === 'fail') {
        for (const buffer of into) buffer.fill(0xff);
        return keys.map(() => 'failed');
      }
      const results = await tier.get(keys, into);
      if (fault !== 'corrupt') return results;
      for (const buffer of into) buffer.fill(0xff);
      tier.delete(keys);
      return results.map((result) => (result === 'ok' ? 'corrupt' : result));
    },
    delete: (keys) => tier.delete(keys),
    pin: (key) => tier.pin(key),
    unpin: (key) => tier.unpin(key),
    touch: (key) => tier.touch(key),
    flush: () => tier.flush(),
    close: () => tier.close(),
  };
  return faulty;
}
