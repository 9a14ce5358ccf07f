// Picks tokens by the rule of ../picks.ts, step by step as it is written there: the oracle for other backends.

import { type LogitEdits, type PickedToken, type TokenPick, type WeightScale, weightScale } from '../picks.ts';

const { fround } = Math;
const nothing: PickedToken = { tokenId: -1, logprob: null, best: null, logSum: null, top: null };

/** Picks from a row of logits [vocabSize], which is left as it was. */
export function pickToken(row: Float32Array, pick: TokenPick): PickedToken {
  const logits = pick.edits === null || pick.edits.count === 0 ? row : edited(row, pick.edits);
  const bestId = argmax(logits);
  if (bestId < 0) return nothing;
  const best = logits[bestId];
  const tokenId = pick.temperature === 0 ? bestId : draw(logits, best, pick);
  if (pick.topCount === null) return { ...nothing, tokenId };
  const logSum = Math.log(total(weightsOf(logits, best, weightScale(1, 0))));
  const logprobOf = (id: number) => logits[id] - best - logSum;
  const top = largest(logits, pick.topCount, null).map((id) => ({ tokenId: id, logprob: logprobOf(id) }));
  return { tokenId, logprob: logprobOf(tokenId), best, logSum, top };
}

function edited(row: Float32Array, { count, ids, factors, offsets }: LogitEdits): Float32Array {
  const logits = row.slice();
  for (let e = 0; e < count; e++) {
    const logit = logits[ids[e]];
    logits[ids[e]] = fround(logit > 0 ? logit / factors[e] : logit * factors[e]) + offsets[e];
  }
  return logits;
}

function argmax(logits: Float32Array): number {
  let best = -1;
  let most = -Infinity;
  for (let id = 0; id < logits.length; id++) {
    if (logits[id] > most) {
      most = logits[id];
      best = id;
    }
  }
  return most === Infinity ? -1 : best;
}

function draw(logits: Float32Array, best: number, pick: TokenPick): number {
  const weights = weightsOf(logits, best, weightScale(pick.temperature, pick.minP));
  if (pick.topK > 0 && pick.topK < logits.length) keepOnly(weights, largest(logits, pick.topK, null));
  if (pick.topP < 1) keepOnly(weights, nucleus(logits, weights, pick.topP));
  const target = pick.uniform * total(weights);
  let sum = 0;
  let last = -1;
  for (let id = 0; id < weights.length; id++) {
    if (weights[id] === 0) continue;
    sum += weights[id];
    if (sum > target) return id;
    last = id;
  }
  return last;
}

/** Ids of the shortest run of the largest logits whose weights reach `topP` of the total. */
function nucleus(logits: Float32Array, weights: Float64Array, topP: number): number[] {
  const wanted = topP * total(weights);
  let sum = 0;
  const order = largest(logits, logits.length, weights);
  const end = order.findIndex((id) => {
    sum += weights[id];
    return sum >= wanted;
  });
  return order.slice(0, end + 1);
}

/** The `count` ids of largest finite logit (of those with a weight, if given), the lower first among equals. */
function largest(logits: Float32Array, count: number, weights: Float64Array | null): number[] {
  if (count === 0) return [];
  let ids: number[] = [];
  for (let id = 0; id < logits.length; id++) {
    if (logits[id] > -Infinity && (weights === null || weights[id] > 0)) ids.push(id);
  }
  if (count < ids.length) {
    const cutoff = Float32Array.from(ids, (id) => logits[id]).sort()[ids.length - count];
    ids = ids.filter((id) => logits[id] >= cutoff);
  }
  return ids.sort((a, b) => logits[b] - logits[a] || a - b).slice(0, count);
}

function keepOnly(weights: Float64Array, ids: readonly number[]): void {
  const kept = new Set(ids);
  for (let id = 0; id < weights.length; id++) if (weights[id] !== 0 && !kept.has(id)) weights[id] = 0;
}

function weightsOf(logits: Float32Array, best: number, { inverseTemperature, floor }: WeightScale): Float64Array {
  const weights = new Float64Array(logits.length);
  for (let id = 0; id < logits.length; id++) {
    const x = fround(fround(logits[id] - best) * inverseTemperature);
    if (x >= floor) weights[id] = expWeight(x);
  }
  return weights;
}

function total(weights: Float64Array): number {
  let sum = 0;
  for (const weight of weights) sum += weight;
  return sum;
}

const bits = new Int32Array(1);
const float = new Float32Array(bits.buffer);
const smallest = 2 ** -12;
/** x and 1 are what is left of exp(r) after the terms of second order and higher (Cephes, expf). */
const terms = [1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1].map(
  fround,
);
const log2e = fround(Math.LOG2E);
const ln2High = fround(0.693359375);
const ln2Low = fround(-2.1219444e-4);
const rounder = 12582912;

/** exp(x) for x in [-24.5, 0], f32 after every operation, rounded to a multiple of 2^-35. exp(0) is 1. */
export function expWeight(x: number): number {
  const n = fround(fround(fround(x * log2e) + rounder) - rounder);
  const r = fround(fround(x - fround(n * ln2High)) - fround(n * ln2Low));
  let y = terms[0];
  for (let i = 1; i < terms.length; i++) y = fround(fround(y * r) + terms[i]);
  float[0] = fround(fround(fround(y * fround(r * r)) + r) + 1);
  bits[0] += n << 23;
  const weight = float[0];
  return weight < smallest ? fround(fround(weight + smallest) - smallest) : weight;
}
