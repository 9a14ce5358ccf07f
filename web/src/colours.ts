// One colour per request, the same in the chat and in the block map.

// Hues far apart first, so that a few requests are told apart at a glance.
const hues = [212, 28, 145, 330, 52, 270, 180, 5, 95, 300, 235, 75];
const assigned = new Map<string, number>();

/** The hue of a request. Oldest assignments are forgotten. */
export function hueOf(requestId: string): number {
  let slot = assigned.get(requestId);
  if (slot === undefined) {
    const inUse = new Set(assigned.values());
    slot = hues.findIndex((_, index) => !inUse.has(index));
    if (slot < 0) {
      // All taken: the request that was given its colour first gives it up.
      const [oldest] = assigned;
      slot = oldest[1];
      assigned.delete(oldest[0]);
    }
    assigned.set(requestId, slot);
  }
  return hues[slot];
}

export function colourOf(requestId: string, dark: boolean): string {
  return `hsl(${hueOf(requestId)} 70% ${dark ? 62 : 48}%)`;
}
