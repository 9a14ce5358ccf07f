// Checks what a caller asks of compile before native memory is planned from it.

import { BackendError } from '../../errors/errors.ts';
import type { Program } from '../../program/program.ts';
import type { CompileOptions } from '../backend.ts';
import { type GroupPool, groupPools } from '../pools.ts';

/** The KV pools. Throws BackendError unless every count is a positive 32-bit integer and the KV layouts are the program's. */
export function checkCompileOptions(program: Program, options: CompileOptions): readonly GroupPool[] {
  const { limits, otherPools = [] } = options;
  checkCounts({
    'limits.maxTokens': limits.maxTokens,
    'limits.maxSequences': limits.maxSequences,
    'limits.maxOutputs': limits.maxOutputs,
    'limits.maxContextTokens': limits.maxContextTokens,
  });
  for (const { kv, blockCount } of [options, ...otherPools]) {
    checkCounts({
      blockCount,
      'kv.blockSize': kv.blockSize,
      'kv.layerCount': kv.layerCount,
      'kv.kvHeadCount': kv.kvHeadCount,
      'kv.headSize': kv.headSize,
    });
    if (blockCount * kv.blockSize > 0x7fffffff) {
      throw new BackendError('cpu', `${blockCount} blocks of ${kv.blockSize} slots are more than 2^31 - 1 slots.`);
    }
  }
  if (program.logits.rows !== 'outputs' || program.logits.width !== program.vocabSize) {
    throw new BackendError('cpu', 'The logits of the program are not [outputs, vocabSize].');
  }
  return groupPools(program, options, 'cpu');
}

function checkCounts(counts: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(counts)) {
    if (!Number.isInteger(count) || count < 1 || count > 0x7fffffff) {
      throw new BackendError('cpu', `${name} must be a positive 32-bit integer, not ${count}.`);
    }
  }
}
