// The reference backend's KV pool: f32 elements, rounded to f16 on write when the pool's dtype says so.

import { BackendError } from '../../errors/errors.ts';
import { f16ToNumber, numberToF16 } from '../../tensor/index.ts';
import { type KvLayout, kvBlockBytes, type StepBindings } from '../backend.ts';

/**
 * Block-major: block -> layer -> K, V -> kvHead -> slot -> headSize. Held as f32 even for f16 pools, whose values
 * are rounded as they are written.
 */
export interface ReferencePool {
  readonly data: Float32Array;
  readonly blockSize: number;
  readonly bytes: number;
  keyOffset(layer: number, kvHead: number, blockId: number, offset: number): number;
  valueOffset(layer: number, kvHead: number, blockId: number, offset: number): number;
  write(layer: number, step: StepBindings, key: Float32Array, value: Float32Array): void;
  copy(sourceId: number, destinationId: number): void;
  read(blockId: number, into: Uint8Array): void;
  restore(blockId: number, from: Uint8Array): void;
}

/** Allocates the pool. */
export function createReferencePool(layout: KvLayout, blockCount: number): ReferencePool {
  const { layerCount, kvHeadCount, headSize, blockSize, dtype } = layout;
  const headElements = blockSize * headSize;
  const halfElements = kvHeadCount * headElements;
  const blockElements = layerCount * 2 * halfElements;
  const data = new Float32Array(blockCount * blockElements);
  const blockBytes = kvBlockBytes(layout);
  const width = kvHeadCount * headSize;

  function offsetOf(layer: number, half: 0 | 1, kvHead: number, blockId: number, offset: number): number {
    return blockId * blockElements + (layer * 2 + half) * halfElements + kvHead * headElements + offset * headSize;
  }
  const round = dtype === 'f16' ? (x: number) => f16ToNumber(numberToF16(x)) : (x: number) => x;

  function checkBlock(blockId: number, bytes: Uint8Array): void {
    if (!Number.isInteger(blockId) || blockId < 0 || blockId >= blockCount) {
      throw new BackendError('reference', `block ${blockId} is outside the pool of ${blockCount}`);
    }
    if (bytes.byteLength !== blockBytes) {
      throw new BackendError('reference', `a block is ${blockBytes} bytes, got a buffer of ${bytes.byteLength}`);
    }
  }

  return {
    data,
    blockSize,
    bytes: data.byteLength,
    keyOffset: (layer, kvHead, blockId, offset) => offsetOf(layer, 0, kvHead, blockId, offset),
    valueOffset: (layer, kvHead, blockId, offset) => offsetOf(layer, 1, kvHead, blockId, offset),
    write(layer, step, key, value) {
      for (let t = 0; t < step.tokenCount; t++) {
        const blockId = Math.floor(step.slotMapping[t] / blockSize);
        const offset = step.slotMapping[t] % blockSize;
        for (let kvHead = 0; kvHead < kvHeadCount; kvHead++) {
          const from = t * width + kvHead * headSize;
          const keyBase = offsetOf(layer, 0, kvHead, blockId, offset);
          const valueBase = offsetOf(layer, 1, kvHead, blockId, offset);
          for (let i = 0; i < headSize; i++) {
            data[keyBase + i] = round(key[from + i]);
            data[valueBase + i] = round(value[from + i]);
          }
        }
      }
    },
    copy(sourceId, destinationId) {
      data.copyWithin(destinationId * blockElements, sourceId * blockElements, (sourceId + 1) * blockElements);
    },
    read(blockId, into) {
      checkBlock(blockId, into);
      const view = new DataView(into.buffer, into.byteOffset, into.byteLength);
      for (let i = 0; i < blockElements; i++) {
        const x = data[blockId * blockElements + i];
        if (dtype === 'f16') view.setUint16(2 * i, numberToF16(x), true);
        else view.setFloat32(4 * i, x, true);
      }
    },
    restore(blockId, from) {
      checkBlock(blockId, from);
      const view = new DataView(from.buffer, from.byteOffset, from.byteLength);
      for (let i = 0; i < blockElements; i++) {
        data[blockId * blockElements + i] =
          dtype === 'f16' ? f16ToNumber(view.getUint16(2 * i, true)) : view.getFloat32(4 * i, true);
      }
    },
  };
}
