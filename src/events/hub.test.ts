import { describe, expect, it } from 'vitest';
import { emptySnapshot } from './empty-snapshot.ts';
import { createEventHub, type EventHub } from './hub.ts';
import { createMemoryView } from './memory-view.ts';
import type { BlockEventBody, OctavoEvent, StepEventBody } from './types.ts';

function hubOf(options: { ringEvents?: number; ringEntries?: number } = {}): EventHub {
  let clockMs = 0;
  const hub = createEventHub({ now: () => clockMs++, hashKey: [1, 2, 3, 4], ...options });
  hub.snapshotFrom(() => emptySnapshot([{ blockSize: 16, blockCount: 4 }]));
  return hub;
}

const held = (block: number): BlockEventBody => ({ type: 'held', group: 0, cause: 'prefix', blocks: [block] });
const cancelled: StepEventBody = { type: 'cancelled', sequence: 1, generatedTokens: 0 };
const idsOf = (events: readonly OctavoEvent[]): number[] => events.map(({ id }) => id);

describe('event hub', () => {
  it('wants nothing while nobody listens, and keeps nothing', () => {
    const hub = hubOf();
    expect([hub.wantsBlocks, hub.wantsSteps]).toEqual([false, false]);
    const stop = hub.listen(() => undefined);
    expect([hub.wantsBlocks, hub.wantsSteps]).toEqual([false, true]);
    hub.emit(cancelled);
    expect(hub.ringEvents).toBe(0);
    const viewer = hub.view();
    expect([hub.wantsBlocks, hub.wantsSteps]).toEqual([true, true]);
    hub.emit(cancelled);
    expect(hub.ringEvents).toBe(1);
    viewer.close();
    stop();
    expect([hub.wantsBlocks, hub.wantsSteps, hub.ringEvents]).toEqual([false, false, 0]);
  });

  it('gives a viewer the state first, then every event in order', async () => {
    const hub = hubOf();
    hub.listen(() => undefined);
    hub.emit(cancelled);
    const viewer = hub.view();
    const first = viewer.read();
    expect(first).toMatchObject({ type: 'resync', reason: 'start', nextEventId: 1 });
    expect(viewer.read()).toBeNull();
    const ready = viewer.ready();
    for (let i = 0; i < 5; i++) hub.emit(held(i % 4));
    await ready;
    const two = viewer.read(2);
    expect(two?.type === 'events' && idsOf(two.events)).toEqual([1, 2]);
    const rest = viewer.read();
    expect(rest?.type === 'events' && idsOf(rest.events)).toEqual([3, 4, 5]);
    expect(viewer.read()).toBeNull();
  });

  it('bounds what it keeps by events and by entries; a viewer that falls behind gets the state again', () => {
    for (const limits of [{ ringEvents: 16 }, { ringEntries: 160 }]) {
      const hub = hubOf(limits);
      const stuck = hub.view();
      const reader = hub.view();
      stuck.read();
      reader.read();
      let read = 0;
      for (let i = 0; i < 1000; i++) {
        hub.emit(held(0));
        const batch = reader.read();
        if (batch?.type === 'events') read += batch.events.length;
        expect(hub.ringEvents).toBeLessThanOrEqual(18);
      }
      expect(read).toBe(1000);
      expect(stuck.isBehind).toBe(true);
      expect(stuck.read()).toMatchObject({ type: 'resync', reason: 'behind', nextEventId: 1000 });
      hub.emit(held(0));
      const next = stuck.read();
      expect(next?.type === 'events' && idsOf(next.events)).toEqual([1000]);
    }
  });

  it('tells a viewer when a step is planned', async () => {
    const hub = hubOf();
    const viewer = hub.view();
    const seen: string[] = [];
    void viewer.nextStep().then(() => seen.push('step'));
    hub.emit(held(0));
    await Promise.resolve();
    expect(seen).toEqual([]);
    const counts = { tokenCount: 1, tokenBudget: 1, running: 1, waiting: 0, waitingSequences: [] };
    hub.emit({ type: 'scheduled', sequences: [0], positions: [0], tokens: [1], ...counts });
    await Promise.resolve();
    expect(seen).toEqual(['step']);
    void viewer.nextStep().then(() => seen.push('closed'));
    viewer.close();
    await viewer.nextStep();
    expect(seen).toEqual(['step', 'closed']);
  });

  it('lets a viewer go on after an event that is still there, without a gap, and else begins anew', () => {
    const hub = hubOf({ ringEvents: 16 });
    const other = hub.view();
    for (let i = 0; i < 10; i++) hub.emit(held(0));
    const back = hub.view({ afterEventId: 6 });
    const batch = back.read();
    expect(batch?.type === 'events' && idsOf(batch.events)).toEqual([7, 8, 9]);
    for (let i = 0; i < 20; i++) hub.emit(held(0));
    expect(hub.view({ afterEventId: 3 }).read()?.type).toBe('resync');
    expect(hub.view({ afterEventId: 1e9 }).read()?.type).toBe('resync');
    other.close();
  });

  it('does not let a viewer of blocks go on over a time in which none were made', () => {
    const hub = hubOf();
    const steps = hub.view({ kinds: ['cancelled'] });
    expect(hub.wantsBlocks).toBe(false);
    hub.emit(cancelled);
    expect(hub.view({ afterEventId: 0, kinds: ['cancelled'] }).read()).toBeNull();
    expect(hub.view({ afterEventId: 0 }).read()?.type).toBe('resync');
    steps.close();
  });

  it('shows a viewer the kinds that it asked for, and a state only with all block events', () => {
    const hub = hubOf();
    const viewer = hub.view({ kinds: ['cancelled', 'held'] });
    expect(viewer.read()).toMatchObject({ type: 'resync', snapshot: null });
    hub.emit(cancelled);
    hub.emit(held(1));
    hub.emit({ type: 'unheld', group: 0, cause: 'prefix', blocks: [1] });
    const batch = viewer.read();
    expect(batch?.type === 'events' && batch.events.map(({ type }) => type)).toEqual(['cancelled', 'held']);
  });

  it('ends the iteration of a viewer that is closed, and closes one whose loop is left', async () => {
    const hub = hubOf();
    const viewer = hub.view();
    setTimeout(() => viewer.close(), 5);
    let batches = 0;
    for await (const _ of viewer) batches++;
    expect(batches).toBe(1);
    const left = hub.view();
    for await (const _ of left) break;
    expect(left.isClosed).toBe(true);
    expect(hub.wantsSteps).toBe(false);
  });

  it('takes out a listener that throws, and tells of it', () => {
    const errors: unknown[] = [];
    const hub = createEventHub({ now: () => 0, hashKey: [0, 0, 0, 0], onListenerError: (error) => errors.push(error) });
    let calls = 0;
    hub.listen(() => {
      calls++;
      throw new Error('a broken listener');
    });
    hub.emit(cancelled);
    hub.emit(cancelled);
    expect([calls, errors.length, hub.wantsSteps]).toEqual([1, 1, false]);
  });
});

describe('memory view', () => {
  it('refuses what cannot be, and ignores what its snapshot has already', () => {
    const view = createMemoryView({ ...emptySnapshot([{ blockSize: 4, blockCount: 4 }]), nextEventId: 5 });
    view.apply({ id: 4, step: 0, timeMs: 0, ...held(1) });
    expect(view.groups[0].references[1]).toBe(0);
    const unheld = { type: 'unheld', group: 0, cause: 'prefix', blocks: [1] } as const;
    expect(() => view.apply({ id: 5, step: 0, timeMs: 0, ...unheld })).toThrow('has no reference');
    expect(() => view.apply({ id: 6, step: 0, timeMs: 0, ...unheld, group: 3 })).toThrow('group 3');
  });

  it('tells who has a block, how full it is, and what was evicted', () => {
    const view = createMemoryView(emptySnapshot([{ blockSize: 4, blockCount: 4 }]), { evictedLimit: 1 });
    let id = 0;
    const apply = (body: BlockEventBody | StepEventBody): void =>
      view.apply({ id: id++, step: 0, timeMs: id, ...body } as OctavoEvent);
    apply({ type: 'added', sequence: 0, requestId: 'a', promptTokens: 6, maxNewTokens: 1 });
    apply({ type: 'allocated', group: 0, spans: [{ sequence: 0, index: 0, blocks: [2, 3] }] });
    apply({ type: 'computed', group: 0, sequences: [0], computedTokens: [6] });
    const names = { hashes: ['aa'], parents: [''], indices: [0] };
    apply({ type: 'cached', group: 0, source: 'step', blocks: [2], ...names });
    expect([...view.groups[0].filled]).toEqual([0, 0, 4, 2]);
    apply({ type: 'shared', group: 0, cause: 'fork', spans: [{ sequence: 7, index: 0, blocks: [2] }] });
    expect(view.owners(0, 2)).toEqual([0, 7]);
    const owners = new Int32Array(4);
    view.fillOwners(0, owners, -1);
    expect([...owners]).toEqual([-1, -1, 0, 0]);
    apply({ type: 'released', group: 0, spans: [{ sequence: 7, index: 0, blocks: [2] }] });
    apply({ type: 'cancelled', sequence: 0, generatedTokens: 0 });
    expect(view.sequences.get(0)?.state).toBe('ending');
    apply({ type: 'released', group: 0, spans: [{ sequence: 0, index: 0, blocks: [2, 3] }] });
    expect(view.sequences.has(0)).toBe(false);
    apply({ type: 'evicted', group: 0, cause: 'demand', fate: 'saved', tier: 'host', blocks: [2] });
    expect(view.groups[0].evicted.get('aa')).toMatchObject({ index: 0, fate: 'saved', tier: 'host' });
    expect([...view.groups[0].filled]).toEqual([0, 0, 0, 0]);
    apply({ type: 'cached', group: 0, source: 'page_in', tier: 'file', blocks: [1], ...names });
    expect([...view.groups[0].tiers].map((tier) => view.groups[0].tierNames[tier])).toEqual([
      'device',
      'file',
      'device',
      'device',
    ]);
    expect(createMemoryView(view.snapshot()).groups[0].tierNames).toEqual(['device', 'file']);
  });
});
