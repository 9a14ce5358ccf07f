// The tree of cached prefixes: blocks by the block before them, chains without branches drawn together, with what was evicted lately.

import type { GroupView } from '../../../src/events/memory-view.ts';
import type { PageFate } from '../../../src/events/types.ts';

export interface PrefixBlock {
  readonly hash: string;
  /** -1 where the content was evicted. */
  readonly block: number;
  readonly index: number;
  /** References now; 0 where it was evicted. */
  readonly references: number;
  /** Of its last use, or of its eviction. */
  readonly timeMs: number;
  readonly hits: number;
  /** What became of it; null while it is cached. */
  readonly fate: PageFate | null;
}

/** Blocks that follow each other without a branch, all cached or all evicted. */
export interface Chain {
  /** The first block's hash: the same as long as the chain begins there. */
  readonly key: string;
  readonly blocks: readonly PrefixBlock[];
  readonly children: readonly Chain[];
  /** Hits of the most hit block, the newest use, and the most references, in this chain. */
  readonly hits: number;
  readonly usedMs: number;
  readonly references: number;
  /** Cached blocks of this chain and all below. */
  readonly cachedBlocks: number;
  readonly evictedBlocks: number;
}

export interface PrefixTree {
  readonly roots: readonly Chain[];
  readonly cachedBlocks: number;
  readonly evictedBlocks: number;
}

function gather(group: GroupView, hits: ReadonlyMap<string, number>): Map<string, PrefixBlock[]> {
  const known = new Set<string>();
  const children = new Map<string, PrefixBlock[]>();
  const parents = new Map<string, string>();
  const all: PrefixBlock[] = [];
  const add = (entry: PrefixBlock, parent: string): void => {
    known.add(entry.hash);
    parents.set(entry.hash, parent);
    all.push(entry);
  };
  for (let block = 0; block < group.blockCount; block++) {
    if (group.cached[block] === 0) continue;
    const hash = group.hashes[block];
    add(
      {
        hash,
        block,
        index: group.indices[block],
        references: group.references[block],
        timeMs: group.usedMs[block],
        hits: hits.get(hash) ?? 0,
        fate: null,
      },
      group.parents[block],
    );
  }
  for (const [hash, { parent, index, fate, timeMs }] of group.evicted) {
    if (!known.has(hash))
      add({ hash, block: -1, index, references: 0, timeMs, hits: hits.get(hash) ?? 0, fate }, parent);
  }
  for (const entry of all) {
    const parent = parents.get(entry.hash)!;
    // A block whose parent is not known any more begins a tree of its own.
    const place = known.has(parent) ? parent : '';
    const siblings = children.get(place);
    if (siblings === undefined) children.set(place, [entry]);
    else siblings.push(entry);
  }
  return children;
}

function byHeat(a: Chain, b: Chain): number {
  return (
    Number(b.cachedBlocks > 0) - Number(a.cachedBlocks > 0) ||
    b.hits - a.hits ||
    b.usedMs - a.usedMs ||
    (a.key < b.key ? -1 : 1)
  );
}

function chainFrom(first: PrefixBlock, children: ReadonlyMap<string, readonly PrefixBlock[]>): Chain {
  const blocks = [first];
  let next = children.get(first.hash) ?? [];
  while (next.length === 1 && (next[0].fate === null) === (first.fate === null)) {
    blocks.push(next[0]);
    next = children.get(next[0].hash) ?? [];
  }
  const below = next.map((child) => chainFrom(child, children)).sort(byHeat);
  const own = first.fate === null ? blocks.length : 0;
  const sum = (read: (chain: Chain) => number) => below.reduce((total, chain) => total + read(chain), 0);
  return {
    key: first.hash,
    blocks,
    children: below,
    hits: Math.max(...blocks.map(({ hits }) => hits)),
    usedMs: Math.max(...blocks.map(({ timeMs }) => timeMs)),
    references: Math.max(...blocks.map(({ references }) => references)),
    cachedBlocks: own + sum((chain) => chain.cachedBlocks),
    evictedBlocks: blocks.length - own + sum((chain) => chain.evictedBlocks),
  };
}

/** O(blocks). The hottest chains come first. */
export function prefixTree(group: GroupView, hits: ReadonlyMap<string, number>): PrefixTree {
  const children = gather(group, hits);
  const roots = (children.get('') ?? []).map((root) => chainFrom(root, children)).sort(byHeat);
  return {
    roots,
    cachedBlocks: roots.reduce((total, { cachedBlocks }) => total + cachedBlocks, 0),
    evictedBlocks: roots.reduce((total, { evictedBlocks }) => total + evictedBlocks, 0),
  };
}

export interface TreeRow {
  readonly chain: Chain;
  /** From 1. */
  readonly level: number;
}

/** The rows of the tree from top to bottom, without what is below closed chains; at most `limit`. */
export function treeRows(tree: PrefixTree, closed: ReadonlySet<string>, limit: number): TreeRow[] {
  const rows: TreeRow[] = [];
  const stack: TreeRow[] = tree.roots.map((chain) => ({ chain, level: 1 })).reverse();
  while (stack.length > 0 && rows.length < limit) {
    const row = stack.pop()!;
    rows.push(row);
    if (closed.has(row.chain.key)) continue;
    for (const chain of row.chain.children.toReversed()) stack.push({ chain, level: row.level + 1 });
  }
  return rows;
}
