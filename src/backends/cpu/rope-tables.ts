// Tables of cos and sin for every position, computed in double precision and rounded once.

import type { RopeParameters } from '../../program/program.ts';
import type { RopeTable } from './addon.ts';

/** [maxContextTokens, rotaryDim / 2] each, attentionFactor applied. */
export function ropeTable(rope: RopeParameters, maxContextTokens: number): RopeTable {
  const pairCount = rope.rotaryDim / 2;
  const cosine = new Float32Array(maxContextTokens * pairCount);
  const sine = new Float32Array(maxContextTokens * pairCount);
  for (let position = 0; position < maxContextTokens; position++) {
    for (let pair = 0; pair < pairCount; pair++) {
      const angle = position * rope.inverseFrequencies[pair];
      cosine[position * pairCount + pair] = Math.cos(angle) * rope.attentionFactor;
      sine[position * pairCount + pair] = Math.sin(angle) * rope.attentionFactor;
    }
  }
  return { rotaryDim: rope.rotaryDim, cosine, sine };
}
