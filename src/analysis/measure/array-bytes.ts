// Bytes of typed arrays that something keeps, as the JavaScript engine counts them.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

let collect: (() => void) | null = null;

/** What `make` returns, and by how much the array buffers that are alive have grown. */
export function measureArrayBytes<T>(make: () => T): { readonly made: T; readonly bytes: number } {
  if (collect === null) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
  const before = process.memoryUsage().arrayBuffers;
  const made = make();
  collect();
  return { made, bytes: process.memoryUsage().arrayBuffers - before };
}
