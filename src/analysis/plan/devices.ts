// Memory budgets: bytes, a card by its nominal size, or this machine.

import { InvalidRequestError } from '../../errors/index.ts';

export interface Device {
  readonly name: string;
  readonly budgetBytes: number;
}

const gibibyte = 2 ** 30;

/** Cards by their nominal size, which is in GiB: `nvidia-smi` shows a little less, and drivers keep some of it. */
export const cardSizes = [16, 24, 40, 80, 141] as const;

/** Names that `deviceOf` takes beside bytes. */
export const deviceNames: readonly string[] = [...cardSizes.map((size) => `${size}gb`), 'this-machine'];

/**
 * `24gb` is a card, `this-machine` is `availableBytes`; anything else is bytes with an optional binary suffix (`512M`, `20GiB`). The cards' names
 * and bytes are the same number. Throws InvalidRequestError.
 */
export function deviceOf(wanted: string, availableBytes: () => number): Device {
  const name = wanted.trim().toLowerCase();
  if (name === 'this-machine') return { name, budgetBytes: availableBytes() };
  const card = cardSizes.find((size) => name === `${size}gb` || name === `${size}`);
  if (card !== undefined) return { name: `${card} GB`, budgetBytes: card * gibibyte };
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/.exec(name);
  const bytes = match === null ? 0 : Math.floor(Number(match[1]) * 1024 ** ' kmgt'.indexOf(match[2] || ' '));
  if (bytes < 1 || bytes > Number.MAX_SAFE_INTEGER) {
    throw new InvalidRequestError(
      `the memory budget must be bytes with an optional suffix (20G, 512M) or one of ${deviceNames.join(', ')}, not "${wanted.slice(0, 60)}"`,
      'budget',
      wanted,
    );
  }
  return { name: wanted.trim(), budgetBytes: bytes };
}
