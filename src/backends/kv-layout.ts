// How keys and values lie in the blocks of a KV pool, in bytes: the one place of this arithmetic in TypeScript.

import { type KvDType, kvCodeBytes, kvScaleBytes } from '../tensor/kv-dtype.ts';

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

/** Bytes of the parts of one layer of a block, in their order, each a multiple of 4. */
export interface KvLayerParts {
  /** Codes of all heads' keys. */
  readonly keyBytes: number;
  /** Codes of all heads' values. */
  readonly valueBytes: number;
  /** Scales of the types that have one. */
  readonly scaleBytes: number;
}

export function kvLayerParts(layout: KvLayout): KvLayerParts {
  const { kvHeadCount, headSize, blockSize, keyDType, valueDType } = layout;
  const slots = kvHeadCount * blockSize;
  return {
    keyBytes: aligned(slots * kvCodeBytes(keyDType, headSize)),
    valueBytes: aligned(slots * kvCodeBytes(valueDType, headSize)),
    scaleBytes: aligned(slots * (kvScaleBytes(keyDType) + kvScaleBytes(valueDType))),
  };
}

/** Bytes of one layer of a block. */
export function kvLayerBytes(layout: KvLayout): number {
  const { keyBytes, valueBytes, scaleBytes } = kvLayerParts(layout);
  return keyBytes + valueBytes + scaleBytes;
}

/** Bytes of one block: its layers, one after the other. */
export function kvBlockBytes(layout: KvLayout): number {
  return layout.layerCount * kvLayerBytes(layout);
}
