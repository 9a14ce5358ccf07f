// The backend conformance suite over every instruction set that this machine runs, on 1, 2 and 3 threads.

import { dtypeNames } from '../../tensor/index.ts';
import { describeBackendConformance } from '../backend.conformance.ts';
import { describePickConformance } from '../picks.conformance.ts';
import { describeQueuedSteps } from '../queued-steps.conformance.ts';
import { needsQuantizedInput } from './encoding.ts';
import { createCpuBackend } from './index.ts';
import { describeInstructionSets } from './testing/instruction-sets.ts';

describeInstructionSets('cpu', (isa) => {
  // All but its products of BF16 weights is AVX-512's code.
  for (const threads of isa === 'avx512bf16' ? [2] : [1, 2, 3]) {
    describeBackendConformance({
      name: `cpu, ${isa}, ${threads} threads`,
      create: () => createCpuBackend({ threads, isa }),
      tolerance: { f32: 2e-5, quantized: 2e-2 },
      quantizedProducts: dtypeNames.filter((it) => needsQuantizedInput(it) || (isa === 'avx512bf16' && it === 'bf16')),
    });
    describePickConformance(`cpu, ${isa}, ${threads} threads`, () => createCpuBackend({ threads, isa }));
    describeQueuedSteps(`cpu, ${isa}, ${threads} threads`, () => createCpuBackend({ threads, isa }));
  }
});
