// Mooncake's traces (FAST '25): JSON lines of {"timestamp": ms, "input_length", "output_length", "hash_ids"}.

import { TraceFileError } from '../errors/index.ts';
import { TOKENS_PER_HASH_ID, type TraceRequest } from './trace.ts';

/** Throws TraceFileError, naming `path` and `line`, for what is no such line. */
export function parseMooncakeLine(text: string, path: string, line: number): TraceRequest {
  const fail = (detail: string, cause?: unknown): never => {
    throw new TraceFileError(path, line, detail, { cause });
  };
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(text);
  } catch (error) {
    return fail('is not JSON', error);
  }
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) fail('is not a JSON object');
  const number = (name: string, lowest: number): number => {
    const value = fields[name];
    if (Number.isSafeInteger(value) && (value as number) >= lowest) return value as number;
    return fail(`${name} must be an integer of at least ${lowest}, not ${JSON.stringify(value)}`);
  };
  const arrivalMs = number('timestamp', 0);
  const promptTokens = number('input_length', 1);
  const outputTokens = number('output_length', 0);
  const hashIds = fields.hash_ids;
  if (!Array.isArray(hashIds) || !hashIds.every((id) => Number.isSafeInteger(id) && id >= 0)) {
    return fail('hash_ids must be a list of non-negative integers');
  }
  const expected = Math.ceil(promptTokens / TOKENS_PER_HASH_ID);
  if (hashIds.length !== expected) {
    fail(
      `${promptTokens} prompt tokens need ${expected} hash_ids of ${TOKENS_PER_HASH_ID} tokens, there are ${hashIds.length}`,
    );
  }
  return { arrivalMs, promptTokens, outputTokens, hashIds };
}
