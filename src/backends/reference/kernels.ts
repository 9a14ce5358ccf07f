// The arithmetic of the reference backend, one plain loop per operation; sums in double precision, stored as f32.

import type { Operation, RopeParameters } from '../../program/program.ts';
import type { RopeTable } from '../../program/rope.ts';
import type { StepBindings } from '../backend.ts';
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
  const interleaved = parameters.layout === 'interleaved';
  for (let t = 0; t < tokenCount; t++) {
    const angles = positions[t] * half;
    for (let head = t * width; head < (t + 1) * width; head += headSize) {
      for (let i = 0; i < half; i++) {
        const first = head + (interleaved ? 2 * i : i);
        const second = interleaved ? first + 1 : first + half;
        const cos = table.cos[angles + i];
        const sin = table.sin[angles + i];
        const x = value[first];
        const y = value[second];
        value[first] = x * cos - y * sin;
        value[second] = x * sin + y * cos;
      }
    }
  }
}

/** Softmax attention of each token over positions max(0, p - window + 1) .. p of its sequence, through the block table. */
export function pagedAttention(
  query: Float32Array,
  operation: Extract<Operation, { kind: 'pagedAttention' }>,
  pool: ReferencePool,
  step: StepBindings,
  out: Float32Array,
): void {
  const { layer, headCount, kvHeadCount, headSize, scale, window } = operation;
  const group = headCount / kvHeadCount;
  const width = headCount * headSize;
  const { blockSize } = pool;
  const cached = new Float32Array(headSize);
  for (let s = 0; s < step.sequenceCount; s++) {
    const tableBase = step.tableRows[s] * step.blockTableStride;
    const scores = new Float64Array(step.contextLengths[s]);
    for (let t = step.queryStarts[s]; t < step.queryStarts[s + 1]; t++) {
      const last = step.positions[t];
      const first = window === null ? 0 : Math.max(0, last - window + 1);
      for (let head = 0; head < headCount; head++) {
        const kvHead = Math.floor(head / group);
        const queryBase = t * width + head * headSize;
        let maximum = -Infinity;
        for (let p = first; p <= last; p++) {
          const blockId = step.blockTables[tableBase + Math.floor(p / blockSize)];
          pool.readKey(layer, kvHead, blockId, p % blockSize, cached);
          let dot = 0;
          for (let i = 0; i < headSize; i++) dot += query[queryBase + i] * cached[i];
          scores[p] = dot * scale;
          if (scores[p] > maximum) maximum = scores[p];
        }
        let total = 0;
        for (let p = first; p <= last; p++) {
          scores[p] = Math.exp(scores[p] - maximum);
          total += scores[p];
        }
        const sums = new Float64Array(headSize);
        for (let p = first; p <= last; p++) {
          const blockId = step.blockTables[tableBase + Math.floor(p / blockSize)];
          pool.readValue(layer, kvHead, blockId, p % blockSize, cached);
          for (let i = 0; i < headSize; i++) sums[i] += scores[p] * cached[i];
        }
        for (let i = 0; i < headSize; i++) out[queryBase + i] = sums[i] / total;
      }
    }
  }
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
