// Azure's LLM inference traces (2023): CSV of TIMESTAMP,ContextTokens,GeneratedTokens. They do not say what prompts share.

import { TraceFileError } from '../errors/index.ts';
import type { TraceRequest } from './trace.ts';

export const AZURE_HEADER = 'TIMESTAMP,ContextTokens,GeneratedTokens';

const timePattern = /^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2})(\.\d+)?$/;

/** `2023-11-16 18:17:03.9799600` in milliseconds since 1970, or NaN. */
function parseTime(text: string): number {
  const match = timePattern.exec(text);
  return match === null ? Number.NaN : Date.parse(`${match[1]}T${match[2]}Z`) + Number(match[3] ?? 0) * 1000;
}

/** Throws TraceFileError, naming `path` and `line`, for what is no such line. `arrivalMs` counts from 1970. */
export function parseAzureLine(text: string, path: string, line: number): TraceRequest {
  const fields = text.split(',');
  const fail = (detail: string): never => {
    throw new TraceFileError(path, line, detail);
  };
  if (fields.length !== 3) fail(`has ${fields.length} fields, not the 3 of ${AZURE_HEADER}`);
  const arrivalMs = parseTime(fields[0]);
  if (Number.isNaN(arrivalMs)) fail(`"${fields[0]}" is no time such as 2023-11-16 18:17:03.9799600`);
  const count = (name: string, value: string, lowest: number): number => {
    if (/^\d{1,9}$/.test(value) && Number(value) >= lowest) return Number(value);
    return fail(`${name} must be an integer of at least ${lowest}, not "${value}"`);
  };
  const promptTokens = count('ContextTokens', fields[1], 1);
  const outputTokens = count('GeneratedTokens', fields[2], 0);
  return { arrivalMs, promptTokens, outputTokens, hashIds: null };
}
