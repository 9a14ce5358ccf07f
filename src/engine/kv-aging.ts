// The kvCacheAging option: recent tokens and sinks as they are, older ones in int8.

import { InvalidRequestError } from '../errors/errors.ts';
import { type AttentionAging, agingProgram } from '../program/aging.ts';
import { cacheGroupsOf } from '../program/cache-groups.ts';
import type { EngineOptions, KvAgingOptions } from './api.ts';
import type { WindowedModel } from './attention-window.ts';
import type { KvDTypes } from './kv-cache-dtype.ts';
import { requireInteger } from './memory-plan.ts';

/** The type of tokens that are no longer recent. */
const oldType: KvDTypes = { keyDType: 'int8', valueDType: 'int8' };
const mostSinkTokens = 256;
const defaultSinkTokens = 4;
const fullTypes = ['f32', 'f16', 'bf16'];

export interface AgedModel extends WindowedModel {
  /** Types of the copy of all tokens; undefined where there is one copy only. */
  readonly firstKvDTypes?: KvDTypes;
}

/**
 * The model with two copies of K and V where `kvCacheAging` asks for them. Throws InvalidRequestError for values out of range, types that are not full
 * precision, and together with contiguous memory or attentionWindow; UnsupportedModelError for a model with a sliding window.
 */
export function applyKvAging(
  model: WindowedModel,
  kvDTypes: KvDTypes,
  {
    kvCacheAging,
    memory = 'paged',
    attentionWindow,
  }: Pick<EngineOptions, 'kvCacheAging' | 'memory' | 'attentionWindow'>,
): AgedModel {
  if (kvCacheAging === undefined) return model;
  const other = memory !== 'paged' ? 'contiguous memory' : attentionWindow ? 'attentionWindow' : null;
  if (other !== null) {
    throw new InvalidRequestError(`kvCacheAging does not go together with ${other}`, 'kvCacheAging', kvCacheAging);
  }
  if (!fullTypes.includes(kvDTypes.keyDType) || !fullTypes.includes(kvDTypes.valueDType)) {
    throw new InvalidRequestError(
      `kvCacheAging keeps recent tokens in ${fullTypes.join(', ')}: kvCacheDtype may not be ${kvDTypes.keyDType}/${kvDTypes.valueDType}`,
      'kvCacheDtype',
      kvDTypes,
    );
  }
  const program = agingProgram(model.program, agingOf(kvCacheAging));
  return { program, groups: cacheGroupsOf(program), firstKvDTypes: oldType };
}

function agingOf({ recentTokens, sinkTokens = defaultSinkTokens }: KvAgingOptions): AttentionAging {
  requireInteger('kvCacheAging.recentTokens', recentTokens, 1, 1 << 20);
  requireInteger('kvCacheAging.sinkTokens', sinkTokens, 0, mostSinkTokens);
  return { recentTokens, sinkTokens };
}
