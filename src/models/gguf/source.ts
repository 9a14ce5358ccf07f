// Opens GGUF files, split ones included, as a source of weights.

import { basename, dirname, join } from 'node:path';
import type { WeightSource } from '../../backends/backend.ts';
import { ModelFileError } from '../../errors/errors.ts';
import { openFile, type RandomAccessFile } from '../file.ts';
import { createFileWeightSource } from '../file-weights.ts';
import { quoted } from '../quoted.ts';
import { type GgufHeader, readGgufHeader } from './header.ts';
import type { GgufMetadata, GgufTensor, GgufValue } from './types.ts';

export interface OpenedGguf {
  /** Of the first file where the model is split. */
  readonly metadata: GgufMetadata;
  readonly tensors: readonly GgufTensor[];
  readonly source: WeightSource;
}

export interface OpenGgufOptions {
  /** Opens a file by path. Defaults to the file system. */
  readonly openFile?: (path: string) => Promise<RandomAccessFile>;
}

interface OpenedPart {
  readonly file: RandomAccessFile;
  readonly header: GgufHeader;
}

// More parts than any published model has; each is a file to be opened.
const maxSplitCount = 1_000;
const splitPattern = /^(?<stem>.*)-(?<index>\d{5})-of-(?<count>\d{5})\.gguf$/;

/**
 * Opens a GGUF file. Of a split model (`…-00001-of-00003.gguf`) any part will do: its siblings are opened too.
 * Closing `source` closes all files.
 *
 * @throws ModelFileError, UnsupportedModelError as `readGgufHeader`
 */
export async function openGguf(path: string, options: OpenGgufOptions = {}): Promise<OpenedGguf> {
  const open = options.openFile ?? openFile;
  const parts: OpenedPart[] = [];
  try {
    const first = await openPart(path, open, parts);
    const splitCount = splitNumber(path, first.header.metadata, 'split.count') ?? 1;
    if (splitCount <= 1) return assemble(path, parts);
    const siblings = siblingPaths(path, splitCount);
    const ordered: OpenedPart[] = [];
    for (const [index, sibling] of siblings.entries()) {
      const part = basename(sibling) === basename(path) ? first : await openPart(sibling, open, parts);
      checkSplit(sibling, part.header.metadata, index, splitCount);
      ordered.push(part);
    }
    return assemble(path, ordered);
  } catch (error) {
    await closeAll(parts);
    throw error;
  }
}

async function openPart(
  path: string,
  open: (path: string) => Promise<RandomAccessFile>,
  parts: OpenedPart[],
): Promise<OpenedPart> {
  const file = await open(path);
  try {
    const part = { file, header: await readGgufHeader(file) };
    parts.push(part);
    return part;
  } catch (error) {
    await file.close();
    throw error;
  }
}

function splitNumber(path: string, metadata: GgufMetadata, key: string): number | undefined {
  const value: GgufValue | undefined = metadata.get(key);
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value;
  throw new ModelFileError(path, `metadata ${quoted(key)} is not a count`);
}

function siblingPaths(path: string, splitCount: number): readonly string[] {
  const name = basename(path);
  const groups = splitPattern.exec(name)?.groups;
  if (groups === undefined || Number(groups.count) !== splitCount) {
    throw new ModelFileError(
      path,
      `is one of ${splitCount} parts of a split model, but its name does not end in ` +
        `-NNNNN-of-${String(splitCount).padStart(5, '0')}.gguf, so its siblings cannot be found`,
    );
  }
  if (splitCount > maxSplitCount) {
    throw new ModelFileError(path, `claims to be split into ${splitCount} parts; at most ${maxSplitCount} are read`);
  }
  return Array.from({ length: splitCount }, (_, index) =>
    join(dirname(path), `${groups.stem}-${String(index + 1).padStart(5, '0')}-of-${groups.count}.gguf`),
  );
}

function checkSplit(path: string, metadata: GgufMetadata, index: number, splitCount: number): void {
  const statedIndex = splitNumber(path, metadata, 'split.no');
  const statedCount = splitNumber(path, metadata, 'split.count');
  if (statedIndex === index && statedCount === splitCount) return;
  throw new ModelFileError(
    path,
    `should be part ${index} of ${splitCount} (from 0), but says it is part ${statedIndex ?? 'none'} of ${statedCount ?? 'none'}`,
  );
}

function assemble(path: string, parts: readonly OpenedPart[]): OpenedGguf {
  const tensors = parts.flatMap(({ header }) => header.tensors);
  const placed = parts.flatMap(({ file, header }) => header.tensors.map((tensor) => ({ ...tensor, file })));
  const files = parts.map(({ file }) => file);
  const source = createFileWeightSource(path, files, placed);
  const metadata = parts[0].header.metadata;
  const statedCount = splitNumber(path, metadata, 'split.tensors.count');
  if (parts.length > 1 && statedCount !== undefined && statedCount !== tensors.length) {
    throw new ModelFileError(path, `its parts hold ${tensors.length} tensors, but it says ${statedCount}`);
  }
  return { metadata, tensors, source };
}

async function closeAll(parts: readonly OpenedPart[]): Promise<void> {
  await Promise.all(parts.map(({ file }) => file.close()));
}
