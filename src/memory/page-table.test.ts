// The page table as a translation cache: what a step costs does not depend on how long the contexts are.

import { describe, expect, it } from 'vitest';
import { createKvMemory } from './kv-memory.ts';
import { createPageTable } from './page-table.ts';

const blockSize = 16;

/** Entries written and removed by 64 decoding steps after a prompt, one step at a time. */
function decodeCosts(promptTokens: number) {
  const blocks = Math.ceil((promptTokens + 64) / blockSize) + 1;
  const memory = createKvMemory({ blockCount: blocks, blockSize, maxNumSeqs: 2, maxBlocksPerSequence: blocks });
  const tokenIds = Array.from({ length: promptTokens }, (_, i) => i % 1000);
  const sequence = memory.open(tokenIds, '');
  expect(memory.reserve(sequence, promptTokens, memory.match(sequence, 0))).toBe(true);
  memory.commit();
  const costs: { updates: number; invalidations: number }[] = [];
  const hits: number[] = [];
  for (let step = 0; step < 64; step++) {
    const before = memory.counters.pageTable;
    const heldBlocks = sequence.blockCount;
    tokenIds.push(step);
    expect(memory.reserve(sequence, 1)).toBe(true);
    memory.commit();
    const { updates, invalidations, hits: hitsNow } = memory.counters.pageTable;
    costs.push({ updates: updates - before.updates, invalidations: invalidations - before.invalidations });
    hits.push(hitsNow - before.hits - heldBlocks);
  }
  return { costs, hits };
}

describe('page table', () => {
  it('takes the same updates for each step at 1k and at 100k tokens of context: one entry for each new block', () => {
    const short = decodeCosts(1008);
    const long = decodeCosts(100_000);
    expect(long.costs).toEqual(short.costs);
    expect(short.costs.reduce((sum, { updates }) => sum + updates, 0)).toBe(64 / blockSize);
    expect(short.costs.every(({ updates, invalidations }) => updates <= 1 && invalidations === 0)).toBe(true);
    // Every entry that was there is a hit.
    expect(new Set([...short.hits, ...long.hits])).toEqual(new Set([0]));
  });

  it('counts an entry that is replaced or removed as invalidated, and knows the column of a block', () => {
    const table = createPageTable(2, 4, 8);
    const row = table.takeRow();
    table.set(row, 0, 5);
    table.set(row, 2, 6);
    table.set(row, 0, 7);
    table.clear(row, 2);
    table.countHits(3);
    expect(table.counters).toEqual({ hits: 3, updates: 3, invalidations: 2 });
    expect([5, 6, 7].map(table.columnOf)).toEqual([0, 2, 0]);
  });
});
