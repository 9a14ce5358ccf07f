// The verbs of a tier that concern its index only, over slots.

import type { PageSlots } from './page-slots.ts';
import type { Tier } from './tier.ts';

/** `forget` gives up a bound slot. A closed tier has nothing. */
export function createPageVerbs(
  slots: PageSlots,
  forget: (slot: number) => void,
  isClosed: () => boolean,
): Pick<Tier, 'has' | 'delete' | 'pin' | 'unpin' | 'touch'> {
  return {
    has: (key) => !isClosed() && slots.find(key) >= 0,
    delete(keys) {
      for (const key of keys) {
        const slot = slots.find(key);
        if (slot >= 0) forget(slot);
      }
    },
    pin(key) {
      const slot = isClosed() ? -1 : slots.find(key);
      if (slot >= 0) slots.pin(slot);
      return slot >= 0;
    },
    unpin(key) {
      const slot = slots.find(key);
      if (slot >= 0) slots.unpin(slot);
    },
    touch(key) {
      const slot = slots.find(key);
      if (slot >= 0) slots.touch(slot);
    },
  };
}
