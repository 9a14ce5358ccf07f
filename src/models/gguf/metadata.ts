// Reads the key-value part of a GGUF header, every count checked against the bytes that are left.

import { ModelFileError } from '../../errors/errors.ts';
import type { RandomAccessFile } from '../file.ts';
import { quoted } from '../quoted.ts';
import type { Cursor } from './cursor.ts';
import {
  type GgufArray,
  type GgufNumberArray,
  type GgufScalarType,
  type GgufValue,
  ggufArrayType,
  ggufScalarNames,
  ggufScalarTypes,
  ggufStringType,
} from './types.ts';

/** As the specification limits keys. */
const maxKeyBytes = 65_535;
// The specification allows arrays of arrays; no known key nests at all.
const maxArrayDepth = 4;
/** Key length, one byte of key, value type, one byte of value. */
const minPairBytes = 8 + 1 + 4 + 1;

/** Reads `pairCount` key-value pairs at the cursor. */
export async function readMetadata(
  file: RandomAccessFile,
  cursor: Cursor,
  pairCount: number,
): Promise<Map<string, GgufValue>> {
  if (pairCount * minPairBytes > cursor.remainingBytes()) {
    throw new ModelFileError(
      file.path,
      `claims ${pairCount} metadata pairs, more than its ${file.sizeBytes} bytes can hold`,
    );
  }
  const metadata = new Map<string, GgufValue>();
  for (let index = 0; index < pairCount; index++) {
    const key = await readString(cursor, () => `metadata key ${index}`, maxKeyBytes, file);
    if (key === '') throw new ModelFileError(file.path, `metadata key ${index} is empty`);
    if (metadata.has(key)) throw new ModelFileError(file.path, `metadata key ${quoted(key)} occurs twice`);
    const pending = cursor.need(4, () => `the type of metadata ${quoted(key)}`);
    if (pending) await pending;
    metadata.set(key, await readValue(file, cursor, key, cursor.u32()));
  }
  return metadata;
}

/** Reads a length-prefixed string; `maxBytes` limits it further than the file's size does. */
export async function readString(
  cursor: Cursor,
  what: () => string,
  maxBytes: number,
  file: RandomAccessFile,
): Promise<string> {
  const pendingLength = cursor.need(8, what);
  if (pendingLength) await pendingLength;
  const byteCount = cursor.u64();
  if (byteCount > maxBytes) {
    throw new ModelFileError(file.path, `${what()} is ${byteCount} bytes long; at most ${maxBytes} are allowed`);
  }
  const pending = cursor.need(byteCount, what);
  if (pending) await pending;
  return cursor.utf8(byteCount);
}

async function readValue(file: RandomAccessFile, cursor: Cursor, key: string, typeId: number): Promise<GgufValue> {
  if (typeId === ggufStringType) {
    return readString(cursor, () => `metadata ${quoted(key)}`, Number.POSITIVE_INFINITY, file);
  }
  if (typeId === ggufArrayType) return readArray(file, cursor, key, 1);
  const type = scalarType(file, key, typeId);
  const { sizeBytes } = ggufScalarTypes[type];
  const pending = cursor.need(sizeBytes, () => `metadata ${quoted(key)}`);
  if (pending) await pending;
  return readScalar(cursor.view(sizeBytes), type);
}

function scalarType(file: RandomAccessFile, key: string, typeId: number): GgufScalarType {
  const type = ggufScalarNames.get(typeId);
  if (type === undefined)
    throw new ModelFileError(file.path, `metadata ${quoted(key)} has the unknown value type ${typeId}`);
  return type;
}

function readScalar(view: DataView, type: GgufScalarType): number | bigint | boolean {
  switch (type) {
    case 'u8':
      return view.getUint8(0);
    case 'i8':
      return view.getInt8(0);
    case 'u16':
      return view.getUint16(0, true);
    case 'i16':
      return view.getInt16(0, true);
    case 'u32':
      return view.getUint32(0, true);
    case 'i32':
      return view.getInt32(0, true);
    case 'f32':
      return view.getFloat32(0, true);
    case 'f64':
      return view.getFloat64(0, true);
    case 'bool':
      return view.getUint8(0) !== 0;
    case 'u64':
      return numberIfExact(view.getBigUint64(0, true));
    case 'i64':
      return numberIfExact(view.getBigInt64(0, true));
  }
}

function numberIfExact(value: bigint): number | bigint {
  const asNumber = Number(value);
  return Number.isSafeInteger(asNumber) ? asNumber : value;
}

async function readArray(file: RandomAccessFile, cursor: Cursor, key: string, depth: number): Promise<GgufArray> {
  if (depth > maxArrayDepth) {
    throw new ModelFileError(file.path, `metadata ${quoted(key)} nests arrays more than ${maxArrayDepth} deep`);
  }
  const pending = cursor.need(12, () => `metadata ${quoted(key)}`);
  if (pending) await pending;
  const typeId = cursor.u32();
  const count = cursor.u64();
  if (typeId === ggufStringType) {
    checkCount(file, cursor, key, count, 8);
    return readStrings(cursor, key, count);
  }
  if (typeId === ggufArrayType) {
    checkCount(file, cursor, key, count, 12);
    const arrays: GgufArray[] = [];
    for (let i = 0; i < count; i++) arrays.push(await readArray(file, cursor, key, depth + 1));
    return arrays;
  }
  const type = scalarType(file, key, typeId);
  checkCount(file, cursor, key, count, ggufScalarTypes[type].sizeBytes);
  const array = createNumberArray(type, count);
  await cursor.readInto(new Uint8Array(array.buffer));
  return array;
}

async function readStrings(cursor: Cursor, key: string, count: number): Promise<readonly string[]> {
  const strings: string[] = [];
  for (let i = 0; i < count; i++) {
    const what = () => `element ${i} of metadata ${quoted(key)}`;
    const pendingLength = cursor.need(8, what);
    if (pendingLength) await pendingLength;
    const byteCount = cursor.u64();
    const pending = cursor.need(byteCount, what);
    if (pending) await pending;
    strings.push(cursor.utf8(byteCount));
  }
  return strings;
}

function checkCount(file: RandomAccessFile, cursor: Cursor, key: string, count: number, elementBytes: number): void {
  if (count * elementBytes <= cursor.remainingBytes()) return;
  throw new ModelFileError(
    file.path,
    `metadata ${quoted(key)} claims ${count} elements of at least ${elementBytes} bytes, ` +
      `but ${cursor.remainingBytes()} bytes are left`,
  );
}

function createNumberArray(type: GgufScalarType, count: number): GgufNumberArray {
  switch (type) {
    case 'u8':
    case 'bool':
      return new Uint8Array(count);
    case 'i8':
      return new Int8Array(count);
    case 'u16':
      return new Uint16Array(count);
    case 'i16':
      return new Int16Array(count);
    case 'u32':
      return new Uint32Array(count);
    case 'i32':
      return new Int32Array(count);
    case 'f32':
      return new Float32Array(count);
    case 'f64':
      return new Float64Array(count);
    case 'u64':
      return new BigUint64Array(count);
    case 'i64':
      return new BigInt64Array(count);
  }
}
