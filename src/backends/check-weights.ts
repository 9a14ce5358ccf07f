// Checks that a weight source holds every weight of a program in the shape that the program wants.

import { BackendError } from '../errors/errors.ts';
import type { Program } from '../program/program.ts';
import { isStorable, rowBytes } from '../tensor/dtype.ts';
import type { WeightSource } from './backend.ts';

/** Throws BackendError naming the first weight that is missing or has another shape, and both shapes. */
export function checkWeights(program: Program, source: WeightSource, backend: string): void {
  for (const wanted of program.weights) {
    const found = source.weights.get(wanted.name);
    if (!found) throw new BackendError(backend, `weight ${wanted.name} is missing`);
    if (found.rows !== wanted.rows || found.columns !== wanted.columns) {
      throw new BackendError(
        backend,
        `weight ${wanted.name} is [${found.rows}, ${found.columns}], the program needs [${wanted.rows}, ${wanted.columns}]`,
      );
    }
    if (!isStorable(found.dtype, found.columns) || found.bytes !== found.rows * rowBytes(found.dtype, found.columns)) {
      throw new BackendError(
        backend,
        `weight ${wanted.name} of ${found.bytes} bytes is not [${found.rows}, ${found.columns}] in ${found.dtype}`,
      );
    }
  }
}
