// Streams weights from their source through a few staging buffers into the packed layout of the kernels.

import { alignUp, allocateAligned, IO_ALIGNMENT } from '../../tensor/aligned-memory.ts';
import { rowBytes } from '../../tensor/dtype.ts';
import type { CompileOptions, WeightInfo, WeightPlace, WeightSource } from '../backend.ts';
import type { Addon, ModelHandle } from './addon.ts';
import { createDirectFiles } from './direct-files.ts';
import { dtypeCodes } from './encoding.ts';
import type { LoweredWeight } from './lowering.ts';

/** Reads at a time. Node does file operations on four threads, one of which waits for the packing. */
const readerCount = 3;
/**
 * Rows are read in pieces of about this size, the size of a huge page; in smaller ones for many threads. Always whole panels, since
 * pieces are packed at the same time.
 */
const largestPieceBytes = 2 << 20;
const smallestPieceBytes = 256 << 10;
const stagingBytes = 32 << 20;
const rowsPerPanel = 32;

/**
 * Reads and packs every weight. Pieces are read in the order in which they lie in the file, a few at a time; whatever has been
 * read is packed by all threads of the pool while more is read. Rejects with the source's ModelFileError, with BackendError, or
 * with the signal's reason.
 */
export async function loadWeights(
  addon: Addon,
  model: ModelHandle,
  weights: readonly LoweredWeight[],
  threads: number,
  options: Pick<CompileOptions, 'weights' | 'onProgress' | 'signal'>,
): Promise<void> {
  const slotCount = readerCount + Math.min(2 * threads, 125);
  const pieceBytes = Math.max(smallestPieceBytes, Math.min(largestPieceBytes, stagingBytes / slotCount));
  const pieces = planPieces(weights, options.weights, pieceBytes);
  const totalBytes = pieces.reduce((sum, piece) => sum + piece.bytes, 0);
  const slotBytes = alignUp(pieces.reduce((max, { bytes }) => Math.max(max, bytes), 0)) + 2 * IO_ALIGNMENT;
  const stagedBytes = slotBytes * Math.min(slotCount, pieces.length);
  // Only direct I/O wants memory that begins on a page, and reserving it is no small matter to the JavaScript engine.
  const hasPlaces = pieces.some(({ place }) => place !== null);
  const staging = hasPlaces ? allocateAligned(stagedBytes) : new Uint8Array(stagedBytes);
  const freeSlots = Array.from({ length: Math.min(slotCount, pieces.length) }, (_, slot) => slot);
  const direct = createDirectFiles(addon, staging.length);
  const waiting: (() => void)[] = [];
  const ready: StagedPiece[] = [];
  let packing: Promise<void> | null = null;
  let failure: { readonly cause: unknown } | null = null;
  let nextPiece = 0;
  let loadedBytes = 0;

  function wakeReaders(): void {
    for (const wake of waiting.splice(0)) wake();
  }

  function fail(cause: unknown): void {
    failure ??= { cause };
    wakeReaders();
  }

  async function pack(batch: readonly StagedPiece[]): Promise<void> {
    await addon.packWeights(model, staging, encodePieces(batch));
    for (const { piece, slot } of batch) {
      freeSlots.push(slot);
      loadedBytes += piece.bytes;
    }
    wakeReaders();
    options.onProgress?.(loadedBytes, totalBytes);
  }

  /** Packs whatever is ready, as long as there is something. */
  function packReady(): void {
    if (packing !== null || ready.length === 0 || failure !== null) return;
    packing = pack(ready.splice(0))
      .catch(fail)
      .finally(() => {
        packing = null;
        packReady();
      });
  }

  async function readPieces(): Promise<void> {
    while (nextPiece < pieces.length && failure === null) {
      options.signal?.throwIfAborted();
      const slot = freeSlots.pop();
      if (slot === undefined) {
        await new Promise<void>((wake) => waiting.push(wake));
        continue;
      }
      const piece = pieces[nextPiece++];
      const room = staging.subarray(slot * slotBytes, (slot + 1) * slotBytes);
      let skipped = piece.place === null ? null : await direct.read(piece.place, piece.bytes, room);
      if (skipped === null) {
        skipped = 0;
        await options.weights.read(piece.weight.ref.name, piece.byteOffset, room.subarray(0, piece.bytes));
      }
      ready.push({ piece, slot, stagingOffset: slot * slotBytes + skipped });
      packReady();
    }
  }

  await Promise.all(Array.from({ length: readerCount }, () => readPieces().catch(fail)));
  // Whatever happened, native code must be done with the staging memory and the model.
  while (packing !== null) await packing;
  await direct.close();
  if (failure !== null) throw (failure as { readonly cause: unknown }).cause;
}

interface Piece {
  readonly weight: LoweredWeight;
  readonly info: WeightInfo;
  readonly firstRow: number;
  readonly rowCount: number;
  /** In the weight. */
  readonly byteOffset: number;
  readonly bytes: number;
  /** In a file, if it lies in one. */
  readonly place: WeightPlace | null;
}

interface StagedPiece {
  readonly piece: Piece;
  readonly slot: number;
  readonly stagingOffset: number;
}

function planPieces(weights: readonly LoweredWeight[], source: WeightSource, pieceBytes: number): Piece[] {
  const pieces: Piece[] = [];
  for (const weight of weights) {
    const info = source.weights.get(weight.ref.name)!;
    const place = source.place?.(weight.ref.name) ?? null;
    const bytesPerRow = rowBytes(info.dtype, info.columns);
    const panels = Math.max(1, Math.floor(pieceBytes / bytesPerRow / rowsPerPanel));
    const rows = weight.role === 'vector' ? info.rows : panels * rowsPerPanel;
    for (let firstRow = 0; firstRow < info.rows; firstRow += rows) {
      const rowCount = Math.min(rows, info.rows - firstRow);
      const byteOffset = firstRow * bytesPerRow;
      pieces.push({
        weight,
        info,
        firstRow,
        rowCount,
        byteOffset,
        bytes: rowCount * bytesPerRow,
        place: place === null ? null : { ...place, byteOffset: place.byteOffset + byteOffset },
      });
    }
  }
  return pieces.sort(byPlace);
}

/** The order of the disk; pieces without a place stay as they are, since sorting is stable. */
function byPlace({ place: a }: Piece, { place: b }: Piece): number {
  if (a === null || b === null) return 0;
  if (a.descriptor !== b.descriptor) return a.descriptor - b.descriptor;
  return a.byteOffset - b.byteOffset;
}

/** (1 for a vector, index, dtype, first row, rows, offset in the staging memory, bytes) of each piece; pack_weights in native/addon.cc. */
function encodePieces(batch: readonly StagedPiece[]): Float64Array {
  return Float64Array.from(
    batch.flatMap(({ piece: { weight, info, firstRow, rowCount, bytes }, stagingOffset }) => [
      weight.role === 'vector' ? 1 : 0,
      weight.index,
      dtypeCodes[info.dtype],
      weight.role === 'vector' ? 0 : firstRow,
      weight.role === 'vector' ? 1 : rowCount,
      stagingOffset,
      bytes,
    ]),
  );
}
