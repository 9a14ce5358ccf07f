// The arithmetic of the reference backend, one plain loop per operation; sums in double precision, stored as f32.

import { recentStart } from '../../program/aging.ts';
import type { Operation, RopeParameters } from '../../program/program.ts';
import { type RopeTable, ropeTablePositions } from '../../program/rope.ts';
import type { PoolBindings, StepBindings } from '../backend.ts';
import type { ReferencePool } from './pool.ts';

/** out[t] = weight[ids[t]], rows of `width`. */
export function embed(
  weight: Float32Array,
  width: number,
  ids: Int32Array,
  tokenCount: number,
  out: Float32Array,
): void {
  for (let t = 0; t < tokenCount; t++) out.set(weight.subarray(ids[t] * width, (ids[t] + 1) * width), t * width);
}

/** RMS norm of `sliceCount` slices as long as the weight. */
export function rmsNorm(
  input: Float32Array,
  weight: Float32Array,
  epsilon: number,
  sliceCount: number,
  out: Float32Array,
): void {
  const width = weight.length;
  for (let s = 0; s < sliceCount; s++) {
    const base = s * width;
    let sum = 0;
    for (let i = 0; i < width; i++) sum += input[base + i] * input[base + i];
    const scale = 1 / Math.sqrt(sum / width + epsilon);
    for (let i = 0; i < width; i++) out[base + i] = input[base + i] * scale * weight[i];
  }
}

/** out[r, n] = sum over k ascending of input[r, k] * weight[n, k], plus bias[n]. */
export function linear(
  input: Float32Array,
  weight: Float32Array,
  bias: Float32Array | null,
  rowCount: number,
  columns: number,
  outputs: number,
  out: Float32Array,
): void {
  for (let r = 0; r < rowCount; r++) {
    const inputBase = r * columns;
    for (let n = 0; n < outputs; n++) {
      const weightBase = n * columns;
      let sum = bias ? bias[n] : 0;
      for (let k = 0; k < columns; k++) sum += input[inputBase + k] * weight[weightBase + k];
      out[r * outputs + n] = sum;
    }
  }
}

/** Rotates every head of every row in place. */
export function rope(
  value: Float32Array,
  width: number,
  headSize: number,
  parameters: RopeParameters,
  table: RopeTable,
  positions: Int32Array,
  tokenCount: number,
): void {
  const half = parameters.inverseFrequencies.length;
  const cos = new Float64Array(half);
  const sin = new Float64Array(half);
  for (let t = 0; t < tokenCount; t++) {
    for (let i = 0; i < half; i++) {
      const isInTable = positions[t] < ropeTablePositions;
      const angle = positions[t] * parameters.inverseFrequencies[i];
      cos[i] = isInTable ? table.cos[positions[t] * half + i] : Math.cos(angle) * parameters.attentionFactor;
      sin[i] = isInTable ? table.sin[positions[t] * half + i] : Math.sin(angle) * parameters.attentionFactor;
    }
    for (let head = t * width; head < (t + 1) * width; head += headSize) {
      rotateHead(value, head, parameters.layout, cos, sin);
    }
  }
}

/** Rotates the pairs of the head that begins at `base`. */
function rotateHead(
  value: Float32Array,
  base: number,
  layout: RopeParameters['layout'],
  cos: Float64Array,
  sin: Float64Array,
): void {
  const half = cos.length;
  for (let i = 0; i < half; i++) {
    const first = base + (layout === 'interleaved' ? 2 * i : i);
    const second = layout === 'interleaved' ? first + 1 : first + half;
    const x = value[first];
    const y = value[second];
    value[first] = x * cos[i] - y * sin[i];
    value[second] = x * sin[i] + y * cos[i];
  }
}

/** The query of one head for its sinks, turned back by `distance` positions. */
function sinkQuery(query: Float32Array, rope: RopeParameters | null, distance: number): Float32Array {
  const turned = query.slice();
  if (rope === null) return turned;
  const angles = rope.inverseFrequencies.map((frequency) => -distance * frequency);
  rotateHead(turned, 0, rope.layout, angles.map(Math.cos), angles.map(Math.sin));
  return turned;
}

/** Where the K and V of a layer are read. */
export interface LayerPages {
  readonly pool: ReferencePool;
  readonly layer: number;
  readonly bindings: Pick<PoolBindings, 'blockTables' | 'blockTableStride' | 'tableRows'>;
}

/**
 * Softmax attention of each token over positions max(0, p - window + 1) .. p of its sequence, through the block table; and over its
 * sinks, see AttentionSinks. `copies` are one, or two with aging (see AttentionAging), that of recent tokens second.
 */
export function pagedAttention(
  query: Float32Array,
  operation: Extract<Operation, { kind: 'pagedAttention' }>,
  copies: readonly LayerPages[],
  step: StepBindings,
  out: Float32Array,
): void {
  const { headCount, kvHeadCount, headSize, scale, window, sinks, aging } = operation;
  const group = headCount / kvHeadCount;
  const width = headCount * headSize;
  const cached = new Float32Array(headSize);
  for (let s = 0; s < step.sequenceCount; s++) {
    const scores = new Float64Array(step.contextLengths[s]);
    for (let t = step.queryStarts[s]; t < step.queryStarts[s + 1]; t++) {
      const last = step.positions[t];
      const sinkTokens = sinks?.tokens ?? 0;
      /** Positions between the sinks and the window. */
      const gap = window === null ? 0 : Math.max(0, last + 1 - window - sinkTokens);
      const seen: number[] = [];
      const firstRecent = aging ? recentStart(last, aging) : 0;
      /** The copy that holds position p for this token. */
      const copyOf = (p: number) => copies[aging && (p < aging.sinkTokens || p >= firstRecent) ? 1 : 0];
      for (let p = 0; p < sinkTokens && p <= last; p++) seen.push(p);
      for (let p = sinkTokens + gap; p <= last; p++) seen.push(p);
      for (let head = 0; head < headCount; head++) {
        const kvHead = Math.floor(head / group);
        const queryBase = t * width + head * headSize;
        const own = query.subarray(queryBase, queryBase + headSize);
        const toSinks = gap === 0 || !sinks ? own : sinkQuery(own, sinks.rope, gap);
        let maximum = -Infinity;
        for (const p of seen) {
          const asked = p < sinkTokens ? toSinks : own;
          const { pool, layer, bindings } = copyOf(p);
          pool.readKey(layer, kvHead, blockOf(bindings, s, p, pool.blockSize), p % pool.blockSize, cached);
          let dot = 0;
          for (let i = 0; i < headSize; i++) dot += asked[i] * cached[i];
          scores[p] = dot * scale;
          if (scores[p] > maximum) maximum = scores[p];
        }
        let total = 0;
        for (const p of seen) {
          scores[p] = Math.exp(scores[p] - maximum);
          total += scores[p];
        }
        const sums = new Float64Array(headSize);
        for (const p of seen) {
          const { pool, layer, bindings } = copyOf(p);
          pool.readValue(layer, kvHead, blockOf(bindings, s, p, pool.blockSize), p % pool.blockSize, cached);
          for (let i = 0; i < headSize; i++) sums[i] += scores[p] * cached[i];
        }
        for (let i = 0; i < headSize; i++) out[queryBase + i] = sums[i] / total;
      }
    }
  }
}

function blockOf(bindings: LayerPages['bindings'], sequence: number, position: number, blockSize: number): number {
  const { tableRows, blockTables, blockTableStride } = bindings;
  return blockTables[tableRows[sequence] * blockTableStride + Math.floor(position / blockSize)];
}

/** out = gate / (1 + exp(-gate)) * up. */
export function gatedSilu(gate: Float32Array, up: Float32Array, count: number, out: Float32Array): void {
  for (let i = 0; i < count; i++) out[i] = (gate[i] / (1 + Math.exp(-gate[i]))) * up[i];
}

/** target += addend. */
export function add(target: Float32Array, addend: Float32Array, count: number): void {
  for (let i = 0; i < count; i++) target[i] += addend[i];
}

/** out[r] = input[rows[r]]. */
export function selectRows(
  input: Float32Array,
  width: number,
  rows: Int32Array,
  rowCount: number,
  out: Float32Array,
): void {
  for (let r = 0; r < rowCount; r++) out.set(input.subarray(rows[r] * width, (rows[r] + 1) * width), r * width);
}
