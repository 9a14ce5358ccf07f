// Turns a program with full attention into one that streams: sinks and a window.

import { UnsupportedModelError } from '../errors/errors.ts';
import type { Operation, Program, RopeParameters, Value } from './program.ts';

/** What a token attends to: the first `sinkTokens` positions and the last `windowTokens`, itself included. */
export interface AttentionWindow {
  readonly sinkTokens: number;
  readonly windowTokens: number;
}

/** Sinks that one piece of every kernel's work holds. */
export const maxSinkTokens = 256;

/**
 * The same program with attention limited to sinks and window, for input of any length. Throws UnsupportedModelError for a model that
 * has a window of its own, or a rotary scaling that changes lengths.
 */
export function streamingProgram(program: Program, { sinkTokens, windowTokens }: AttentionWindow): Program {
  const ropes = new Map<Value, RopeParameters>();
  const operations = program.operations.map((operation): Operation => {
    if (operation.kind === 'rope') ropes.set(operation.value, operation.rope);
    if (operation.kind !== 'pagedAttention') return operation;
    if (operation.window !== null) {
      throw new UnsupportedModelError('attentionWindow for a model with a sliding window', [
        'models with full attention',
      ]);
    }
    const rope = ropes.get(operation.query) ?? null;
    if (rope !== null && rope.attentionFactor !== 1) {
      throw new UnsupportedModelError('attentionWindow with a rotary attention factor', ['an attention factor of 1']);
    }
    return { ...operation, window: windowTokens, sinks: sinkTokens === 0 ? null : { tokens: sinkTokens, rope } };
  });
  return { ...program, operations };
}
