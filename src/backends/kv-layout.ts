// How keys and values lie in the blocks of a KV pool, in bytes: the one place of this arithmetic in TypeScript.

import { type KvDType, kvCodeBytes, kvScaleBytes } from '../tensor/kv-types.ts';

/** Geometry of the paged KV pool. One block holds `blockSize` token slots of K and V of all layers, contiguously. */
export interface KvLayout {
  readonly layerCount: number;
  readonly kvHeadCount: number;
  readonly headSize: number;
  readonly blockSize: number;
  readonly keyDType: KvDType;
  readonly valueDType: KvDType;
}

/** What a layer's parts begin at need: the widest element. */
const alignmentBytes = 4;

function aligned(bytes: number): number {
  return Math.ceil(bytes / alignmentBytes) * alignmentBytes;
}

/**
 * Bytes of one layer of a block: the codes of all heads' keys, those of all heads' values, and the scales of the types that
 * have one; each of the three a multiple of 4.
 */
export function kvLayerBytes(layout: KvLayout): number {
  const { kvHeadCount, headSize, blockSize, keyDType, valueDType } = layout;
  const slots = kvHeadCount * blockSize;
  return (
    aligned(slots * kvCodeBytes(keyDType, headSize)) +
    aligned(slots * kvCodeBytes(valueDType, headSize)) +
    aligned(slots * (kvScaleBytes(keyDType) + kvScaleBytes(valueDType)))
  );
}

/** Bytes of one block: its layers, one after the other. */
export function kvBlockBytes(layout: KvLayout): number {
  return layout.layerCount * kvLayerBytes(layout);
}
