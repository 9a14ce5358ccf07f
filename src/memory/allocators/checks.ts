// What all allocators refuse, and how they say it.

import { IntegrityError, InvalidRequestError } from '../../errors/index.ts';

/** Throws InvalidRequestError unless `value` is an integer in [1, 2^30]. */
export function requireSize(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1 || value > 2 ** 30) {
    throw new InvalidRequestError(`${name} must be an integer from 1 to ${2 ** 30}, not ${value}`, name, value);
  }
}

/** Throws IntegrityError unless `count` blocks from `first` on are blocks of the pool, and none is free. */
export function requireAllocated(
  allocator: { readonly blockCount: number; isFree(block: number): boolean },
  first: number,
  count: number,
): void {
  if (!Number.isInteger(first) || !Number.isInteger(count)) fail(`${count} blocks from ${first} on are not a run`);
  if (first < 0 || count < 1 || first + count > allocator.blockCount) {
    fail(`blocks ${first} to ${first + count - 1} are not all among the ${allocator.blockCount} of the pool`);
  }
  for (let block = first; block < first + count; block++) {
    if (allocator.isFree(block)) fail(`block ${block} is released but is free already`);
  }
}

/** Whether `count` blocks from `first` on are blocks of the pool, and all free. */
export function isFreeRun(
  allocator: { readonly blockCount: number; isFree(block: number): boolean },
  first: number,
  count: number,
): boolean {
  if (first < 0 || count < 1 || first + count > allocator.blockCount) return false;
  for (let block = first; block < first + count; block++) if (!allocator.isFree(block)) return false;
  return true;
}

/** Sets `count` bytes from `first` on: the built-in one takes tens of nanoseconds to begin, and most runs are one block long. */
export function mark(bytes: Uint8Array, value: number, first: number, count: number): void {
  if (count > 16) bytes.fill(value, first, first + count);
  else for (let at = first; at < first + count; at++) bytes[at] = value;
}

export function fail(message: string): never {
  throw new IntegrityError(message);
}
