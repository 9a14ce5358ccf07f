// One colour per request, the same in every view: the palette in turn, in the order in which requests were first seen.

import { css, type Rgb, series, seriesCount } from './palette.ts';

const assigned = new Map<string, number>();
/** Requests that are remembered; one seen again after so many others may get another colour. */
const rememberedCount = 4096;
let nextIndex = 0;

export function colourIndex(requestId: string): number {
  let index = assigned.get(requestId);
  if (index === undefined) {
    index = nextIndex;
    nextIndex = (nextIndex + 1) % seriesCount;
    if (assigned.size >= rememberedCount) {
      const [oldest] = assigned.keys();
      assigned.delete(oldest);
    }
    assigned.set(requestId, index);
  }
  return index;
}

export function colourOf(requestId: string, dark: boolean): Rgb {
  return series(colourIndex(requestId), dark);
}

export function cssColourOf(requestId: string, dark: boolean): string {
  return css(colourOf(requestId, dark));
}
