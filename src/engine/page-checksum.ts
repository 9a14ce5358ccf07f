// Who sums pages up: native code where it is built, whatever the backend, since both agree to the bit.

import { loadPageChecksum } from '../backends/cpu/index.ts';
import { type ChecksumFunction, checksumBytes } from '../tiers/index.ts';

export function choosePageChecksum(): ChecksumFunction {
  try {
    return loadPageChecksum();
  } catch {
    return checksumBytes;
  }
}
