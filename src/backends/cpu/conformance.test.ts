// The backend conformance suite over every instruction set that this machine runs, and several thread counts.

import { describeBackendConformance } from '../backend.conformance.ts';
import { availableInstructionSets, createCpuBackend } from './index.ts';

for (const isa of availableInstructionSets()) {
  for (const threads of isa === 'portable' ? [1, 3] : [1, 2, 3]) {
    describeBackendConformance({
      name: `cpu, ${isa}, ${threads} threads`,
      create: () => createCpuBackend({ threads, isa }),
      // A matrix with a single output can cancel to near nothing, which makes this ratio large for int8 activations;
      // linear.test.ts bounds their error against the size of the terms.
      tolerance: { f32: 2e-5, quantized: 0.6 },
      quantizedProducts: ['q8_0', 'q4_0'],
    });
  }
}
