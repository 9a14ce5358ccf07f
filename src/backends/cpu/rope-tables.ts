// Tables of cos and sin for every position, computed in double precision and rounded once.

import type { RopeParameters } from '../../program/program.ts';
import { ropeTablePositions } from '../../program/rope.ts';
import type { RopeTable } from './addon.ts';

/**
 * [positions, rotaryDim / 2] each, attentionFactor applied. Where there are more than `ropeTablePositions`, rows for its multiples follow,
 * without the factor; native/rope_table.h puts the others together from two rows.
 */
export function ropeTable(rope: RopeParameters, maxContextTokens: number): RopeTable {
  const pairCount = rope.rotaryDim / 2;
  const fineCount = ropeTablePositions;
  const fineRows = Math.min(maxContextTokens, fineCount);
  const coarseRows = maxContextTokens > fineCount ? Math.ceil(maxContextTokens / fineCount) : 0;
  const cosine = new Float32Array((fineRows + coarseRows) * pairCount);
  const sine = new Float32Array((fineRows + coarseRows) * pairCount);
  for (let row = 0; row < fineRows + coarseRows; row++) {
    const position = row < fineRows ? row : (row - fineRows) * fineCount;
    const factor = row < fineRows ? rope.attentionFactor : 1;
    for (let pair = 0; pair < pairCount; pair++) {
      const angle = position * rope.inverseFrequencies[pair];
      cosine[row * pairCount + pair] = Math.cos(angle) * factor;
      sine[row * pairCount + pair] = Math.sin(angle) * factor;
    }
  }
  return { rotaryDim: rope.rotaryDim, fineCount, cosine, sine };
}
