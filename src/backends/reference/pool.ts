// The reference backend's KV pool, in the pool's own dtype: f32, or f16 decoded through a table.

import { BackendError } from '../../errors/errors.ts';
import { f16ToNumber, numberToF16 } from '../../tensor/index.ts';
import { type KvLayout, kvBlockBytes, type StepBindings } from '../backend.ts';

/** Block-major: block -> layer -> K, V -> kvHead -> slot -> headSize. */
export interface ReferencePool {
  readonly blockSize: number;
  readonly bytes: number;
  keyOffset(layer: number, kvHead: number, blockId: number, offset: number): number;
  valueOffset(layer: number, kvHead: number, blockId: number, offset: number): number;
  /** Reads consecutive elements from an offset on. */
  load(offset: number, into: Float32Array): void;
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
  const store =
    dtype === 'f16' ? createHalfStore(blockCount * blockElements) : createFloatStore(blockCount * blockElements);
  const blockBytes = kvBlockBytes(layout);
  const width = kvHeadCount * headSize;

  function offsetOf(layer: number, half: 0 | 1, kvHead: number, blockId: number, offset: number): number {
    return blockId * blockElements + (layer * 2 + half) * halfElements + kvHead * headElements + offset * headSize;
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
    return new Uint8Array(store.elements.buffer, blockId * blockBytes, blockBytes);
  }

  return {
    blockSize,
    bytes: store.elements.byteLength,
    keyOffset: (layer, kvHead, blockId, offset) => offsetOf(layer, 0, kvHead, blockId, offset),
    valueOffset: (layer, kvHead, blockId, offset) => offsetOf(layer, 1, kvHead, blockId, offset),
    load: store.load,
    write(layer, step, key, value) {
      for (let t = 0; t < step.tokenCount; t++) {
        const blockId = Math.floor(step.slotMapping[t] / blockSize);
        const offset = step.slotMapping[t] % blockSize;
        for (let kvHead = 0; kvHead < kvHeadCount; kvHead++) {
          const from = t * width + kvHead * headSize;
          store.save(offsetOf(layer, 0, kvHead, blockId, offset), key.subarray(from, from + headSize));
          store.save(offsetOf(layer, 1, kvHead, blockId, offset), value.subarray(from, from + headSize));
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

interface ElementStore {
  readonly elements: Float32Array | Uint16Array;
  load(offset: number, into: Float32Array): void;
  save(offset: number, values: Float32Array): void;
}

function createFloatStore(count: number): ElementStore {
  const elements = new Float32Array(count);
  return {
    elements,
    load: (offset, into) => into.set(elements.subarray(offset, offset + into.length)),
    save: (offset, values) => elements.set(values, offset),
  };
}

function createHalfStore(count: number): ElementStore {
  const elements = new Uint16Array(count);
  const decoded = Float32Array.from({ length: 65536 }, (_, bits) => f16ToNumber(bits));
  return {
    elements,
    load(offset, into) {
      for (let i = 0; i < into.length; i++) into[i] = decoded[elements[offset + i]];
    },
    save(offset, values) {
      for (let i = 0; i < values.length; i++) elements[offset + i] = numberToF16(values[i]);
    },
  };
}
