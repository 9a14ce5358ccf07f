// Checks what a caller asks of compile before native memory is planned from it.

import { BackendError } from '../../errors/errors.ts';
import type { Program } from '../../program/program.ts';
import type { CompileOptions } from '../backend.ts';

/** Throws BackendError unless every count is a positive 32-bit integer and the KV layout is the program's. */
export function checkCompileOptions(program: Program, options: CompileOptions): void {
  const { kv, limits, blockCount } = options;
  const counts = {
    blockCount,
    'kv.blockSize': kv.blockSize,
    'kv.layerCount': kv.layerCount,
    'kv.kvHeadCount': kv.kvHeadCount,
    'kv.headSize': kv.headSize,
    'limits.maxTokens': limits.maxTokens,
    'limits.maxSequences': limits.maxSequences,
    'limits.maxOutputs': limits.maxOutputs,
    'limits.maxContextTokens': limits.maxContextTokens,
  };
  for (const [name, count] of Object.entries(counts)) {
    if (!Number.isInteger(count) || count < 1 || count > 0x7fffffff) {
      throw new BackendError('cpu', `${name} must be a positive 32-bit integer, not ${count}.`);
    }
  }
  if (blockCount * kv.blockSize > 0x7fffffff) {
    throw new BackendError('cpu', `${blockCount} blocks of ${kv.blockSize} slots are more than 2^31 - 1 slots.`);
  }
  if (
    kv.layerCount !== program.layerCount ||
    kv.kvHeadCount !== program.kvHeadCount ||
    kv.headSize !== program.headSize
  ) {
    throw new BackendError(
      'cpu',
      `The KV layout (${kv.layerCount} layers, ${kv.kvHeadCount} heads of ${kv.headSize}) is not the program's ` +
        `(${program.layerCount}, ${program.kvHeadCount} of ${program.headSize}).`,
    );
  }
  if (program.logits.rows !== 'outputs' || program.logits.width !== program.vocabSize) {
    throw new BackendError('cpu', 'The logits of the program are not [outputs, vocabSize].');
  }
}
