// Bytes of typed arrays that something keeps, as the JavaScript engine counts them.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

let collect: (() => void) | null = null;

/**
 * By how much the array buffers that are alive grow with what `make` returns. Buffers that others dropped before may be counted off late, so the
 * most of a few attempts is taken, all of whose results are kept until the end.
 */
export function measureArrayBytes(make: () => unknown, attempts = 3): number {
  if (collect === null) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  const kept: unknown[] = [];
  let most = 0;
  for (let attempt = 0; attempt < attempts; attempt++) {
    collect();
    const before = process.memoryUsage().arrayBuffers;
    kept.push(make());
    collect();
    most = Math.max(most, process.memoryUsage().arrayBuffers - before);
  }
  return kept.length === attempts ? most : 0;
}
