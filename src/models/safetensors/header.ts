// Reads and checks the header of a safetensors file.

import { ModelFileError, UnsupportedModelError } from '../../errors/errors.ts';
import { type DType, rowBytes } from '../../tensor/dtype.ts';
import type { RandomAccessFile } from '../file.ts';
import { quoted } from '../quoted.ts';
import { isJsonObject, parseJson } from './json.ts';

/** A tensor as the file describes it; `shape` in row-major order, the last size is the length of a row. */
export interface SafetensorsTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Product of all sizes but the last; 1 for vectors and scalars. */
  readonly rows: number;
  readonly columns: number;
  readonly bytes: number;
  readonly fileOffset: number;
}

const dtypes: ReadonlyMap<string, DType> = new Map([
  ['F32', 'f32'],
  ['F16', 'f16'],
  ['BF16', 'bf16'],
]);
// A tensor takes some 150 bytes here, so this covers 200,000 of them; parsed JSON can take thirty times its text.
const maxHeaderBytes = 32 * 1024 * 1024;
const maxDimensions = 8;
// Long names and shapes go into messages; nothing sensible is longer.
const maxNameLength = 1_024;

/**
 * Reads the header: a u64 length, then that many bytes of JSON. As the specification demands, tensors must cover the
 * rest of the file without holes or overlaps.
 *
 * @throws ModelFileError for a malformed, truncated or inconsistent file
 * @throws UnsupportedModelError for a dtype other than F32, F16 and BF16
 */
export async function readSafetensorsHeader(file: RandomAccessFile): Promise<readonly SafetensorsTensor[]> {
  if (file.sizeBytes < 8) {
    throw new ModelFileError(file.path, `is not a safetensors file: it has ${file.sizeBytes} bytes`);
  }
  const lengthField = new Uint8Array(8);
  await file.read(0, lengthField);
  const headerBytes = Number(new DataView(lengthField.buffer).getBigUint64(0, true));
  if (headerBytes > file.sizeBytes - 8) {
    throw new ModelFileError(
      file.path,
      `is truncated or no safetensors file: its header should take ${headerBytes} bytes, but ${file.sizeBytes - 8} follow`,
    );
  }
  if (headerBytes > maxHeaderBytes) {
    throw new ModelFileError(file.path, `has a header of ${headerBytes} bytes; at most ${maxHeaderBytes} are read`);
  }
  const text = new Uint8Array(headerBytes);
  await file.read(8, text);
  const json = parseJson(file.path, text, 'the header');
  if (!isJsonObject(json)) throw new ModelFileError(file.path, 'the header is not a JSON object');
  const dataOffset = 8 + headerBytes;
  const tensors: SafetensorsTensor[] = [];
  for (const [name, entry] of Object.entries(json)) {
    if (name !== '__metadata__') tensors.push(checkEntry(file, name, entry, dataOffset));
  }
  checkCoverage(file, tensors, dataOffset);
  return tensors;
}

function checkEntry(file: RandomAccessFile, name: string, entry: unknown, dataOffset: number): SafetensorsTensor {
  if (name === '' || name.length > maxNameLength) {
    throw new ModelFileError(
      file.path,
      `a tensor name has ${name.length} characters; 1 to ${maxNameLength} are allowed`,
    );
  }
  const refuse = (detail: string): never => {
    throw new ModelFileError(file.path, `tensor ${quoted(name)} ${detail}`);
  };
  if (!isJsonObject(entry)) return refuse('is not described by an object');
  const { dtype: dtypeName, shape, data_offsets: offsets } = entry;
  if (typeof dtypeName !== 'string') return refuse('has no dtype');
  const dtype = dtypes.get(dtypeName);
  if (dtype === undefined) {
    throw new UnsupportedModelError(`${file.path}: dtype ${dtypeName.slice(0, 40)} of tensor ${quoted(name)}`, [
      ...dtypes.keys(),
    ]);
  }
  if (!isSizes(shape) || shape.length > maxDimensions) {
    return refuse(`has no usable shape: at most ${maxDimensions} sizes, each a whole number from 1`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount) || offsets[0] > offsets[1]) {
    return refuse('has no usable data_offsets: two whole numbers, the first not above the second');
  }
  const [begin, end] = offsets;
  const dataBytes = file.sizeBytes - dataOffset;
  if (end > dataBytes)
    return refuse(`ends at byte ${end} of the data, which has ${dataBytes}; the file is truncated or corrupt`);
  const columns = shape.at(-1) ?? 1;
  const rows = shape.slice(0, -1).reduce((product, size) => product * size, 1);
  const bytes = rows * rowBytes(dtype, columns);
  if (bytes !== end - begin) {
    return refuse(
      `of shape [${shape.join(', ')}] and dtype ${dtypeName} takes ${bytes} bytes, but its offsets span ${end - begin}`,
    );
  }
  return { name, dtype, shape, rows, columns, bytes, fileOffset: dataOffset + begin };
}

function checkCoverage(file: RandomAccessFile, tensors: readonly SafetensorsTensor[], dataOffset: number): void {
  let coveredTo = dataOffset;
  for (const { name, fileOffset, bytes } of tensors.toSorted((a, b) => a.fileOffset - b.fileOffset)) {
    if (fileOffset !== coveredTo) {
      throw new ModelFileError(
        file.path,
        `tensor ${quoted(name)} begins at byte ${fileOffset - dataOffset} of the data, but the one before it ends at ` +
          `${coveredTo - dataOffset}: ${fileOffset < coveredTo ? 'they overlap' : 'there is a hole'}`,
      );
    }
    coveredTo += bytes;
  }
  if (coveredTo !== file.sizeBytes) {
    throw new ModelFileError(file.path, `has ${file.sizeBytes - coveredTo} bytes after its last tensor`);
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isSizes(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((size) => isCount(size) && size > 0);
}
