// Picks as flat arrays for native code, and its results back as objects; see native/candidates.h.

import { type PickedToken, type TokenPick, weightScale } from '../picks.ts';
import type { RawPicks } from './addon.ts';

const valuesPerPick = 9;
const valuesPerResult = 5;
/** Milliseconds of the step and of its picks. */
export const resultHeader = 2;

export interface PickEncoder {
  /** The picks as arrays that are reused by the next call. */
  encode(picks: readonly TokenPick[]): RawPicks;
}

export function createPickEncoder(): PickEncoder {
  let values = new Float64Array(64 * valuesPerPick);
  let editIds = new Int32Array(1024);
  let editValues = new Float64Array(2 * 1024);
  return {
    encode(picks) {
      let editCount = 0;
      for (const { edits } of picks) editCount += edits?.count ?? 0;
      if (picks.length * valuesPerPick > values.length) values = new Float64Array(2 * picks.length * valuesPerPick);
      if (editCount > editIds.length) {
        editIds = new Int32Array(2 * editCount);
        editValues = new Float64Array(4 * editCount);
      }
      let at = 0;
      let edit = 0;
      for (const { outputIndex, temperature, minP, topK, topP, uniform, topCount, edits } of picks) {
        const { inverseTemperature, floor } = weightScale(temperature, minP);
        values[at++] = outputIndex;
        values[at++] = temperature === 0 ? 1 : 0;
        values[at++] = inverseTemperature;
        values[at++] = floor;
        values[at++] = Math.min(topK, 0x7fffffff);
        values[at++] = topP;
        values[at++] = uniform;
        values[at++] = topCount ?? -1;
        values[at++] = edits?.count ?? 0;
        if (edits === null) continue;
        for (let i = 0; i < edits.count; i++, edit++) {
          editIds[edit] = edits.ids[i];
          editValues[2 * edit] = edits.factors[i];
          editValues[2 * edit + 1] = edits.offsets[i];
        }
      }
      return { count: picks.length, values, editIds, editValues };
    },
  };
}

/** Reads what native code made of `topCounts`, one per pick. */
export function decodePicked(results: Float64Array, topCounts: readonly (number | null)[]): PickedToken[] {
  let at = resultHeader;
  return topCounts.map((topCount) => {
    const tokenId = results[at];
    const first = at + valuesPerResult;
    at = first + 2 * (topCount ?? 0);
    if (tokenId < 0 || topCount === null) return { tokenId, logprob: null, best: null, logSum: null, top: null };
    const logit = results[first - 4];
    const best = results[first - 3];
    const logSum = Math.log(results[first - 2]);
    const count = results[first - 1];
    const top = Array.from({ length: count }, (_, i) => ({
      tokenId: results[first + 2 * i],
      logprob: results[first + 2 * i + 1] - best - logSum,
    }));
    return { tokenId, logprob: logit - best - logSum, best, logSum, top };
  });
}
