// Compares next-token distributions row by row.

import { logSoftmax } from './log-softmax.ts';

export interface LogitComparison {
  readonly rows: number;
  /** Sum over rows of KL(wanted || ours), natural logarithm. */
  readonly divergenceSum: number;
  /** Rows whose likeliest token is the same. */
  readonly agreed: number;
}

/** Both [rows, vocabSize]. */
export function compareLogits(wanted: Float32Array, ours: Float32Array, vocabSize: number): LogitComparison {
  const rows = wanted.length / vocabSize;
  let divergenceSum = 0;
  let agreed = 0;
  for (let row = 0; row < rows; row++) {
    const p = logSoftmax(wanted.subarray(row * vocabSize, (row + 1) * vocabSize));
    const q = logSoftmax(ours.subarray(row * vocabSize, (row + 1) * vocabSize));
    for (let id = 0; id < vocabSize; id++) divergenceSum += Math.exp(p[id]) * (p[id] - q[id]);
    if (largestOf(p) === largestOf(q)) agreed++;
  }
  return { rows, divergenceSum, agreed };
}

function largestOf(values: Float64Array): number {
  return values.reduce((best, value, id) => (value > values[best] ? id : best), 0);
}
