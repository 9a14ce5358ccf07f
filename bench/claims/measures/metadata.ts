// What blocks cost beside their content: bytes of the memory manager's own records.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createKvMemory, type KvMemory } from '../../../src/memory/index.ts';

export interface MetadataCost {
  readonly blockSize: number;
  /** Bytes that the manager holds for each block: typed arrays and objects, page table left out. */
  readonly bytesPerBlock: number;
  /** Of the block's K and V. */
  readonly share: number;
}

/** Heap and array buffers with a manager of `poolTokens` slots beside those without, garbage collected before each. */
export function measureMetadata(
  blockSizes: readonly number[],
  poolTokens: number,
  kvBytesPerToken: number,
): MetadataCost[] {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const heldBytes = (): number => {
    collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  // Kept, since buffers are given back at a time of the collector's own choosing.
  const kept: KvMemory[] = [];
  const costs = blockSizes.map((blockSize) => {
    const blockCount = poolTokens / blockSize;
    const before = heldBytes();
    const memory = createKvMemory({ blockCount, blockSize, maxNumSeqs: 1, maxBlocksPerSequence: 1 });
    kept.push(memory);
    const bytesPerBlock = (heldBytes() - before) / blockCount;
    return { blockSize, bytesPerBlock, share: bytesPerBlock / (blockSize * kvBytesPerToken) };
  });
  if (kept.some((memory) => memory.usage().evictableBlocks > 0)) throw new Error('a new pool is not empty');
  return costs;
}
