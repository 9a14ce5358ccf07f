// Reads and checks the header of a GGUF file: magic, version, metadata and the table of tensors.

import { ModelFileError, UnsupportedModelError } from '../../errors/errors.ts';
import { dtypeGeometry, dtypeNames, isStorable, rowBytes } from '../../tensor/dtype.ts';
import type { RandomAccessFile } from '../file.ts';
import { quoted } from '../quoted.ts';
import { type Cursor, createCursor } from './cursor.ts';
import { readMetadata, readString } from './metadata.ts';
import {
  dtypeOfGgufType,
  type GgufMetadata,
  type GgufTensor,
  type GgufValue,
  nameOfUnsupportedGgufType,
} from './types.ts';

export interface GgufHeader {
  readonly version: number;
  readonly alignmentBytes: number;
  readonly metadata: GgufMetadata;
  readonly tensors: readonly GgufTensor[];
  /** Where tensor data begins. */
  readonly dataOffset: number;
}

const magicGguf = 0x46554747;
const supportedVersions = [2, 3];
const defaultAlignmentBytes = 32;
const maxAlignmentBytes = 65_536;
// As the specification and ggml limit them.
const maxTensorNameBytes = 64;
const maxDimensions = 4;
/** Name length, one byte of name, dimension count, one dimension, type, offset. */
const minTensorInfoBytes = 8 + 1 + 4 + 8 + 4 + 8;
// Vocabularies of 256 k tokens make headers of about 20 MB; more than this is an attack on the heap, not a model.
const maxHeaderBytes = 256 * 1024 * 1024;

/** What a tensor's entry in the table says, before it is known where data begins. */
interface TensorEntry extends Omit<GgufTensor, 'fileOffset'> {
  readonly dataOffset: number;
}

/**
 * Reads the header in bounded chunks. Nothing is allocated, and nothing looped over, that the size of the file does
 * not cover.
 *
 * @throws ModelFileError for a file that is malformed, truncated or inconsistent
 * @throws UnsupportedModelError for a well-formed one of another version, byte order or tensor type
 */
export async function readGgufHeader(file: RandomAccessFile): Promise<GgufHeader> {
  const cursor = createCursor(file, maxHeaderBytes);
  await cursor.need(4, () => 'the magic number');
  checkMagic(file, cursor.u32());
  await cursor.need(4, () => 'the version');
  const version = checkVersion(file, cursor.u32());
  await cursor.need(16, () => 'the counts');
  const tensorCount = cursor.u64();
  const pairCount = cursor.u64();
  if (tensorCount * minTensorInfoBytes > cursor.remainingBytes()) {
    throw new ModelFileError(
      file.path,
      `claims ${tensorCount} tensors, more than its ${file.sizeBytes} bytes can describe`,
    );
  }
  const metadata = await readMetadata(file, cursor, pairCount);
  const alignmentBytes = checkAlignment(file, metadata.get('general.alignment'));
  const entries: TensorEntry[] = [];
  const names = new Set<string>();
  for (let index = 0; index < tensorCount; index++) {
    const entry = await readTensorEntry(file, cursor, index, alignmentBytes);
    if (names.has(entry.name)) throw new ModelFileError(file.path, `tensor ${quoted(entry.name)} occurs twice`);
    names.add(entry.name);
    entries.push(entry);
  }
  const dataOffset = Math.ceil(cursor.offset() / alignmentBytes) * alignmentBytes;
  const tensors = placeTensors(file, entries, dataOffset);
  return { version, alignmentBytes, metadata, tensors, dataOffset };
}

function checkMagic(file: RandomAccessFile, magic: number): void {
  if (magic === magicGguf) return;
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(magic);
  const text = /^[\x20-\x7e]{4}$/.test(bytes.toString('latin1')) ? ` ("${bytes.toString('latin1')}")` : '';
  throw new ModelFileError(
    file.path,
    `is not a GGUF file: it begins with ${bytes.toString('hex')}${text}, not with "GGUF"`,
  );
}

function checkVersion(file: RandomAccessFile, version: number): number {
  if (supportedVersions.includes(version)) return version;
  // A version whose low half is empty is a small number written by a big-endian machine, as ggml also judges it.
  if ((version & 0xffff) === 0 && version !== 0) {
    throw new UnsupportedModelError(`${file.path}: a big-endian GGUF file`, ['little-endian GGUF files']);
  }
  throw new UnsupportedModelError(`${file.path}: GGUF version ${version}`, supportedVersions.map(String));
}

function checkAlignment(file: RandomAccessFile, value: GgufValue | undefined): number {
  if (value === undefined) return defaultAlignmentBytes;
  const isPowerOfTwo = typeof value === 'number' && Number.isInteger(Math.log2(value));
  if (isPowerOfTwo && value >= 8 && value <= maxAlignmentBytes) return value;
  throw new ModelFileError(
    file.path,
    `general.alignment is ${describe(value)}, not a power of two from 8 to ${maxAlignmentBytes}`,
  );
}

async function readTensorEntry(
  file: RandomAccessFile,
  cursor: Cursor,
  index: number,
  alignmentBytes: number,
): Promise<TensorEntry> {
  const name = await readString(cursor, () => `the name of tensor ${index}`, maxTensorNameBytes, file);
  if (name === '') throw new ModelFileError(file.path, `tensor ${index} has no name`);
  await cursor.need(4, () => `tensor ${quoted(name)}`);
  const dimensionCount = cursor.u32();
  if (dimensionCount < 1 || dimensionCount > maxDimensions) {
    throw new ModelFileError(
      file.path,
      `tensor ${quoted(name)} has ${dimensionCount} dimensions; 1 to ${maxDimensions} are possible`,
    );
  }
  await cursor.need(dimensionCount * 8 + 12, () => `tensor ${quoted(name)}`);
  const dimensions: number[] = [];
  let elementCount = 1;
  for (let i = 0; i < dimensionCount; i++) {
    const size = cursor.u64();
    elementCount *= size;
    // An element takes a quarter of a byte at the least, so this bounds every later product far below 2^53.
    if (size < 1 || elementCount > file.sizeBytes * 8) {
      throw new ModelFileError(
        file.path,
        `tensor ${quoted(name)} has the impossible shape [${[...dimensions, size].join(', ')}${i + 1 < dimensionCount ? ', …' : ''}] ` +
          `for a file of ${file.sizeBytes} bytes`,
      );
    }
    dimensions.push(size);
  }
  const typeId = cursor.u32();
  const dataOffset = cursor.u64();
  const dtype = dtypeOfGgufType(typeId);
  if (dtype === undefined) {
    const known = nameOfUnsupportedGgufType(typeId);
    if (known === undefined) {
      throw new ModelFileError(file.path, `tensor ${quoted(name)} has the unknown type ${typeId}`);
    }
    throw new UnsupportedModelError(
      `${file.path}: type ${known} of tensor ${quoted(name)}`,
      dtypeNames.map((supported) => supported.toUpperCase()),
    );
  }
  const columns = dimensions[0];
  if (!isStorable(dtype, columns)) {
    throw new ModelFileError(
      file.path,
      `rows of tensor ${quoted(name)} have ${columns} elements, not a whole number of ${dtype} blocks ` +
        `of ${dtypeGeometry[dtype].blockElements}`,
    );
  }
  if (dataOffset % alignmentBytes !== 0) {
    throw new ModelFileError(
      file.path,
      `tensor ${quoted(name)} begins at offset ${dataOffset}, which is not aligned to ${alignmentBytes} bytes`,
    );
  }
  const rows = elementCount / columns;
  return { name, dtype, dimensions, rows, columns, bytes: rows * rowBytes(dtype, columns), dataOffset };
}

/** Turns offsets in the data into offsets in the file, and refuses tensors that leave the file or overlap. */
function placeTensors(
  file: RandomAccessFile,
  entries: readonly TensorEntry[],
  dataOffset: number,
): readonly GgufTensor[] {
  const tensors = entries.map(({ dataOffset: offset, ...entry }) => ({ ...entry, fileOffset: dataOffset + offset }));
  for (const tensor of tensors) {
    if (tensor.fileOffset + tensor.bytes > file.sizeBytes) {
      throw new ModelFileError(
        file.path,
        `tensor ${quoted(tensor.name)} takes ${tensor.bytes} bytes from byte ${tensor.fileOffset}, ` +
          `but the file has ${file.sizeBytes}; it is truncated or corrupt`,
      );
    }
  }
  const inOrder = tensors.toSorted((a, b) => a.fileOffset - b.fileOffset);
  for (let i = 1; i < inOrder.length; i++) {
    const before = inOrder[i - 1];
    const after = inOrder[i];
    if (before.fileOffset + before.bytes > after.fileOffset) {
      throw new ModelFileError(
        file.path,
        `tensors ${quoted(before.name)} (bytes ${before.fileOffset} to ${before.fileOffset + before.bytes}) and ` +
          `${quoted(after.name)} (from byte ${after.fileOffset}) overlap`,
      );
    }
  }
  return tensors;
}

function describe(value: GgufValue): string {
  if (typeof value === 'object') return 'an array';
  return typeof value === 'string' ? quoted(value) : String(value);
}
