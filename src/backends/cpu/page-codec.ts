// Checksums and smaller forms of pages in native code: what src/tiers takes by injection in the place of its own.

import { type Addon, loadAddon } from './addon.ts';

/** How K and V lie in a page, and the form to bring it into; as PageShape and CompressedForm of src/tiers. */
export interface NativeCodecShape {
  readonly layerCount: number;
  readonly kvHeadCount: number;
  readonly headSize: number;
  readonly blockSize: number;
  readonly dtype: 'f32' | 'f16' | 'bf16';
  readonly areKeysTransposed: boolean;
}

export interface NativePageCodec {
  readonly form: 'int8' | 'fp8';
  readonly pageBytes: number;
  readonly compressedBytes: number;
  /** Off the thread; see PageCodec of src/tiers. */
  encode(page: Uint8Array, into: Uint8Array): Promise<boolean>;
  decode(compressed: Uint8Array, into: Uint8Array): Promise<void>;
}

/** The checksum of src/tiers/page-checksum.ts, at once. Throws BackendError when the addon is absent. */
export function loadPageChecksum(): Addon['checksumBytes'] {
  return loadAddon().checksumBytes;
}

/**
 * Has the system give its memory to a buffer now, off the thread, in huge pages where it can: what the buffer holds stays. Throws BackendError when the
 * addon is absent.
 */
export function loadPopulate(): Addon['populateMemory'] {
  return loadAddon().populateMemory;
}

/** Equal to the bit to `createPageCodec` of src/tiers. Throws BackendError when the addon is absent. */
export function createNativePageCodec(shape: NativeCodecShape, form: 'int8' | 'fp8'): NativePageCodec {
  const addon = loadAddon();
  const { layerCount, kvHeadCount, headSize, blockSize, dtype, areKeysTransposed } = shape;
  const element = ['f32', 'f16', 'bf16'].indexOf(dtype);
  const code = ['int8', 'fp8'].indexOf(form);
  const fields = Int32Array.of(layerCount, kvHeadCount, headSize, blockSize, element, areKeysTransposed ? 1 : 0, code);
  const vectorCount = 2 * layerCount * kvHeadCount * blockSize;
  const elementBytes = dtype === 'f32' ? 4 : 2;
  return {
    form,
    pageBytes: vectorCount * headSize * elementBytes,
    compressedBytes: vectorCount * (headSize + elementBytes),
    encode: (page, into) => addon.encodePage(fields, page, into),
    async decode(compressed, into) {
      await addon.decodePage(fields, compressed, into);
    },
  };
}
