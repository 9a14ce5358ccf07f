// The lesson's scenes, on the real memory manager and scheduler: each shows what it is about, whatever is turned.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memoryModes } from '../../../../src/memory/create-memory.ts';
import { evictionPolicyNames } from '../../../../src/memory/eviction/index.ts';
import type { Frame, Happening } from './frame.ts';
import { sceneNames, scenes } from './scenes.ts';
import { limits, type Settings, sliders } from './settings.ts';
import { runWorld } from './world.ts';

const happeningsOf = (frames: readonly Frame[]): Happening[] => frames.flatMap(({ happenings }) => happenings);
const kindsOf = (frames: readonly Frame[]): Set<string> => new Set(happeningsOf(frames).map(({ kind }) => kind));
const last = (frames: readonly Frame[]): Frame => frames[frames.length - 1];
const answersOf = (frames: readonly Frame[]) =>
  Object.fromEntries(
    last(frames).sequences.map(({ name, status, answer }) => [name, status === 'refused' ? null : answer]),
  );

async function runDefault(name: keyof typeof scenes, changed: Partial<Settings> = {}): Promise<Frame[]> {
  return runWorld(scenes[name], { ...scenes[name].defaults, ...changed });
}

describe('every scene', () => {
  it.each(sceneNames)('%s ends, with every sequence finished and nothing held', async (name) => {
    const frames = await runDefault(name);
    expect(frames.length).toBeGreaterThan(8);
    expect(last(frames).sequences.map(({ status }) => status)).toEqual(last(frames).sequences.map(() => 'finished'));
    expect(last(frames).blocks.every(({ owners }) => owners.length === 0)).toBe(true);
    expect(last(frames).figures.heldSlots).toBe(0);
  });

  it('says the same whatever is turned, and no frame contradicts itself', async () => {
    const settings = fc.record({
      memory: fc.constantFrom(...memoryModes),
      policy: fc.constantFrom(...evictionPolicyNames),
      ...(Object.fromEntries(
        sliders.map((slider) => {
          const { min, max, step } = limits[slider];
          return [slider, fc.integer({ min: 0, max: (max - min) / step }).map((at) => min + at * step)];
        }),
      ) as Record<(typeof sliders)[number], fc.Arbitrary<number>>),
    });
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...sceneNames), settings, async (name, drawn) => {
        const scene = scenes[name];
        const changed = { ...scene.defaults };
        for (const control of scene.controls) Object.assign(changed, { [control]: drawn[control] });
        const frames = await runWorld(scene, changed);
        const ample = await runWorld(scene, { ...changed, memory: 'paged', poolSlots: 2048, hostPages: 0 });
        const [ours, wanted] = [answersOf(frames), answersOf(ample)];
        for (const [who, answer] of Object.entries(ours)) {
          const isForked = scene.visits(changed).find((visit) => visit.name === who)?.forkOf !== undefined;
          if (
            answer !== null &&
            last(frames).sequences.find((it) => it.name === who)?.status === 'finished' &&
            !isForked
          ) {
            expect(answer).toEqual(wanted[who]);
          }
        }
        for (const { blocks, sequences, figures } of frames) {
          const held = blocks.filter(({ owners }) => owners.length > 0).length * changed.blockSize;
          if (changed.memory === 'paged') expect(figures.heldSlots).toBe(held);
          for (const { blocks: table, name: who } of sequences) {
            for (const block of table) if (block !== -1) expect(blocks[block].owners).toContain(who);
          }
        }
      }),
      { numRuns: 60, seed: 5 },
    );
  });
});

describe('what a scene is about', () => {
  it('contiguous: runs for the longest length leave most slots empty, and paging does not', async () => {
    const waste = (frames: readonly Frame[]) =>
      Math.max(...frames.map(({ figures }) => figures.heldSlots - figures.usedSlots));
    expect(waste(await runDefault('contiguous'))).toBeGreaterThan(
      3 * waste(await runDefault('contiguous', { memory: 'paged' })),
    );
  });

  it('tables: blocks come one at a time and lie apart', async () => {
    const frames = await runDefault('tables');
    const tables = frames.flatMap(({ sequences }) => sequences.map(({ blocks }) => blocks));
    expect(tables.some((table) => table.some((block, i) => i > 0 && block !== table[i - 1] + 1))).toBe(true);
  });

  it('faults: a later request finds the prompt of an earlier one', async () => {
    const frames = await runDefault('faults');
    expect(kindsOf(frames)).toContain('shared');
    expect(last(frames).figures.hitTokens).toBeGreaterThan(0);
  });

  it('sharing: blocks with several owners', async () => {
    const frames = await runDefault('sharing');
    expect(Math.max(...frames.flatMap(({ blocks }) => blocks.map(({ owners }) => owners.length)))).toBe(4);
  });

  it('copies: a fork copies the block that it writes to', async () => {
    const frames = await runDefault('copies');
    expect(kindsOf(frames)).toContain('forked');
    expect(kindsOf(frames)).toContain('copied');
    expect(last(frames).figures.copyOnWrites).toBeGreaterThan(0);
  });

  it('eviction: policies keep different blocks', async () => {
    const hits = await Promise.all(
      (['lru', 'fifo', 'lfu'] as const).map(
        async (policy) => last(await runDefault('eviction', { policy })).figures.hitTokens,
      ),
    );
    expect(new Set(hits).size).toBeGreaterThan(1);
    expect(kindsOf(await runDefault('eviction'))).toContain('evicted');
  });

  it('swapping: evicted pages come back from the host tier instead of being computed', async () => {
    const [without, withTier] = [await runDefault('swapping', { hostPages: 0 }), await runDefault('swapping')];
    expect(kindsOf(withTier)).toContain('paged-in');
    expect(last(withTier).figures.computedTokens).toBeLessThan(last(without).figures.computedTokens);
  });

  it('scheduling: a long prompt is computed in chunks, and somebody is preempted', async () => {
    const frames = await runDefault('scheduling');
    const chunks = frames.map(({ sequences }) => sequences.find(({ name }) => name === 'Z')?.scheduledTokens ?? 0);
    expect(chunks.filter((tokens) => tokens > 1).length).toBeGreaterThan(1);
    expect(kindsOf(frames)).toContain('preempted');
  });
});
