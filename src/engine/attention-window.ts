// The attentionWindow option: checked, and applied to a loaded model.

import { InvalidRequestError } from '../errors/errors.ts';
import type { LoadedModel } from '../models/model.ts';
import type { Program } from '../program/program.ts';
import { type AttentionWindow, maxSinkTokens, streamingProgram } from '../program/streaming.ts';
import { requireInteger } from './memory-plan.ts';

export interface WindowedModel {
  readonly program: Program;
  /** What attention reaches in all layers; null for everything. */
  readonly windowTokens: number | null;
  readonly sinkTokens: number;
}

/** Throws InvalidRequestError for values out of range, UnsupportedModelError where the model's own attention is in the way. */
export function applyAttentionWindow(
  { program, config }: Pick<LoadedModel, 'program' | 'config'>,
  window: AttentionWindow | undefined,
): WindowedModel {
  if (window === undefined) return { program, windowTokens: config.slidingWindow, sinkTokens: 0 };
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
  return { program: streamingProgram(program, window), windowTokens, sinkTokens };
}
