// What every allocator must do, whatever its structure.

import { describe, expect, it } from 'vitest';
import { IntegrityError, InvalidRequestError } from '../../errors/index.ts';
import { allocateBlocks, type BlockAllocator, externalFragmentation, shareOutsideRuns } from './index.ts';
import { fuzzAllocator } from './testing/fuzz.ts';

export interface AllocatorSubject {
  readonly label: string;
  create(blockCount: number): BlockAllocator;
  /** Whether `largestRun` is the longest stretch of free blocks; else it may be shorter (buddies). */
  readonly exactRuns: boolean;
}

export function describeAllocator({ label, create, exactRuns }: AllocatorSubject): void {
  describe(label, () => {
    it('gives each block once, then none', () => {
      const allocator = create(37);
      const blocks = Array.from({ length: 37 }, () => allocator.allocate());
      expect([...blocks].sort((a, b) => a - b)).toEqual(Array.from({ length: 37 }, (_, i) => i));
      expect(allocator.freeCount).toBe(0);
      expect(allocator.allocate()).toBe(-1);
      expect(allocator.allocate(3)).toBe(-1);
      expect(allocator.allocateRun(1)).toBe(-1);
      expect(allocator.largestRun()).toBe(0);
      allocator.checkIntegrity();
    });

    it('merges what is released, in any order, back into one run', () => {
      const allocator = create(64);
      for (let i = 0; i < 64; i++) allocator.allocate();
      for (let i = 0; i < 64; i++) allocator.release((i * 37) % 64);
      expect(allocator.largestRun()).toBe(64);
      expect(allocator.allocateRun(64)).toBe(0);
      expect(allocator.freeCount).toBe(0);
    });

    it('gives a run up to the largest, and takes it back in pieces', () => {
      const allocator = create(50);
      const largest = allocator.largestRun();
      if (exactRuns) expect(largest).toBe(50);
      expect(allocator.allocateRun(largest + 1)).toBe(-1);
      expect(allocator.freeCount).toBe(50);
      const first = allocator.allocateRun(11);
      for (let block = first; block < first + 11; block++) expect(allocator.isFree(block)).toBe(false);
      expect(allocator.freeCount).toBe(39);
      allocator.release(first + 5);
      allocator.releaseRun(first, 5);
      allocator.releaseRun(first + 6, 5);
      expect(allocator.freeCount).toBe(50);
      expect(allocator.largestRun()).toBe(largest);
      allocator.checkIntegrity();
    });

    it('gives a near block where one is free', () => {
      const allocator = create(64);
      const first = allocator.allocateRun(32);
      allocator.release(first + 20);
      expect(allocator.allocate(first + 19)).toBe(first + 20);
    });

    it('gives a run behind a near block where there is one that is long enough', () => {
      const allocator = create(64);
      for (let i = 0; i < 64; i++) allocator.allocate();
      for (const hole of [4, 24, 48]) allocator.releaseRun(hole, 4);
      expect(allocator.allocateRun(4, 23)).toBe(24);
      expect(allocator.allocateRun(3, 47)).toBe(48);
      // None is there, or a shorter one: any other.
      expect(allocator.allocateRun(2, 47)).toBe(4);
      expect(allocator.allocateRun(2, 63)).toBe(6);
      expect(allocator.allocateRun(1, 30)).toBe(51);
      expect(allocator.allocateRun(1, 30)).toBe(-1);
      allocator.checkIntegrity();
    });

    it('refuses to release what is free, and changes nothing', () => {
      const allocator = create(16);
      const first = allocator.allocateRun(4);
      allocator.release(first + 2);
      expect(() => allocator.release(first + 2)).toThrow(IntegrityError);
      expect(() => allocator.releaseRun(first, 4)).toThrow(IntegrityError);
      for (const block of [-1, 16, 1.5]) expect(() => allocator.release(block)).toThrow(IntegrityError);
      expect(() => allocator.releaseRun(first, 0)).toThrow(IntegrityError);
      expect(allocator.freeCount).toBe(13);
      allocator.checkIntegrity();
    });

    it('refuses runs and pools without blocks', () => {
      for (const count of [0, -1, 1.5]) {
        expect(() => create(8).allocateRun(count)).toThrow(InvalidRequestError);
        expect(() => create(count)).toThrow(InvalidRequestError);
      }
    });

    it('allocates several blocks or none', () => {
      const allocator = create(32);
      const into = new Int32Array(40).fill(-7);
      expect(allocateBlocks(allocator, 33, into)).toBe(false);
      expect(into[0]).toBe(-7);
      expect(allocateBlocks(allocator, 8, into, 2, { inRuns: true })).toBe(true);
      expect(Array.from(into.subarray(2, 10))).toEqual(Array.from({ length: 8 }, (_, i) => into[2] + i));
      // Every second block of the rest: no run is left, and single blocks do.
      while (allocator.allocate() !== -1);
      for (let block = 0; block < 32; block += 2) allocator.release(block);
      expect(externalFragmentation(allocator)).toBe(1 - 1 / 16);
      expect(shareOutsideRuns(allocator, 2)).toBe(1);
      expect(allocateBlocks(allocator, 16, into, 0, { inRuns: true })).toBe(true);
      expect(new Set(into.subarray(0, 16)).size).toBe(16);
      expect(allocator.freeCount).toBe(0);
    });

    it('rolls back whichever allocation fails', () => {
      for (let failing = 1; failing <= 6; failing++) {
        for (const inRuns of [false, true]) {
          const allocator = create(12);
          const kept = [0, 1, 2].map(() => allocator.allocate());
          let calls = 0;
          const flaky: BlockAllocator = Object.create(allocator, {
            allocate: { value: (near?: number) => (++calls >= failing ? -1 : allocator.allocate(near)) },
            allocateRun: { value: () => -1 },
          });
          expect(allocateBlocks(flaky, 8, new Int32Array(8), 0, { inRuns })).toBe(false);
          expect(allocator.freeCount).toBe(9);
          for (const block of kept) expect(allocator.isFree(block)).toBe(false);
          allocator.checkIntegrity();
        }
      }
    });

    it('agrees with a trivial model over random operations', () => {
      for (const [seed, blockCount] of [1, 2, 7, 64, 100, 257].entries()) {
        fuzzAllocator(create(blockCount), { operations: 4000, seed, exactRuns, checkEvery: 20 });
      }
    });
  });
}
