// The native kernels store the codes of src/tensor/kv-vector.ts, to the bit, for every kind of number.

import { afterAll, it } from 'vitest';
import { createProgramBuilder } from '../../program/builder.ts';
import { f16ToNumber, fp8E4M3ToNumber, fp8E5M2ToNumber } from '../../tensor/float.ts';
import { type KvDType, kvCodeBytes, kvDTypeNames, kvScaleBytes } from '../../tensor/kv-dtype.ts';
import { encodeKvVector } from '../../tensor/kv-vector.ts';
import type { Backend } from '../backend.ts';
import { kvBlockBytes, kvLayerParts } from '../kv-layout.ts';
import { createMemoryWeights } from '../testing/memory-weights.ts';
import { expectSameBits } from '../testing/same-bits.ts';
import { bindStep } from '../testing/step.ts';
import { createCpuBackend } from './index.ts';
import { describeAttentionSets } from './testing/instruction-sets.ts';

const bits = new Uint32Array(1);
const single = new Float32Array(bits.buffer);

/** Every f16, and for fp8 every number and every point half way between two, each with the f32 before and after it. */
function allValues(): Float32Array {
  const values: number[] = [];
  for (let half = 0; half < 0x10000; half++) values.push(f16ToNumber(half));
  for (const decode of [fp8E4M3ToNumber, fp8E5M2ToNumber]) {
    for (let code = 0; code < 0x7f; code++) {
      for (const point of [decode(code), (decode(code) + decode(code + 1)) / 2]) {
        single[0] = point;
        const middle = bits[0];
        for (const step of [-1, 0, 1]) {
          bits[0] = Math.max(0, middle + step);
          values.push(single[0], -single[0]);
        }
      }
    }
  }
  for (const value of [1e-40, 1e-30, 1.1e-30, 3e38, -3e38, 65519, 65520, 463.9, 464, 464.1, 61439, 61440])
    values.push(value);
  // Of NaNs one: their payloads are nobody's business.
  return Float32Array.from(values, (value) => (Number.isNaN(value) ? Number.NaN : value));
}

const backends: Backend[] = [];
afterAll(async () => {
  for (const backend of backends) await backend.close();
});

describeAttentionSets('codes of K and V', (isa) => {
  const backend = createCpuBackend({ threads: 1, isa });
  backends.push(backend);

  it.each(
    kvDTypeNames.flatMap((key) => [
      [key, key] as const,
      [key, kvDTypeNames[(kvDTypeNames.indexOf(key) + 2) % 7]] as const,
    ]),
  )('%s keys and %s values are those of the rule', async (keyDType, valueDType) => {
    const all = allValues();
    for (const [headSize, blockSize] of [
      [64, 16],
      [35, 3],
    ]) {
      const rows = Math.ceil(all.length / headSize);
      const table = new Float32Array(rows * headSize);
      table.set(all);
      const b = createProgramBuilder({
        vocabSize: rows,
        hiddenSize: headSize,
        layerCount: 1,
        kvHeadCount: 1,
        headSize,
      });
      const weight = b.weight('table', rows, headSize);
      const x = b.embed(weight);
      b.writeKv(x, x, 0);
      const program = b.finish(b.linear(b.selectOutputs(x), weight));
      const kv = { layerCount: 1, kvHeadCount: 1, headSize, blockSize, keyDType, valueDType };
      const blockCount = Math.ceil(rows / blockSize);
      const executable = await backend.compile(program, {
        weights: createMemoryWeights({
          table: { dtype: 'f32', rows, columns: headSize, bytes: new Uint8Array(table.buffer) },
        }),
        kv,
        blockCount,
        limits: { maxTokens: rows, maxSequences: 1, maxOutputs: 1, maxContextTokens: rows },
      });
      const tokenIds = Array.from({ length: rows }, (_, i) => i);
      const blocks = Array.from({ length: blockCount }, (_, i) => i);
      await executable.execute(bindStep([{ tokenIds, firstPosition: 0, blocks, outputs: [0] }], blockSize));
      const block = new Uint8Array(kvBlockBytes(kv));
      const { keyBytes, valueBytes } = kvLayerParts(kv);
      for (let row = 0; row < rows; row++) {
        if (row % blockSize === 0) executable.readBlock(row / blockSize, block);
        const slot = row % blockSize;
        const values = table.subarray(row * headSize, (row + 1) * headSize);
        const scalesAt = keyBytes + valueBytes;
        const keyScaleBytes = kvScaleBytes(keyDType) * blockSize;
        const key = columnOf(block, keyDType, headSize, slot, blockSize, scalesAt + 2 * slot);
        const value = rowOf(block, valueDType, headSize, keyBytes, slot, scalesAt + keyScaleBytes + 2 * slot);
        expectSameBits(key, keyCodes(keyDType, values), `K of row ${row}, head size ${headSize}`);
        expectSameBits(value, codesOf(valueDType, values), `V of row ${row}, head size ${headSize}`);
      }
      await executable.close();
    }
  });
});

function codesOf(dtype: KvDType, values: Float32Array): Uint8Array {
  const out = new Uint8Array(kvCodeBytes(dtype, values.length) + kvScaleBytes(dtype));
  encodeKvVector(dtype, values, out);
  return out;
}

/** The rule's codes in the order of native K: int4 pairs dimensions 2 i and 2 i + 1. */
function keyCodes(dtype: KvDType, values: Float32Array): Uint8Array {
  const codes = codesOf(dtype, values);
  if (dtype !== 'int4') return codes;
  const out = codes.slice();
  const codeBytes = kvCodeBytes(dtype, values.length);
  const nibble = (i: number) => (codes[Math.floor(i / 32) * 16 + (i % 16)] >> (i % 32 < 16 ? 0 : 4)) & 15;
  for (let i = 0; i < codeBytes; i++) out[i] = nibble(2 * i) | (nibble(2 * i + 1) << 4);
  return out;
}

/** One position's K: elements `blockSize` apart, then the scale. */
function columnOf(
  block: Uint8Array,
  dtype: KvDType,
  headSize: number,
  slot: number,
  blockSize: number,
  scaleAt: number,
): Uint8Array {
  const elementBytes = dtype === 'int4' ? 1 : kvCodeBytes(dtype, 1);
  const count = kvCodeBytes(dtype, headSize) / elementBytes;
  const out: number[] = [];
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < elementBytes; j++) out.push(block[(i * blockSize + slot) * elementBytes + j]);
  }
  for (let j = 0; j < kvScaleBytes(dtype); j++) out.push(block[scaleAt + j]);
  return Uint8Array.from(out);
}

function rowOf(
  block: Uint8Array,
  dtype: KvDType,
  headSize: number,
  from: number,
  slot: number,
  scaleAt: number,
): Uint8Array {
  const rowBytes = kvCodeBytes(dtype, headSize);
  const out = new Uint8Array(rowBytes + kvScaleBytes(dtype));
  out.set(block.subarray(from + slot * rowBytes, from + (slot + 1) * rowBytes));
  out.set(block.subarray(scaleAt, scaleAt + kvScaleBytes(dtype)), rowBytes);
  return out;
}
