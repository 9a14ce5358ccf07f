// A weight source over ranges of open files: what GGUF and safetensors have in common.

import type { WeightInfo, WeightSource } from '../backends/backend.ts';
import { ModelFileError } from '../errors/errors.ts';
import type { RandomAccessFile } from './file.ts';
import { quoted } from './quoted.ts';

/** Where the bytes of a weight stand. The range has been checked against the file's size. */
export interface PlacedWeight extends WeightInfo {
  readonly file: RandomAccessFile;
  readonly fileOffset: number;
}

/**
 * A weight source that reads from `files`, and closes them with itself.
 *
 * @param path of the model, for messages
 * @throws ModelFileError when two weights have one name
 */
export function createFileWeightSource(
  path: string,
  files: readonly RandomAccessFile[],
  placedWeights: readonly PlacedWeight[],
): WeightSource {
  const weights = new Map<string, WeightInfo>();
  const places = new Map<string, PlacedWeight>();
  for (const place of placedWeights) {
    const { name, dtype, rows, columns, bytes, file } = place;
    if (weights.has(name)) throw new ModelFileError(file.path, `tensor ${quoted(name)} is in another part already`);
    weights.set(name, { name, dtype, rows, columns, bytes });
    places.set(name, place);
  }
  return {
    weights,
    async read(name, byteOffset, into) {
      const place = places.get(name);
      if (place === undefined) throw new ModelFileError(path, `has no tensor ${quoted(name)}`);
      const { file, fileOffset, bytes } = place;
      if (!Number.isSafeInteger(byteOffset) || byteOffset < 0 || byteOffset + into.length > bytes) {
        throw new ModelFileError(
          file.path,
          `tensor ${quoted(name)} has ${bytes} bytes, but ${into.length} were to be read from its byte ${byteOffset}`,
        );
      }
      await file.read(fileOffset + byteOffset, into);
    },
    place(name) {
      const place = places.get(name);
      if (place?.file.descriptor === undefined) return null;
      const { file, fileOffset } = place;
      return { path: file.path, descriptor: file.descriptor!, fileBytes: file.sizeBytes, byteOffset: fileOffset };
    },
    async close() {
      await Promise.all(files.map((file) => file.close()));
    },
  };
}
