// Streams weights from their source through two small staging buffers into the packed layout of the kernels.

import { rowBytes } from '../../tensor/dtype.ts';
import type { CompileOptions, WeightInfo, WeightSource } from '../backend.ts';
import type { Addon, ModelHandle } from './addon.ts';
import { dtypeCodes } from './encoding.ts';
import type { LoweredWeight } from './lowering.ts';

/** Rows are read in pieces of about this size (at least one row), two pieces at a time. */
const stagingBytes = 4 << 20;
const rowsPerPanel = 32;

/**
 * Reads and packs every weight; while one piece is packed (on the pool's threads) the next is read. Rejects with the
 * source's ModelFileError, with BackendError, or with the signal's reason.
 */
export async function loadWeights(
  addon: Addon,
  model: ModelHandle,
  weights: readonly LoweredWeight[],
  options: Pick<CompileOptions, 'weights' | 'onProgress' | 'signal'>,
): Promise<void> {
  const pieces = planPieces(weights, options.weights);
  const totalBytes = pieces.reduce((sum, piece) => sum + piece.bytes, 0);
  const largest = pieces.reduce((max, piece) => Math.max(max, piece.bytes), 0);
  const staging = [new Uint8Array(largest), new Uint8Array(pieces.length > 1 ? largest : 0)];
  let loadedBytes = 0;
  let packing: Promise<void> = Promise.resolve();
  try {
    for (let i = 0; i < pieces.length; i++) {
      options.signal?.throwIfAborted();
      const piece = pieces[i];
      const bytes = staging[i % 2].subarray(0, piece.bytes);
      await options.weights.read(piece.weight.ref.name, piece.byteOffset, bytes);
      await packing;
      packing = pack(addon, model, piece, bytes);
      loadedBytes += piece.bytes;
      options.onProgress?.(loadedBytes, totalBytes);
    }
  } finally {
    // Whatever happened, native code must be done with the staging buffers and the model.
    await packing.catch(() => undefined);
  }
  await packing;
}

interface Piece {
  readonly weight: LoweredWeight;
  readonly info: WeightInfo;
  readonly firstRow: number;
  readonly rowCount: number;
  readonly byteOffset: number;
  readonly bytes: number;
}

function planPieces(weights: readonly LoweredWeight[], source: WeightSource): Piece[] {
  const pieces: Piece[] = [];
  for (const weight of weights) {
    const info = source.weights.get(weight.ref.name)!;
    const bytesPerRow = rowBytes(info.dtype, info.columns);
    let rows = Math.max(1, Math.floor(stagingBytes / bytesPerRow));
    if (rows > rowsPerPanel) rows -= rows % rowsPerPanel;
    if (weight.role === 'vector') rows = info.rows;
    for (let firstRow = 0; firstRow < info.rows; firstRow += rows) {
      const rowCount = Math.min(rows, info.rows - firstRow);
      pieces.push({
        weight,
        info,
        firstRow,
        rowCount,
        byteOffset: firstRow * bytesPerRow,
        bytes: rowCount * bytesPerRow,
      });
    }
  }
  return pieces;
}

async function pack(addon: Addon, model: ModelHandle, piece: Piece, bytes: Uint8Array): Promise<void> {
  if (piece.weight.role === 'vector') addon.packVector(model, piece.weight.index, dtypeCodes[piece.info.dtype], bytes);
  else await addon.packMatrix(model, piece.weight.index, piece.firstRow, piece.rowCount, bytes);
}
