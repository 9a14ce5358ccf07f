// How far attention reaches: the attentionWindow option, checked and applied to a loaded model, and which layers share blocks.

import { InvalidRequestError } from '../errors/errors.ts';
import type { LoadedModel } from '../models/model.ts';
import { agingOf, type CacheGroup, cacheGroupsOf, soleCacheGroup } from '../program/cache-groups.ts';
import type { Program } from '../program/program.ts';
import { type AttentionWindow, maxSinkTokens, streamingProgram } from '../program/streaming.ts';
import type { EngineOptions } from './api.ts';
import { requireInteger } from './memory-plan.ts';

export interface WindowedModel {
  readonly program: Program;
  /** Layers by what their attention reaches. */
  readonly groups: readonly CacheGroup[];
}

/**
 * The groups that get blocks of their own: those of the model, or one for all layers where that was asked for or where what was asked for needs it.
 * Throws InvalidRequestError for groups that were asked for together with contiguous memory.
 */
export function chooseCacheGroups(
  { program, groups }: WindowedModel,
  { hybridCacheGroups, memory = 'paged' }: Pick<EngineOptions, 'hybridCacheGroups' | 'memory'>,
): readonly CacheGroup[] {
  if (groups.length === 1 || agingOf(program) !== null) return groups;
  const needsOne = memory !== 'paged';
  if (hybridCacheGroups && needsOne) {
    throw new InvalidRequestError(
      'hybridCacheGroups does not go together with contiguous memory: all layers then share their blocks',
      'hybridCacheGroups',
      hybridCacheGroups,
    );
  }
  return hybridCacheGroups === false || needsOne ? [soleCacheGroup(program)] : groups;
}

/** Throws InvalidRequestError for values out of range, UnsupportedModelError where the model's own attention is in the way. */
export function applyAttentionWindow(
  { program, config }: Pick<LoadedModel, 'program' | 'config'>,
  window: AttentionWindow | undefined,
): WindowedModel {
  if (window === undefined) return { program, groups: cacheGroupsOf(program) };
  const { sinkTokens, windowTokens } = window;
  requireInteger('attentionWindow.sinkTokens', sinkTokens, 0, maxSinkTokens);
  requireInteger('attentionWindow.windowTokens', windowTokens, 1, config.contextLength);
  if (sinkTokens + windowTokens > config.contextLength) {
    throw new InvalidRequestError(
      `attentionWindow of ${sinkTokens} + ${windowTokens} tokens exceeds the model's context of ${config.contextLength}`,
      'attentionWindow',
      window,
    );
  }
  const streaming = streamingProgram(program, window);
  return { program: streaming, groups: cacheGroupsOf(streaming) };
}
