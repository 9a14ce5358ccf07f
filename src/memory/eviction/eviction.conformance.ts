// What every eviction policy must do, in any history of calls.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createEvictableSet } from './evictable-set.ts';
import { createEvictionPolicy, type EvictionPolicyName } from './index.ts';
import type { EvictionPolicy } from './policy.ts';

interface Command {
  readonly kind: 'admit' | 'admit' | 'hit' | 'release' | 'forget' | 'evict';
  readonly pick: number;
  readonly key: number;
}

const command: fc.Arbitrary<Command> = fc.record({
  kind: fc.constantFrom('admit', 'admit', 'hit', 'release', 'release', 'forget', 'evict'),
  pick: fc.nat(1000),
  key: fc.nat(60),
});

const mixed = (key: number): number => Math.imul(key + 1, 0x9e3779b1) >>> 0;

/** Runs commands on a policy and a trivial model of which blocks are held and evictable; returns what was evicted. */
function run(policy: EvictionPolicy, blockCount: number, commands: readonly Command[]): number[] {
  const free = Array.from({ length: blockCount }, (_, i) => i);
  const held: number[] = [];
  const evictable: number[] = [];
  const evicted: number[] = [];
  const move = (from: number[], pick: number, to: number[]): number => {
    const [block] = from.splice(pick % from.length, 1);
    to.push(block);
    return block;
  };
  for (const { kind, pick, key } of commands) {
    if (kind === 'admit' && free.length > 0) {
      const parent = held.length === 0 || pick % 3 === 0 ? -1 : held[pick % held.length];
      policy.admit(move(free, pick, held), mixed(key), key, pick % 9, parent);
    } else if (kind === 'hit' && held.length + evictable.length > 0) {
      if (evictable.length > 0 && pick % 4 > 0) {
        const block = move(evictable, pick, held);
        policy.hit(block);
        policy.hold(block);
      } else if (held.length > 0) {
        policy.hit(held[pick % held.length]);
      }
    } else if (kind === 'release' && held.length > 0) {
      policy.release(move(held, pick, evictable));
    } else if (kind === 'forget' && held.length + evictable.length > 0) {
      const from = held.length > 0 && (pick % 2 === 0 || evictable.length === 0) ? held : evictable;
      policy.forget(move(from, pick, free));
    } else if (kind === 'evict') {
      const victim = policy.victim();
      expect(policy.victim(), 'the victim stays the same').toBe(victim);
      if (evictable.length === 0) {
        expect(victim).toBe(-1);
        continue;
      }
      expect(evictable, 'the victim is evictable').toContain(victim);
      // A descendant may have to go before the victim.
      const block = pick % 4 === 0 ? evictable[pick % evictable.length] : victim;
      policy.evict(block);
      move(evictable, evictable.indexOf(block), free);
      evicted.push(block);
    }
    expect(policy.evictableCount).toBe(evictable.length);
    expect(policy.evictable().sort((a, b) => a - b)).toEqual([...evictable].sort((a, b) => a - b));
  }
  return evicted;
}

export function evictionConformance(name: EvictionPolicyName): void {
  const create = (blockCount: number) => createEvictionPolicy(name, { blockCount, attentionDepth: 4 });
  const scenario = fc.tuple(fc.integer({ min: 1, max: 24 }), fc.array(command, { maxLength: 250, size: 'max' }));

  describe(`eviction policy ${name}`, () => {
    it('evicts evictable blocks and no others, through any history', () => {
      let evictions = 0;
      fc.assert(
        fc.property(scenario, ([blockCount, commands]) => {
          evictions += run(create(blockCount), blockCount, commands).length;
        }),
        { numRuns: 150 },
      );
      expect(evictions).toBeGreaterThan(1000);
    });

    it('does the same when the same happens again', () => {
      fc.assert(
        fc.property(scenario, ([blockCount, commands]) => {
          expect(run(create(blockCount), blockCount, commands)).toEqual(run(create(blockCount), blockCount, commands));
        }),
        { numRuns: 30 },
      );
    });

    it('gives up every block once, leaves before roots', () => {
      const blockCount = 40;
      const set = createEvictableSet(blockCount, create(blockCount));
      // Five chains of four over a trunk of ten, with hits that make late blocks look better than early ones; ten blocks alone.
      const parents: number[] = [];
      for (let block = 0; block < blockCount; block++) {
        const parent = block === 0 || block >= 30 ? -1 : block < 10 || block % 4 !== 2 ? block - 1 : 9;
        parents.push(parent);
        set.admit(block, mixed(block), block, block % 14, parent);
      }
      for (let block = 10; block < 30; block++) for (let hits = 0; hits < block % 4; hits++) set.hit(block);
      for (let i = 0; i < blockCount; i++) set.release((i * 7) % blockCount);
      set.check();
      const left = new Set(parents.keys());
      while (left.size > 0) {
        const block = set.take();
        expect(left.delete(block), `block ${block} goes once`).toBe(true);
        for (const other of left) expect(parents[other], `block ${other} is left without its parent`).not.toBe(block);
        set.check();
      }
      expect(set.take()).toBe(-1);
    });

    it('keeps its bookkeeping within bounds, however much passes through', () => {
      const blockCount = 500;
      const policy = create(blockCount);
      const { bytes } = policy;
      expect(bytes / blockCount).toBeLessThan(400);
      for (let i = 0; i < 20_000; i++) {
        const block = i < blockCount ? i : policy.victim();
        if (i >= blockCount) policy.evict(block);
        policy.admit(block, mixed(i), i, 0, -1);
        policy.release(block);
      }
      expect(policy.bytes).toBe(bytes);
      expect(policy.evictableCount).toBe(blockCount);
    });

    it('finds victims in constant or logarithmic time among held blocks', () => {
      // Only one block is ever evictable; a policy that searched among the others would take minutes.
      const blockCount = 50_000;
      const policy = create(blockCount);
      for (let block = 0; block < blockCount; block++) policy.admit(block, mixed(block), block, 0, -1);
      policy.release(blockCount - 1);
      for (let i = 0; i < 50_000; i++) {
        const block = policy.victim();
        expect(block).toBe(blockCount - 1);
        policy.evict(block);
        policy.admit(block, mixed(blockCount + i), i, 0, -1);
        policy.release(block);
      }
    }, 20_000);
  });
}
