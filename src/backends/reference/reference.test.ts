// The reference backend passes its own suite (which then checks invariance and refusals, not accuracy).

import { describeBackendConformance } from '../backend.conformance.ts';
import { describePickConformance } from '../picks.conformance.ts';
import { describeQueuedSteps } from '../queued-steps.conformance.ts';
import { createReferenceBackend } from './index.ts';

describeBackendConformance({
  name: 'reference',
  create: () => createReferenceBackend(),
  tolerance: { f32: 0, quantized: 0 },
  quantizedProducts: [],
});

describePickConformance('reference', () => createReferenceBackend());
describeQueuedSteps('reference', () => createReferenceBackend());
