// Attention alone on the CPU backend: a program of nothing but attentions over a pool of scattered blocks, to time one step of it.

import type { Backend, StepBindings, WeightInfo, WeightSource } from '../../backends/backend.ts';
import { type KvLayout, kvBlockBytes, kvLayerBytes, kvLayerParts } from '../../backends/kv-layout.ts';
import { createProgramBuilder } from '../../program/builder.ts';
import { numberToF16 } from '../../tensor/float.ts';
import { createRandom, type Random } from '../workload/random.ts';

export interface AttentionCase {
  readonly headCount: number;
  readonly kvHeadCount: number;
  readonly headSize: number;
  /** Each over K and V of its own, so that caches do not help as they would with one. */
  readonly layerCount: number;
  readonly blockSize: number;
  readonly sequences: number;
  /** Of each sequence, its new token included. */
  readonly contextTokens: number;
}

export interface AttentionProbe {
  /** Milliseconds of one layer's attention for all sequences, one new token each. */
  measure(): Promise<number>;
  /** Bytes of K and V that one layer reads for it, in whole blocks. */
  readonly layerBytes: number;
  close(): Promise<void>;
}

const vocabSize = 16;

/** Compiles the attentions in f16 and fills every block of the pool with random numbers. */
export async function createAttentionProbe(
  backend: Backend,
  work: AttentionCase,
  seed: number,
): Promise<AttentionProbe> {
  const { headCount, kvHeadCount, headSize, layerCount, blockSize, sequences, contextTokens } = work;
  const hiddenSize = headCount * headSize;
  const random = createRandom(seed, 2);
  const builder = createProgramBuilder({ vocabSize, hiddenSize, layerCount, kvHeadCount, headSize });
  const table = builder.weight('table', vocabSize, hiddenSize);
  const query = builder.embed(table);
  let mixed = query;
  for (let layer = 0; layer < layerCount; layer++) {
    mixed = builder.pagedAttention(query, { layer, headCount, scale: 1 / Math.sqrt(headSize), window: null });
  }
  const kv: KvLayout = { layerCount, kvHeadCount, headSize, blockSize, keyDType: 'f16', valueDType: 'f16' };
  const perSequence = Math.ceil(contextTokens / blockSize);
  const blockCount = perSequence * sequences;
  const executable = await backend.compile(builder.finish(builder.linear(builder.selectOutputs(mixed), table)), {
    weights: randomTable(hiddenSize, random),
    kv,
    blockCount,
    limits: { maxTokens: sequences, maxSequences: sequences, maxOutputs: 1, maxContextTokens: contextTokens },
  });
  const block = randomBlock(kv, random);
  for (let id = 0; id < blockCount; id++) executable.writeBlock(id, block);
  const step = decodeStep(work, shuffled(blockCount, random), perSequence);
  return {
    layerBytes: kvLayerBytes(kv) * blockCount,
    async measure() {
      const { kernelMs } = await executable.execute(step);
      return kernelMs / layerCount;
    },
    close: () => executable.close(),
  };
}

function randomTable(columns: number, random: Random): WeightSource {
  const values = Float32Array.from({ length: vocabSize * columns }, () => random() * 2 - 1);
  const info: WeightInfo = { name: 'table', dtype: 'f32', rows: vocabSize, columns, bytes: values.byteLength };
  return {
    weights: new Map([[info.name, info]]),
    async read(_name, byteOffset, into) {
      into.set(new Uint8Array(values.buffer, byteOffset, into.byteLength));
    },
    async close() {},
  };
}

function randomBlock(kv: KvLayout, random: Random): Uint8Array {
  const { keyBytes, valueBytes } = kvLayerParts(kv);
  const layer = Uint16Array.from({ length: (keyBytes + valueBytes) / 2 }, () => numberToF16(random() * 2 - 1));
  const bytes = new Uint8Array(kvBlockBytes(kv));
  for (let at = 0; at < bytes.length; at += layer.byteLength) bytes.set(new Uint8Array(layer.buffer), at);
  return bytes;
}

function shuffled(count: number, random: Random): Int32Array {
  const ids = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const other = Math.floor(random() * (i + 1));
    [ids[i], ids[other]] = [ids[other], ids[i]];
  }
  return ids;
}

/** One new token for each sequence, at the end of its context. */
function decodeStep(work: AttentionCase, blocks: Int32Array, perSequence: number): StepBindings {
  const { sequences, contextTokens, blockSize } = work;
  const position = contextTokens - 1;
  const each = (value: (sequence: number) => number) => Int32Array.from({ length: sequences }, (_, s) => value(s));
  const slotOf = (s: number) =>
    blocks[s * perSequence + Math.floor(position / blockSize)] * blockSize + (position % blockSize);
  return {
    tokenCount: sequences,
    sequenceCount: sequences,
    outputCount: 1,
    copyCount: 0,
    tokenIds: each((s) => s % vocabSize),
    positions: each(() => position),
    slotMapping: each(slotOf),
    queryStarts: Int32Array.from({ length: sequences + 1 }, (_, s) => s),
    contextLengths: each(() => contextTokens),
    blockTables: blocks,
    blockTableStride: perSequence,
    tableRows: each((s) => s),
    outputRows: Int32Array.of(0),
    blockCopies: new Int32Array(0),
  };
}

/** Measures probes in turn, `runs` times after one that is not counted; milliseconds of each, in the order of the runs. */
export async function interleave(measures: readonly (() => Promise<number>)[], runs: number): Promise<number[][]> {
  const times: number[][] = measures.map(() => []);
  for (let run = -1; run < runs; run++) {
    for (const [i, measure] of measures.entries()) {
      const ms = await measure();
      if (run >= 0) times[i].push(ms);
    }
  }
  return times;
}
