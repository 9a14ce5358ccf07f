// Which build of the kernels computes: a calibration holds for that one only.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { addonPath } from '../../backends/cpu/index.ts';

/** The same for the same kernels. `backend` is a backend's name. */
export function backendBuild(backend: string): string {
  if (backend !== 'cpu') return backend;
  const digest = createHash('sha256').update(readFileSync(addonPath)).digest('hex');
  return `${backend} ${digest.slice(0, 16)}`;
}
