// What K and V of given tokens depend on: pages and sessions are only used again where it is the same.

import { createHash } from 'node:crypto';
import type { Backend } from '../backends/backend.ts';
import type { LoadedModel } from '../models/model.ts';
import type { AttentionAging } from '../program/aging.ts';
import type { AttentionWindow } from '../program/streaming.ts';

/** To be raised by whoever changes what kernels compute, be it in the last bit. */
const kernelVersion = 1;
const sampleBytes = 4096;

/** How a backend computes, as far as K and V depend on it: its instruction set, and not its threads. */
export function arithmeticOf({ name, description }: Pick<Backend, 'name' | 'description'>): string {
  return `${name}: ${description.replace(/, \d+ threads?\b/, '')}, kernels ${kernelVersion}`;
}

/**
 * 64 hexadecimal digits over the configuration, the attention window and the aging of K and V asked for, and every weight's name, type and shape with its first and
 * last bytes. Two fine-tunes of one model differ in it; a file's name does not count.
 */
export async function modelFingerprint(
  model: LoadedModel,
  attentionWindow?: AttentionWindow,
  aging?: AttentionAging | null,
): Promise<string> {
  const hash = createHash('sha256');
  hash.update(JSON.stringify(model.config));
  if (attentionWindow !== undefined) {
    hash.update(JSON.stringify([attentionWindow.sinkTokens, attentionWindow.windowTokens]));
  }
  if (aging) hash.update(JSON.stringify(['aging', aging.recentTokens, aging.sinkTokens]));
  const { weights } = model.weights;
  const sample = new Uint8Array(sampleBytes);
  for (const name of [...weights.keys()].sort()) {
    const { dtype, rows, columns, bytes } = weights.get(name)!;
    hash.update(JSON.stringify([name, dtype, rows, columns]));
    const length = Math.min(sampleBytes, bytes);
    for (const offset of new Set([0, bytes - length])) {
      const into = sample.subarray(0, length);
      await model.weights.read(name, offset, into);
      hash.update(into);
    }
  }
  return hash.digest('hex');
}
