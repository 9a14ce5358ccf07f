// Eviction policies by name.

import { InvalidRequestError } from '../../errors/index.ts';
import { createArc } from './arc.ts';
import { createClock } from './clock.ts';
import { createFifo } from './fifo.ts';
import { createGdsf } from './gdsf.ts';
import { createHitDensity } from './hit-density.ts';
import { createLfu } from './lfu.ts';
import { createLru } from './lru.ts';
import type { EvictionPolicy, EvictionPolicyOptions } from './policy.ts';
import { createS3Fifo } from './s3-fifo.ts';

export { createEvictableSet, type EvictableSet } from './evictable-set.ts';
export { createMovableEvictableSet, type MovableEvictableSet } from './movable-set.ts';
export type { EvictionPolicy, EvictionPolicyOptions } from './policy.ts';

const policies = {
  'hit-density': createHitDensity,
  lru: createLru,
  fifo: createFifo,
  lfu: createLfu,
  clock: createClock,
  's3-fifo': createS3Fifo,
  arc: createArc,
  gdsf: createGdsf,
} as const;

export type EvictionPolicyName = keyof typeof policies;

export const evictionPolicyNames = Object.keys(policies) as readonly EvictionPolicyName[];

export const defaultEvictionPolicy: EvictionPolicyName = 'hit-density';

/** Throws InvalidRequestError for a name that is not one of `evictionPolicyNames`. */
export function createEvictionPolicy(name: EvictionPolicyName, options: EvictionPolicyOptions): EvictionPolicy {
  requireEvictionPolicyName(name);
  return policies[name](options);
}

export function requireEvictionPolicyName(name: string): asserts name is EvictionPolicyName {
  if (!Object.hasOwn(policies, name)) {
    throw new InvalidRequestError(
      `evictionPolicy must be one of ${evictionPolicyNames.join(', ')}, got ${name}`,
      'evictionPolicy',
      name,
    );
  }
}
