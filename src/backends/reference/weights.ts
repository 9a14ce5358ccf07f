// Loads a program's weights as f32 for the reference backend, a bounded piece at a time.

import type { Program } from '../../program/program.ts';
import { dequantizeRow, rowBytes } from '../../tensor/index.ts';
import type { CompileOptions } from '../backend.ts';
import { checkWeights } from '../check-weights.ts';

const stagingBytes = 4 * 1024 * 1024;

/** Every weight of the program, dequantised: [rows, columns] f32, by name. */
export async function loadReferenceWeights(
  program: Program,
  options: CompileOptions,
): Promise<Map<string, Float32Array>> {
  const { weights: source, onProgress, signal } = options;
  checkWeights(program, source, 'reference');
  let totalBytes = 0;
  for (const { name } of program.weights) totalBytes += source.weights.get(name)?.bytes ?? 0;
  let loadedBytes = 0;
  const loaded = new Map<string, Float32Array>();
  for (const { name, rows, columns } of program.weights) {
    const dtype = source.weights.get(name)?.dtype ?? 'f32';
    const bytesPerRow = rowBytes(dtype, columns);
    const rowsPerPiece = Math.max(1, Math.floor(stagingBytes / bytesPerRow));
    const data = new Float32Array(rows * columns);
    for (let row = 0; row < rows; row += rowsPerPiece) {
      signal?.throwIfAborted();
      const pieceRows = Math.min(rowsPerPiece, rows - row);
      const staging = new Uint8Array(pieceRows * bytesPerRow);
      await source.read(name, row * bytesPerRow, staging);
      dequantizeRow(dtype, staging, data.subarray(row * columns, (row + pieceRows) * columns));
      loadedBytes += staging.byteLength;
      onProgress?.(loadedBytes, totalBytes);
    }
    loaded.set(name, data);
  }
  return loaded;
}
