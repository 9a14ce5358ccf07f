// Where the activations of a lowered program lie.

import type { RowKind } from '../../program/program.ts';
import type { StepLimits } from '../backend.ts';
import { roundUp, tileRows } from './encoding.ts';

/** A value in one of its forms, from the first region that uses it to the last. */
export interface Buffer {
  readonly rows: RowKind;
  readonly rowBytes: number;
  readonly isLogits: boolean;
  firstRegion: number;
  lastRegion: number;
}

/**
 * Bytes from one row of activations to the next: whole cache lines, and never a multiple of 512, since kernels walk a
 * dozen rows at once and rows a power of two apart would share the few places of one set of the first cache.
 */
export function activationRowBytes(width: number): number {
  const bytes = roundUp(width * 4, 64);
  return bytes % 512 === 0 ? bytes + 64 : bytes;
}

/** Lets what is used in one of some regions [first, last] live through all of them: threads may then pass from each to the next without meeting. */
export function keepThrough(buffers: readonly Buffer[], first: number, last: number): void {
  for (const buffer of buffers) {
    if (buffer.firstRegion > last || buffer.lastRegion < first) continue;
    buffer.firstRegion = Math.min(buffer.firstRegion, first);
    buffer.lastRegion = Math.max(buffer.lastRegion, last);
  }
}

/** First-fit placement: buffers that live at the same time do not overlap. Offsets are multiples of 64. */
export function placeBuffers(
  buffers: readonly Buffer[],
  limits: StepLimits,
): { offsets: number[]; arenaBytes: number } {
  const offsets = new Array<number>(buffers.length).fill(0);
  const placed: number[] = [];
  let arenaBytes = 0;
  const bytesOf = (it: Buffer) =>
    roundUp(it.rowBytes * roundUp(it.rows === 'tokens' ? limits.maxTokens : limits.maxOutputs, tileRows), 64);
  for (let i = 0; i < buffers.length; i++) {
    const buffer = buffers[i];
    if (buffer.isLogits) continue;
    const alive = placed
      .filter((j) => buffers[j].lastRegion >= buffer.firstRegion && buffers[j].firstRegion <= buffer.lastRegion)
      .sort((a, b) => offsets[a] - offsets[b]);
    let offset = 0;
    for (const j of alive) {
      if (offsets[j] >= offset + bytesOf(buffer)) break;
      offset = Math.max(offset, offsets[j] + bytesOf(buffers[j]));
    }
    offsets[i] = offset;
    placed.push(i);
    arenaBytes = Math.max(arenaBytes, offset + bytesOf(buffer));
  }
  return { offsets, arenaBytes };
}
