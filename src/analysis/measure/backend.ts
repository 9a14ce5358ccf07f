// The backend that measurements of kernels run on.

import { availableParallelism } from 'node:os';
import type { Backend } from '../../backends/backend.ts';
import { availableInstructionSets, createCpuBackend } from '../../backends/cpu/index.ts';

/** The CPU backend with all cores, or null where its addon is not built: then kernels are not measured. */
export function kernelBackend(): Backend | null {
  return availableInstructionSets().length === 0 ? null : createCpuBackend({ threads: availableParallelism() });
}
