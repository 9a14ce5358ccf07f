// Reads checked values out of model metadata: every refusal names the file, the key, the value and what was expected.

import { ModelFileError } from '../errors/errors.ts';

/** Inclusive bounds of a number. */
export interface Bounds {
  readonly min: number;
  readonly max: number;
}

/** Bounds of what a decoder may claim: wide of every released model, far under what would exhaust a machine. */
export const limits = {
  layers: { min: 1, max: 1024 },
  heads: { min: 1, max: 4096 },
  headSize: { min: 2, max: 1024 },
  width: { min: 1, max: 1 << 20 },
  vocab: { min: 1, max: 1 << 22 },
  context: { min: 1, max: 1 << 27 },
  epsilon: { min: 1e-12, max: 0.1 },
  theta: { min: 1.000001, max: 1e15 },
  factor: { min: 1e-3, max: 1e6 },
} as const satisfies Record<string, Bounds>;

/** Typed access to the keys of a metadata map. A key that is absent or null yields `fallback`, or an error if there is none. */
export interface FieldReader {
  /** The value as it stands; undefined when absent or null. */
  raw(key: string): unknown;
  has(key: string): boolean;
  integer(key: string, bounds: Bounds, fallback?: number): number;
  number(key: string, bounds: Bounds, fallback?: number): number;
  boolean(key: string, fallback: boolean): boolean;
  string(key: string, fallback?: string): string;
  /** A ModelFileError about this file. */
  error(detail: string): ModelFileError;
}

/** A reader over `get`, for the file at `path`. `prefix` is put before keys in messages only (nested objects). */
export function createFieldReader(path: string, get: (key: string) => unknown, prefix = ''): FieldReader {
  function error(detail: string): ModelFileError {
    return new ModelFileError(path, detail);
  }
  function raw(key: string): unknown {
    return get(key) ?? undefined;
  }
  function missing(key: string): never {
    throw error(`${prefix}${key} is missing`);
  }
  function wrong(key: string, value: unknown, expected: string): never {
    throw error(`${prefix}${key} is ${describeValue(value)}; expected ${expected}`);
  }
  function number(key: string, { min, max }: Bounds, fallback: number | undefined, whole: boolean): number {
    const value = raw(key);
    if (value === undefined) return fallback ?? missing(key);
    const asNumber = typeof value === 'bigint' ? Number(value) : value;
    const fits =
      typeof asNumber === 'number' && asNumber >= min && asNumber <= max && (!whole || Number.isInteger(asNumber));
    if (!fits) wrong(key, value, `${whole ? 'an integer' : 'a number'} from ${min} to ${max}`);
    return asNumber;
  }
  return {
    raw,
    has: (key) => raw(key) !== undefined,
    integer: (key, bounds, fallback) => number(key, bounds, fallback, true),
    number: (key, bounds, fallback) => number(key, bounds, fallback, false),
    boolean(key, fallback) {
      const value = raw(key);
      if (value === undefined) return fallback;
      if (typeof value !== 'boolean') wrong(key, value, 'true or false');
      return value;
    },
    string(key, fallback) {
      const value = raw(key);
      if (value === undefined) return fallback ?? missing(key);
      if (typeof value !== 'string') wrong(key, value, 'a string');
      return value;
    },
    error,
  };
}

/** A value for a message: short, and never an exception (bigints, cycles, huge arrays). */
export function describeValue(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return 'an array';
  if (typeof value === 'object' && value !== null) return 'an object';
  return String(value);
}

/** Whether `value` is a plain object (of parsed JSON). */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
