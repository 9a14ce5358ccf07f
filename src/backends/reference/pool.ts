// The reference backend's KV pool: every token's vectors in their own types, one record after the other.

import { BackendError } from '../../errors/errors.ts';
import { type KvDType, kvCodeBytes, kvScaleBytes } from '../../tensor/kv-dtype.ts';
import { decodeKvVector, encodeKvVector } from '../../tensor/kv-vector.ts';
import { type KvLayout, kvBlockBytes, type StepBindings } from '../backend.ts';
import { kvLayerBytes } from '../kv-layout.ts';

/** Block-major: block -> layer -> K, V -> kvHead -> slot -> codes and scale. What a block has beyond that is padding. */
export interface ReferencePool {
  readonly blockSize: number;
  readonly bytes: number;
  readKey(layer: number, kvHead: number, blockId: number, offset: number, into: Float32Array): void;
  readValue(layer: number, kvHead: number, blockId: number, offset: number, into: Float32Array): void;
  write(
    layer: number,
    step: Pick<StepBindings, 'tokenCount' | 'slotMapping'>,
    key: Float32Array,
    value: Float32Array,
  ): void;
  copy(sourceId: number, destinationId: number): void;
  read(blockId: number, into: Uint8Array): void;
  restore(blockId: number, from: Uint8Array): void;
}

/** Allocates the pool. */
export function createReferencePool(layout: KvLayout, blockCount: number): ReferencePool {
  const { kvHeadCount, headSize, blockSize, keyDType, valueDType } = layout;
  const blockBytes = kvBlockBytes(layout);
  const layerBytes = kvLayerBytes(layout);
  const keyBytes = kvCodeBytes(keyDType, headSize) + kvScaleBytes(keyDType);
  const valueBytes = kvCodeBytes(valueDType, headSize) + kvScaleBytes(valueDType);
  const allKeyBytes = kvHeadCount * blockSize * keyBytes;
  const store = new Uint8Array(blockCount * blockBytes);
  const width = kvHeadCount * headSize;

  function keyAt(layer: number, kvHead: number, blockId: number, offset: number): Uint8Array {
    const at = blockId * blockBytes + layer * layerBytes + (kvHead * blockSize + offset) * keyBytes;
    return store.subarray(at, at + keyBytes);
  }
  function valueAt(layer: number, kvHead: number, blockId: number, offset: number): Uint8Array {
    const at = blockId * blockBytes + layer * layerBytes + allKeyBytes + (kvHead * blockSize + offset) * valueBytes;
    return store.subarray(at, at + valueBytes);
  }

  function checkBlock(blockId: number, bytes: Uint8Array): void {
    if (!Number.isInteger(blockId) || blockId < 0 || blockId >= blockCount) {
      throw new BackendError('reference', `block ${blockId} is outside the pool of ${blockCount}`);
    }
    if (bytes.byteLength !== blockBytes) {
      throw new BackendError('reference', `a block is ${blockBytes} bytes, got a buffer of ${bytes.byteLength}`);
    }
  }

  function bytesOf(blockId: number): Uint8Array {
    return store.subarray(blockId * blockBytes, (blockId + 1) * blockBytes);
  }

  const readKey = readerOf(keyDType);
  const readValue = readerOf(valueDType);
  return {
    blockSize,
    bytes: store.byteLength,
    readKey: (layer, kvHead, blockId, offset, into) => readKey(keyAt(layer, kvHead, blockId, offset), into),
    readValue: (layer, kvHead, blockId, offset, into) => readValue(valueAt(layer, kvHead, blockId, offset), into),
    write(layer, step, key, value) {
      for (let t = 0; t < step.tokenCount; t++) {
        const blockId = Math.floor(step.slotMapping[t] / blockSize);
        const offset = step.slotMapping[t] % blockSize;
        for (let kvHead = 0; kvHead < kvHeadCount; kvHead++) {
          const from = t * width + kvHead * headSize;
          encodeKvVector(keyDType, key.subarray(from, from + headSize), keyAt(layer, kvHead, blockId, offset));
          encodeKvVector(valueDType, value.subarray(from, from + headSize), valueAt(layer, kvHead, blockId, offset));
        }
      }
    },
    copy(sourceId, destinationId) {
      bytesOf(destinationId).set(bytesOf(sourceId));
    },
    read(blockId, into) {
      checkBlock(blockId, into);
      into.set(bytesOf(blockId));
    },
    restore(blockId, from) {
      checkBlock(blockId, from);
      bytesOf(blockId).set(from);
    },
  };
}

/** decodeKvVector, through a table where a code is one byte. */
function readerOf(dtype: KvDType): (from: Uint8Array, into: Float32Array) => void {
  if (dtype !== 'fp8_e4m3' && dtype !== 'fp8_e5m2') return (from, into) => decodeKvVector(dtype, from, into);
  const decoded = new Float32Array(256);
  decodeKvVector(dtype, Uint8Array.from(decoded.keys()), decoded);
  return (from, into) => {
    for (let i = 0; i < into.length; i++) into[i] = decoded[from[i]];
  };
}
