// The backend conformance suite over every instruction set that this machine runs, on 1, 2 and 3 threads.

import { describeBackendConformance } from '../backend.conformance.ts';
import { createCpuBackend } from './index.ts';
import { describeInstructionSets } from './testing/instruction-sets.ts';

describeInstructionSets('cpu', (isa) => {
  for (const threads of [1, 2, 3]) {
    describeBackendConformance({
      name: `cpu, ${isa}, ${threads} threads`,
      create: () => createCpuBackend({ threads, isa }),
      // A matrix with a single output can cancel to near nothing, which makes this ratio large for int8 activations;
      // linear.test.ts bounds their error against the size of the terms.
      tolerance: { f32: 2e-5, quantized: 0.6 },
      quantizedProducts: ['q8_0', 'q4_0'],
    });
  }
});
