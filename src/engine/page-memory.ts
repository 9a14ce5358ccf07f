// What native code does for pages in tiers, whatever the backend, where it is built.

import { loadHugePages, loadPageChecksum } from '../backends/cpu/index.ts';
import { type ChecksumFunction, checksumBytes } from '../tiers/index.ts';

/** Who sums pages up: native code or TypeScript, which agree to the bit. */
export function choosePageChecksum(): ChecksumFunction {
  try {
    return loadPageChecksum();
  } catch {
    return checksumBytes;
  }
}

/** Asks for huge pages, so that a page is not written into memory that the system clears 4 KiB at a time. Nothing is done without native code. */
export function askHugePages(memory: Uint8Array): void {
  try {
    loadHugePages()(memory);
  } catch {
    // Slower only when it is first written.
  }
}
