// Writes GGUF files (version 3) front to back, tensor data streamed from its producers.

import { IntegrityError } from '../../errors/errors.ts';
import { type DType, isStorable, rowBytes } from '../../tensor/dtype.ts';
import type { ByteSink } from '../file.ts';
import {
  type GgufNumberArray,
  type GgufScalarType,
  ggufArrayType,
  ggufScalarTypes,
  ggufStringType,
  ggufTypeOfDtype,
} from './types.ts';

/** A metadata pair with the type it is to have in the file. */
export type GgufMetadataEntry =
  | { readonly key: string; readonly type: 'string'; readonly value: string }
  | { readonly key: string; readonly type: 'bool'; readonly value: boolean }
  | { readonly key: string; readonly type: Exclude<GgufScalarType, 'bool'>; readonly value: number | bigint }
  | { readonly key: string; readonly type: 'string[]'; readonly value: readonly string[] }
  | {
      readonly key: string;
      readonly type: `${GgufScalarType}[]`;
      readonly value: GgufNumberArray | readonly (number | bigint)[];
    };

/** A tensor to write. `rows` 1 makes a vector. `produce` yields exactly the bytes of all rows, in pieces of any size. */
export interface GgufTensorData {
  readonly name: string;
  readonly dtype: DType;
  readonly rows: number;
  readonly columns: number;
  readonly produce: () => Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

export const ggufAlignmentBytes = 32;

/**
 * Writes a little-endian GGUF version 3 file with an alignment of 32 bytes. Memory use is the header and one piece.
 *
 * @throws IntegrityError when a producer yields another number of bytes than its shape takes, or a shape cannot be stored
 */
export async function writeGguf(
  sink: ByteSink,
  metadata: readonly GgufMetadataEntry[],
  tensors: readonly GgufTensorData[],
): Promise<void> {
  const header = new HeaderBuilder();
  header.bytes(Buffer.from('GGUF'));
  header.scalar('u32', 3);
  header.scalar('u64', tensors.length);
  header.scalar('u64', metadata.length);
  for (const entry of metadata) appendEntry(header, entry);
  let dataOffset = 0;
  for (const tensor of tensors) {
    const { name, dtype, rows, columns } = tensor;
    if (!isStorable(dtype, columns)) {
      throw new IntegrityError(`Tensor "${name}" cannot be ${dtype}: its rows have ${columns} elements.`);
    }
    header.string(name);
    const dimensions = rows === 1 ? [columns] : [columns, rows];
    header.scalar('u32', dimensions.length);
    for (const size of dimensions) header.scalar('u64', size);
    header.scalar('u32', ggufTypeOfDtype(dtype));
    header.scalar('u64', dataOffset);
    dataOffset += paddedBytes(rows * rowBytes(dtype, columns));
  }
  header.pad();
  for (const piece of header.pieces()) await sink.write(piece);
  for (const tensor of tensors) await writeTensor(sink, tensor);
}

async function writeTensor(sink: ByteSink, tensor: GgufTensorData): Promise<void> {
  const wantedBytes = tensor.rows * rowBytes(tensor.dtype, tensor.columns);
  let writtenBytes = 0;
  for await (const piece of tensor.produce()) {
    writtenBytes += piece.length;
    if (writtenBytes > wantedBytes) break;
    await sink.write(piece);
  }
  if (writtenBytes !== wantedBytes) {
    throw new IntegrityError(
      `The producer of tensor "${tensor.name}" yielded ${writtenBytes > wantedBytes ? 'more than' : `${writtenBytes} of`} ` +
        `${wantedBytes} bytes.`,
    );
  }
  const paddingBytes = paddedBytes(wantedBytes) - wantedBytes;
  if (paddingBytes > 0) await sink.write(new Uint8Array(paddingBytes));
}

function paddedBytes(byteCount: number): number {
  return Math.ceil(byteCount / ggufAlignmentBytes) * ggufAlignmentBytes;
}

function appendEntry(header: HeaderBuilder, entry: GgufMetadataEntry): void {
  header.string(entry.key);
  if (entry.type === 'string') {
    header.scalar('u32', ggufStringType);
    header.string(entry.value);
    return;
  }
  if (entry.type === 'string[]') {
    header.scalar('u32', ggufArrayType);
    header.scalar('u32', ggufStringType);
    header.scalar('u64', entry.value.length);
    for (const text of entry.value) header.string(text);
    return;
  }
  if (isArrayEntry(entry)) {
    const type = entry.type.slice(0, -2) as GgufScalarType;
    header.scalar('u32', ggufArrayType);
    header.scalar('u32', ggufScalarTypes[type].id);
    header.scalar('u64', entry.value.length);
    for (const value of entry.value) header.scalar(type, value);
    return;
  }
  header.scalar('u32', ggufScalarTypes[entry.type].id);
  header.scalar(entry.type, entry.value);
}

function isArrayEntry(
  entry: GgufMetadataEntry,
): entry is Extract<GgufMetadataEntry, { readonly type: `${GgufScalarType}[]` }> {
  return entry.type.endsWith('[]');
}

/** Collects the header in chunks that double as they fill. */
class HeaderBuilder {
  private readonly full: Buffer[] = [];
  private chunk = Buffer.alloc(64 * 1024);
  private used = 0;
  private total = 0;

  private reserve(byteCount: number): number {
    if (this.used + byteCount > this.chunk.length) {
      this.full.push(this.chunk.subarray(0, this.used));
      this.chunk = Buffer.alloc(Math.max(byteCount, Math.min(this.chunk.length * 2, 16 * 1024 * 1024)));
      this.used = 0;
    }
    const at = this.used;
    this.used += byteCount;
    this.total += byteCount;
    return at;
  }

  bytes(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length);
    this.chunk.set(bytes, at);
  }

  string(text: string): void {
    const byteCount = Buffer.byteLength(text);
    this.scalar('u64', byteCount);
    const at = this.reserve(byteCount);
    this.chunk.write(text, at);
  }

  scalar(type: GgufScalarType, value: number | bigint | boolean): void {
    const at = this.reserve(ggufScalarTypes[type].sizeBytes);
    switch (type) {
      case 'u8':
      case 'bool':
        this.chunk.writeUInt8(Number(value), at);
        break;
      case 'i8':
        this.chunk.writeInt8(Number(value), at);
        break;
      case 'u16':
        this.chunk.writeUInt16LE(Number(value), at);
        break;
      case 'i16':
        this.chunk.writeInt16LE(Number(value), at);
        break;
      case 'u32':
        this.chunk.writeUInt32LE(Number(value), at);
        break;
      case 'i32':
        this.chunk.writeInt32LE(Number(value), at);
        break;
      case 'f32':
        this.chunk.writeFloatLE(Number(value), at);
        break;
      case 'f64':
        this.chunk.writeDoubleLE(Number(value), at);
        break;
      case 'u64':
        this.chunk.writeBigUInt64LE(BigInt(value), at);
        break;
      case 'i64':
        this.chunk.writeBigInt64LE(BigInt(value), at);
        break;
    }
  }

  pad(): void {
    this.bytes(new Uint8Array(paddedBytes(this.total) - this.total));
  }

  pieces(): readonly Uint8Array[] {
    return [...this.full, this.chunk.subarray(0, this.used)];
  }
}
