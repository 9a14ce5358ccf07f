// What can bring pages into a smaller, lossy form and back: an interface, so that native code may do it off the thread.

/** `int8`: codes -127 to 127; `fp8`: E4M3. Both with one scale for each token and head of K and of V. */
export type CompressedForm = 'int8' | 'fp8';

/** How K and V lie in a page: layer -> K then V -> kvHead -> [blockSize][headSize], K perhaps [headSize][blockSize]. */
export interface PageShape {
  readonly layerCount: number;
  readonly kvHeadCount: number;
  readonly headSize: number;
  readonly blockSize: number;
  readonly dtype: 'f32' | 'f16' | 'bf16';
  /** True in the CPU backend's pool, false in the reference backend's. */
  readonly areKeysTransposed: boolean;
}

export interface PageCodec {
  readonly form: CompressedForm;
  readonly pageBytes: number;
  readonly compressedBytes: number;
  /**
   * Writes the compressed form of `page`. False if it has none (a value that is not finite): `into` is undefined then. The buffers
   * are the codec's until the promise settles.
   */
  encode(page: Uint8Array, into: Uint8Array): Promise<boolean> | boolean;
  decode(compressed: Uint8Array, into: Uint8Array): Promise<void> | void;
}

/** Bytes of an element of a page. */
export function elementBytesOf(shape: PageShape): number {
  return shape.dtype === 'f32' ? 4 : 2;
}

export function pageBytesOf(shape: PageShape): number {
  return 2 * vectorCountOf(shape) * shape.headSize * elementBytesOf(shape);
}

/** Vectors (one token's K of one head in one layer) of K, and as many of V. */
function vectorCountOf(shape: PageShape): number {
  return shape.layerCount * shape.kvHeadCount * shape.blockSize;
}

/** Codes, then scales of two bytes for pages of two-byte elements and of four bytes otherwise. */
export function compressedBytesOf(shape: PageShape): number {
  return 2 * vectorCountOf(shape) * (shape.headSize + elementBytesOf(shape));
}
