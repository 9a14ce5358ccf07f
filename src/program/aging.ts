// Turns a program into one that reads recent positions and sinks in full precision, and older ones from a coarser copy.

import { UnsupportedModelError } from '../errors/errors.ts';
import type { Operation, Program } from './program.ts';

/**
 * K and V are written twice when they are computed: coarsely for good, and as they are for as long as they are recent. A token at position p reads
 * positions before `sinkTokens` and from `recentStart(p)` on as they are, and those between in the coarse copy: by p alone, whatever
 * chunk or batch it is computed in, and nothing is ever converted later.
 */
export interface AttentionAging {
  /** Positions up to a token that it reads as they are, itself included, at least; up to 63 more. */
  readonly recentTokens: number;
  /** Leading positions that are always read as they are; at most 256. */
  readonly sinkTokens: number;
}

/** Where recent positions begin is a multiple of this, so that neighbouring tokens mostly agree on it. Independent of the block size. */
export const agingStep = 64;

/** The first recent position for a token at `position`; 0 where nothing lies between the sinks and what is recent. */
export function recentStart(position: number, { recentTokens, sinkTokens }: AttentionAging): number {
  const start = Math.floor((position + 1 - recentTokens) / agingStep) * agingStep;
  return start <= sinkTokens ? 0 : start;
}

/** What the copy of recent tokens has to hold, as a window. */
export function recentWindow({ recentTokens }: AttentionAging): number {
  return recentTokens + agingStep - 1;
}

/** The same program with attention that reads two copies. Throws UnsupportedModelError for a model that has a window. */
export function agingProgram(program: Program, aging: AttentionAging): Program {
  const operations = program.operations.map((operation): Operation => {
    if (operation.kind !== 'pagedAttention') return operation;
    if (operation.window !== null) {
      throw new UnsupportedModelError('kvCacheAging with a sliding or streaming window', [
        'models with full attention, without attentionWindow',
      ]);
    }
    return { ...operation, aging };
  });
  return { ...program, operations };
}
