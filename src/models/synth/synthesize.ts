// Writes GGUF files of random weights in a real model's shape, for benchmarks and tests without downloads.

import { UnsupportedModelError } from '../../errors/errors.ts';
import { rowBytes } from '../../tensor/dtype.ts';
import { type ByteSink, writeFileAtomically } from '../file.ts';
import { type GgufTensorData, writeGguf } from '../gguf/writer.ts';
import { synthMetadata } from './metadata.ts';
import { type SynthShapeName, synthShape } from './shapes.ts';
import { type SynthDType, synthTensors } from './tensors.ts';

export interface SynthOptions {
  readonly shape: SynthShapeName;
  readonly dtype: SynthDType;
  /** The same seed gives the same file. Defaults to 0. */
  readonly seed?: number;
  /** Called as tensor data is written. */
  readonly onProgress?: (writtenBytes: number, totalBytes: number) => void;
  readonly signal?: AbortSignal;
}

// llama.cpp's llama_ftype.
const fileTypes: Record<SynthDType, number> = { f32: 0, f16: 1, bf16: 32, q8_0: 7, q4_0: 2, q4_k: 14, q6_k: 18 };

/** The dtypes that `synthesizeGguf` takes. */
export const synthDTypes = Object.keys(fileTypes) as readonly SynthDType[];

/**
 * Writes a GGUF file of random weights to `path`, streamed: memory use is about the vocabulary's. Weights have a standard
 * deviation of 1 / sqrt(columns), so that activations and logits keep a sane size.
 *
 * @throws UnsupportedModelError for an unknown shape or dtype, ModelFileError when the file cannot be written
 */
export async function synthesizeGguf(options: SynthOptions & { readonly path: string }): Promise<void> {
  await writeFileAtomically(options.path, (sink) => synthesizeTo(sink, options));
}

/** As `synthesizeGguf`, to any sink. */
export async function synthesizeTo(sink: ByteSink, options: SynthOptions): Promise<void> {
  const { dtype, seed = 0, onProgress, signal } = options;
  const shape = synthShape(options.shape);
  if (!Object.hasOwn(fileTypes, dtype)) throw new UnsupportedModelError(`Type "${dtype}"`, synthDTypes);
  const tensors = synthTensors(shape, dtype, seed);
  const totalBytes = tensors.reduce((sum, tensor) => sum + tensor.rows * rowBytes(tensor.dtype, tensor.columns), 0);
  let writtenBytes = 0;
  const watched = tensors.map(
    (tensor): GgufTensorData => ({
      ...tensor,
      *produce() {
        for (const piece of tensor.produce() as Iterable<Uint8Array>) {
          signal?.throwIfAborted();
          yield piece;
          writtenBytes += piece.length;
          onProgress?.(writtenBytes, totalBytes);
        }
      },
    }),
  );
  await writeGguf(sink, synthMetadata(shape, fileTypes[dtype]), watched);
}
