// Least squares with coefficients of at least zero, and a robust version of it.

/** Rows of equal length. */
export type Matrix = readonly (readonly number[])[];

/**
 * The x >= 0 that minimises |A x - b|: the active set method of Lawson and Hanson ("Solving Least Squares Problems", 1974, chapter 23), on
 * columns scaled to length 1. Columns of zeros get 0.
 */
export function nonNegativeLeastSquares(matrix: Matrix, target: readonly number[]): number[] {
  const columnCount = matrix[0]?.length ?? 0;
  const scales = Array.from({ length: columnCount }, (_, j) => Math.hypot(...matrix.map((row) => row[j])));
  const at = (row: readonly number[], j: number): number => (scales[j] === 0 ? 0 : row[j] / scales[j]);
  const gram = scales.map((_, i) =>
    scales.map((__, j) => matrix.reduce((sum, row) => sum + at(row, i) * at(row, j), 0)),
  );
  const moments = scales.map((_, j) => matrix.reduce((sum, row, r) => sum + at(row, j) * target[r], 0));
  const x = new Array<number>(columnCount).fill(0);
  const free = new Set<number>();
  const tolerance = 1e-10 * Math.max(1e-300, ...moments.map(Math.abs));
  for (let round = 0; round < 10 * columnCount; round++) {
    let entering = -1;
    let steepest = tolerance;
    for (let j = 0; j < columnCount; j++) {
      if (free.has(j) || scales[j] === 0) continue;
      const slope = moments[j] - gram[j].reduce((sum, g, k) => sum + g * x[k], 0);
      if (slope > steepest) {
        steepest = slope;
        entering = j;
      }
    }
    if (entering === -1) break;
    free.add(entering);
    for (;;) {
      const columns = [...free];
      const solution = solve(
        columns.map((i) => columns.map((j) => gram[i][j])),
        columns.map((j) => moments[j]),
      );
      if (solution.every((value) => value > 0)) {
        columns.forEach((j, k) => {
          x[j] = solution[k];
        });
        break;
      }
      // As far towards the solution as all stay positive; who reaches zero leaves.
      let step = 1;
      columns.forEach((j, k) => {
        if (solution[k] <= 0) step = Math.min(step, x[j] / (x[j] - solution[k]));
      });
      columns.forEach((j, k) => {
        x[j] += step * (solution[k] - x[j]);
        if (x[j] <= 1e-14 || (solution[k] <= 0 && step === 0)) {
          x[j] = 0;
          free.delete(j);
        }
      });
      if (free.size === 0) break;
    }
  }
  return x.map((value, j) => (scales[j] === 0 ? 0 : value / scales[j]));
}

/** Positive definite systems, by Cholesky; a little is added to the diagonal, so that columns which say the same do no harm. */
function solve(matrix: readonly number[][], target: readonly number[]): number[] {
  const n = target.length;
  const lower = matrix.map((row) => new Array<number>(row.length).fill(0));
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i][j] + (i === j ? 1e-9 : 0);
      for (let k = 0; k < j; k++) sum -= lower[i][k] * lower[j][k];
      lower[i][j] = i === j ? Math.sqrt(Math.max(sum, 1e-12)) : sum / lower[j][j];
    }
  }
  const y = [...target];
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) y[i] -= lower[i][k] * y[k];
    y[i] /= lower[i][i];
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) y[i] -= lower[k][i] * y[k];
    y[i] /= lower[i][i];
  }
  return y;
}

/**
 * As `nonNegativeLeastSquares`, of relative errors (targets are positive), with Huber's weights: rows that lie further off than 1.345
 * deviations, as the median tells them, count less.
 */
export function robustFit(matrix: Matrix, target: readonly number[], rounds = 8): number[] {
  let weights = target.map(() => 1);
  let x: number[] = [];
  for (let round = 0; round < rounds; round++) {
    x = nonNegativeLeastSquares(
      matrix.map((row, r) => row.map((value) => (value * weights[r]) / target[r])),
      weights,
    );
    const errors = matrix.map((row, r) =>
      Math.abs(row.reduce((sum, value, j) => sum + value * x[j], 0) / target[r] - 1),
    );
    const median = [...errors].sort((a, b) => a - b)[errors.length >> 1];
    const limit = 1.345 * Math.max(median / 0.6745, 1e-6);
    // Least squares squares the weight.
    weights = errors.map((error) => (error <= limit ? 1 : Math.sqrt(limit / error)));
  }
  return x;
}
