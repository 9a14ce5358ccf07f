// Unit tests of block hashes and the prefix cache.

import { describe, expect, it } from 'vitest';
import { createBlockHasher, HASH_WORDS } from './block-hash.ts';
import { createPrefixCache } from './prefix-cache.ts';

function chainOf(tokenIds: readonly number[], blockSize: number, salt = ''): Uint32Array {
  const hasher = createBlockHasher(blockSize);
  const blockCount = Math.floor(tokenIds.length / blockSize);
  const chain = new Uint32Array((blockCount + 1) * HASH_WORDS);
  hasher.root(salt, chain);
  for (let index = 1; index <= blockCount; index++) hasher.extend(chain, index, tokenIds);
  return chain;
}

describe('block hash', () => {
  it('depends on every token before it, on their order and on the salt', () => {
    const last = (tokens: number[], salt = '') => chainOf(tokens, 2, salt).slice(-HASH_WORDS).join();
    const hashes = [
      last([1, 2, 3, 4]),
      last([2, 1, 3, 4]),
      last([9, 2, 3, 4]),
      last([1, 2, 4, 3]),
      last([3, 4]),
      last([1, 2, 3, 4], 'tenant'),
    ];
    expect(new Set(hashes).size).toBe(hashes.length);
    expect(last([1, 2, 3, 4])).toBe(hashes[0]);
  });
});

describe('prefix cache', () => {
  it('finds cached and pending blocks as a whole, and forgets removed ones', () => {
    const cache = createPrefixCache(8, 2);
    const tokens = [1, 2, 3, 4];
    const chain = chainOf(tokens, 2);
    cache.addPending(5, chain, 1);
    cache.addCached(3, chain, 2, tokens);
    expect(cache.find(chain, 1)).toBe(5);
    expect(cache.find(chain, 2)).toBe(3);
    expect([cache.content(5), cache.content(3), cache.content(0)]).toEqual(['pending', 'cached', 'none']);
    cache.remove(5);
    cache.remove(5);
    expect(cache.find(chain, 1)).toBe(-1);
    expect(cache.size).toBe(1);
  });

  it('finds the cached child that shares the longest leading part, under its own parent only', () => {
    const cache = createPrefixCache(8, 4);
    const add = (block: number, tokens: number[], index = 1, salt = '') =>
      cache.addCached(block, chainOf(tokens, 4, salt), index, tokens);
    add(0, [1, 2, 3, 9]);
    add(1, [1, 2, 3, 4]);
    add(2, [1, 2, 8, 8]);
    add(3, [1, 2, 3, 5], 1, 'other');
    add(4, [7, 7, 7, 7, 1, 2, 3, 5], 2);
    const wanted = [1, 2, 3, 5];
    const chain = chainOf(wanted, 4);
    const found = cache.findPartial(chain, 0, wanted, 0, 4);
    expect(found.tokenCount).toBe(3);
    expect([0, 1]).toContain(found.block);
    expect(cache.findPartial(chain, 0, wanted, 0, 2).tokenCount).toBe(2);
    expect(cache.findPartial(chain, 0, [5, 1], 0, 2)).toEqual({ block: -1, tokenCount: 0 });
    cache.addPending(6, chain, 1);
    expect(cache.findPartial(chain, 0, wanted, 0, 4).tokenCount).toBe(3);
  });

  it('stays fast where forty thousand blocks begin alike', () => {
    const blockCount = 40_000;
    const cache = createPrefixCache(blockCount, 2);
    const root = new Uint32Array(2 * HASH_WORDS);
    const started = performance.now();
    for (let block = 0; block < blockCount; block++) {
      root[HASH_WORDS] = block;
      cache.addCached(block, root, 1, [1, block]);
    }
    for (let block = 0; block < blockCount; block++) cache.findPartial(root, 0, [1, block], 0, 2);
    for (let block = 0; block < blockCount; block++) cache.remove((block * 7919) % blockCount);
    expect(cache.size).toBe(0);
    expect(performance.now() - started).toBeLessThan(5000);
  });
});
