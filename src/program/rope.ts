// Rotary embedding tables, computed in double precision so that every backend rotates by the same f32 values.

import type { RopeParameters } from './program.ts';

/** cos and sin of every (position, frequency): [positionCount, rotaryDim / 2] each, attention factor applied. */
export interface RopeTable {
  readonly cos: Float32Array;
  readonly sin: Float32Array;
}

/** Positions that tables hold; later ones are computed as they come, or put together from two entries. */
export const ropeTablePositions = 131_072;

/** Tables for positions 0 .. positionCount - 1. */
export function createRopeTable(rope: RopeParameters, positionCount: number): RopeTable {
  const half = rope.inverseFrequencies.length;
  const cos = new Float32Array(positionCount * half);
  const sin = new Float32Array(positionCount * half);
  for (let position = 0; position < positionCount; position++) {
    for (let i = 0; i < half; i++) {
      const angle = position * rope.inverseFrequencies[i];
      cos[position * half + i] = Math.cos(angle) * rope.attentionFactor;
      sin[position * half + i] = Math.sin(angle) * rope.attentionFactor;
    }
  }
  return { cos, sin };
}
