// The parts of the page that need no browser: rasters of the block map, the tree of prefixes, the log of steps, scrapes of /metrics.

import { describe, expect, test } from 'vitest';
import { createMemoryView, emptySnapshot, type OctavoEvent } from '../src/events/index.ts';
import { count, figures, milliseconds, percent, percentOf } from '../web/src/i18n/format.ts';
import { createOrigins, leftOf } from '../web/src/live/origins.ts';
import { stampTouched } from '../web/src/live/touched.ts';
import { colouringSpec, colourings } from '../web/src/memory/colouring.ts';
import { blockAfterKey, blockAt, layOut } from '../web/src/memory/layout.ts';
import { createRaster } from '../web/src/memory/raster.ts';
import { parseMetrics, sum } from '../web/src/metrics/exposition.ts';
import { emptyColumns, keptSamples, pushSample, rowOf, totalsOf } from '../web/src/metrics/series.ts';
import { oklch } from '../web/src/parts/palette.ts';
import { prefixTree, treeRows } from '../web/src/prefixes/tree.ts';
import { createStepLog } from '../web/src/scheduler/step-log.ts';
import { windowOf } from '../web/src/scheduler/window.ts';
import { createRandom } from './support/random.ts';

const blockSize = 4;
const blockCount = 64;

/** Random sequences that allocate, share, cache, end and make room, as events. */
function createHistory(seed: number) {
  const { below } = createRandom(seed);
  const view = createMemoryView(emptySnapshot([{ blockSize, blockCount }]));
  const origins = createOrigins(view);
  const stamps = [new Uint32Array(blockCount)];
  let id = 0;
  let nextSequence = 1;
  let nextHash = 1;
  let version = 1;
  const emit = (body: object): void => {
    const event = { id: id++, step: id, timeMs: id * 10, group: 0, ...body } as OctavoEvent;
    stampTouched(stamps, view, event, version);
    origins.apply(event);
    view.apply(event);
  };
  const group = view.groups[0];
  const blocksWhere = (test: (block: number) => boolean) =>
    Array.from({ length: blockCount }, (_, block) => block).filter(test);
  const act = (): void => {
    const running = [...view.sequences.values()].filter(({ blocks }) => blocks[0].length > 0);
    const free = blocksWhere((block) => group.references[block] === 0 && group.cached[block] === 0);
    const idle = blocksWhere((block) => group.references[block] === 0 && group.cached[block] === 1);
    const sequence = running[below(Math.max(1, running.length))];
    switch (below(5)) {
      case 0: {
        const blocks = free.slice(0, 1 + below(4));
        if (blocks.length === 0) break;
        emit({
          type: 'added',
          sequence: nextSequence,
          requestId: `r${nextSequence}`,
          promptTokens: 9,
          maxNewTokens: 9,
        });
        emit({ type: 'allocated', spans: [{ sequence: nextSequence, index: 0, blocks }] });
        emit({ type: 'computed', sequences: [nextSequence], computedTokens: [blocks.length * blockSize - below(3)] });
        nextSequence++;
        break;
      }
      case 1: {
        if (sequence === undefined) break;
        const blocks = sequence.blocks[0].filter((block) => group.cached[block] === 0);
        const indices = blocks.map((block) => sequence.blocks[0].indexOf(block));
        const hashes = blocks.map(() => `h${nextHash++}`);
        const parents = indices.map((index) => (index === 0 ? '' : group.hashes[sequence.blocks[0][index - 1]]));
        if (blocks.length === sequence.blocks[0].length) {
          emit({ type: 'cached', source: 'step', blocks, hashes, indices, parents: ['', ...hashes.slice(0, -1)] });
        } else if (parents.every((parent) => parent !== '') && blocks.length > 0) {
          emit({ type: 'cached', source: 'step', blocks, hashes, indices, parents });
        }
        break;
      }
      case 2: {
        if (sequence === undefined || sequence.blocks[0].some((block) => group.cached[block] === 0)) break;
        emit({
          type: 'added',
          sequence: nextSequence,
          requestId: `r${nextSequence}`,
          promptTokens: 9,
          maxNewTokens: 9,
        });
        const blocks = sequence.blocks[0].slice(0, 1 + below(sequence.blocks[0].length));
        emit({ type: 'shared', cause: 'prefix_hit', spans: [{ sequence: nextSequence, index: 0, blocks }] });
        nextSequence++;
        break;
      }
      case 3:
        if (sequence === undefined) break;
        emit({ type: 'finished', sequence: sequence.id, reason: 'stop', totalTokens: 9, generatedTokens: 1 });
        emit({ type: 'released', spans: [{ sequence: sequence.id, index: 0, blocks: [...sequence.blocks[0]] }] });
        break;
      case 4:
        if (idle.length > 0)
          emit({ type: 'evicted', cause: 'demand', fate: 'dropped', blocks: [idle[below(idle.length)]] });
        break;
    }
  };
  return { view, origins, stamps, act, nextVersion: () => version++, version: () => version };
}

describe('the block map', () => {
  test.each(colourings)('redraws what changed, and nothing else is out of date: by %s', (by) => {
    const history = createHistory(3);
    const { view, stamps } = history;
    const spec = colouringSpec(by);
    const owners = new Int32Array(blockCount);
    const make = () => createRaster({ blockCount, columns: 8, spec, dark: false, emphasis: null });
    const facts = () => {
      view.fillOwners(0, owners, -1);
      const ownerColours = Int8Array.from(owners, (id) => (id < 0 ? -1 : id % 12));
      // Ages change by themselves; here they do not.
      return {
        group: view.groups[0],
        ownerColours,
        filled: view.groups[0].filled,
        nowMs: by === 'age' ? 0 : view.timeMs,
      };
    };
    const raster = make();
    let drawn = -1;
    for (let round = 0; round < 400; round++) {
      history.act();
      raster.update(facts(), stamps[0], drawn);
      drawn = history.nextVersion();
      const anew = make();
      anew.update(facts(), stamps[0], -1);
      expect(raster.pixels).toEqual(anew.pixels);
      expect(raster.sharers).toEqual(anew.sharers);
      expect(raster.counts).toEqual(anew.counts);
      expect(raster.counts.reduce((total, count) => total + count, 0)).toBe(blockCount);
    }
  });

  test('names the rows that changed', () => {
    const history = createHistory(4);
    const raster = createRaster({
      blockCount,
      columns: 8,
      spec: colouringSpec('references'),
      dark: true,
      emphasis: null,
    });
    const facts = {
      group: history.view.groups[0],
      ownerColours: new Int8Array(blockCount),
      filled: new Uint16Array(0),
      nowMs: 0,
    };
    raster.update(facts, history.stamps[0], -1);
    expect(raster.takeDirty()).toEqual({ first: 0, end: 8 });
    const { first, end } = raster.takeDirty();
    expect(first).toBeGreaterThanOrEqual(end);
  });

  test('finds a block at every point of its cell, and none beside the map', () => {
    for (const [count, width, height] of [
      [1, 300, 200],
      [1000, 390, 600],
      [100_000, 1216, 620],
    ]) {
      const layout = layOut(count, width, height);
      expect(layout.columns * layout.cellPx).toBeLessThanOrEqual(Math.max(width, layout.cellPx));
      expect(layout.rows * layout.columns).toBeGreaterThanOrEqual(count);
      const last = count - 1;
      const x = (last % layout.columns) * layout.cellPx;
      const y = Math.floor(last / layout.columns) * layout.cellPx;
      expect(blockAt(layout, count, x, y)).toBe(last);
      expect(blockAt(layout, count, x + layout.cellPx - 1, y + layout.cellPx - 1)).toBe(last);
      expect(blockAt(layout, count, layout.columns * layout.cellPx, 0)).toBeNull();
      expect(blockAt(layout, count, x, y + layout.cellPx)).toBeNull();
      expect(blockAfterKey(layout, count, last, 'ArrowRight')).toBe(last);
      expect(blockAfterKey(layout, count, last, 'Home')).toBe(0);
      expect(blockAfterKey(layout, count, 0, 'a')).toBeNull();
    }
  });

  test('colours are those of OKLCH', () => {
    // The reference values of the specification's sample page: white, black, and sRGB red.
    expect(oklch(1, 0, 0)).toEqual([255, 255, 255]);
    expect(oklch(0, 0, 0)).toEqual([0, 0, 0]);
    expect(oklch(0.62796, 0.25768, 29.23)).toEqual([255, 0, 0]);
  });
});

describe('the tree of prefixes', () => {
  test('has every cached block once, below the block before it', () => {
    for (let seed = 0; seed < 20; seed++) {
      const { view, origins, act } = createHistory(seed);
      for (let round = 0; round < 200; round++) act();
      const group = view.groups[0];
      const tree = prefixTree(group, origins.hits);
      const rows = treeRows(tree, new Set(), 10_000);
      const shown = rows.flatMap(({ chain }) => chain.blocks);
      const cached = Array.from({ length: blockCount }, (_, block) => block).filter(
        (block) => group.cached[block] === 1,
      );
      const blocks = shown.filter(({ fate }) => fate === null).map(({ block }) => block);
      expect(blocks.sort((a, b) => a - b)).toEqual(cached);
      expect(tree.cachedBlocks).toBe(cached.length);
      expect(tree.evictedBlocks).toBe(group.evicted.size);
      for (const { chain } of rows) {
        for (const [i, { hash, block }] of chain.blocks.entries()) {
          if (block >= 0 && i > 0) expect(group.parents[block]).toBe(chain.blocks[i - 1].hash);
          for (const child of i === chain.blocks.length - 1 ? chain.children : []) {
            const [{ block: first }] = child.blocks;
            if (first >= 0) expect(group.parents[first]).toBe(hash);
          }
        }
      }
      expect(treeRows(tree, new Set(tree.roots.map(({ key }) => key)), 10_000)).toHaveLength(tree.roots.length);
    }
  });

  test('remembers what is left of a sequence that ended', () => {
    const { view, origins, act } = createHistory(11);
    for (let round = 0; round < 300; round++) act();
    expect(origins.lastTables.size).toBeGreaterThan(5);
    const { hashes, cached } = view.groups[0];
    for (const table of origins.lastTables.values()) {
      for (const [i, block] of leftOf(table, hashes).entries()) {
        if (block >= 0) expect([cached[block], hashes[block]]).toEqual([1, table.hashes[i]]);
      }
    }
  });
});

describe('the log of steps', () => {
  test('tells who ran, waited, was preempted and ended, and forgets the oldest steps', () => {
    const log = createStepLog({ limit: 10 });
    let id = 0;
    const emit = (step: number, body: object) =>
      log.apply({ id: id++, step, timeMs: step * 10 + id / 1000, ...body } as OctavoEvent);
    emit(0, { type: 'added', sequence: 1, requestId: 'a', promptTokens: 9, maxNewTokens: 9 });
    emit(0, { type: 'added', sequence: 2, requestId: 'b', promptTokens: 5, maxNewTokens: 9 });
    for (let step = 0; step < 40; step++) {
      if (step === 35) emit(step, { type: 'preempted', sequence: 2, by: 1, mode: 'recompute', reason: 'blocks' });
      if (step === 36) emit(step, { type: 'waiting', sequence: 2, cause: 'blocks' });
      const sequences = step < 35 ? [1, 2] : [1];
      emit(step, {
        type: 'scheduled',
        sequences,
        positions: sequences.map(() => step),
        tokens: sequences.map(() => 1),
        tokenCount: sequences.length,
        tokenBudget: 8,
        running: sequences.length,
        waiting: 2 - sequences.length,
        waitingSequences: step < 35 ? [] : [2],
      });
      emit(step, { type: 'completed', sampled: sequences, tokenCount: sequences.length, generatedTokens: 1 });
    }
    emit(39, { type: 'finished', sequence: 1, reason: 'stop', totalTokens: 9, generatedTokens: 3 });
    expect(log.entries.length).toBeLessThanOrEqual(11);
    expect(log.entries.at(-1)?.step).toBe(39);
    expect(log.entries.at(-1)?.ended.map(({ sequence }) => sequence)).toEqual([1]);
    expect(log.entries.every(({ tookMs }) => tookMs !== null && tookMs > 0)).toBe(true);
    const preempted = log.entries.find(({ step }) => step === 35);
    expect(preempted?.preempted.map(({ sequence, by }) => [sequence, by])).toEqual([[2, 1]]);
    expect(log.entries.find(({ step }) => step === 37)?.waiters.get(2)).toBe('blocks');
    const shown = windowOf(log, 36, 3);
    expect(shown.entries.map(({ step }) => step)).toEqual([34, 35, 36]);
    expect(shown.lanes.map(({ requestId }) => requestId)).toEqual(['a', 'b']);
  });
});

describe('scrapes of /metrics', () => {
  const text = [
    '# HELP octavo_x_total Something.',
    'octavo_x_total{model_name="a\\"b",kind="one"} 3',
    'octavo_x_total{model_name="a\\"b",kind="two"} 4.5',
    'octavo_bucket{le="+Inf"} +Inf',
    'octavo_plain 1e3',
    'not a sample',
  ].join('\n');

  test('are read with their labels', () => {
    const scrape = parseMetrics(text);
    expect(sum(scrape, 'octavo_x_total')).toBe(7.5);
    expect(sum(scrape, 'octavo_x_total', { kind: 'two' })).toBe(4.5);
    expect(scrape.get('octavo_x_total')?.[0].labels.model_name).toBe('a"b');
    expect(sum(scrape, 'octavo_bucket')).toBe(Number.POSITIVE_INFINITY);
    expect(sum(scrape, 'octavo_plain')).toBe(1000);
    expect(sum(scrape, 'octavo_nothing')).toBe(0);
  });

  test('become rates and means of the time between two', () => {
    const scrapeOf = (tokens: number, steps: number, seconds: number) =>
      parseMetrics(
        [
          `octavo_generation_tokens_total ${tokens}`,
          `octavo_step_total ${steps}`,
          `octavo_step_seconds_total ${seconds}`,
          'octavo_kv_blocks_total 100',
          'octavo_kv_blocks_free 25',
        ].join('\n'),
      );
    const first = totalsOf(scrapeOf(100, 10, 1), 1000, 0);
    const second = totalsOf(scrapeOf(300, 30, 1.5), 3000, 2000);
    expect(rowOf(null, first).generatedPerSecond).toBeNull();
    expect(rowOf(first, second)).toMatchObject({
      generatedPerSecond: 100,
      stepMs: 25,
      heldPercent: 75,
      hitPercent: null,
    });
    const columns = emptyColumns();
    for (let i = 0; i < keptSamples + 5; i++) pushSample(columns, first, second);
    expect(columns.stepMs).toHaveLength(keptSamples);
  });
});

describe('numbers', () => {
  test.each([
    [count(12_345.4), '12,345'],
    [figures(0), '0'],
    [figures(0.12345), '0.123'],
    [figures(1.2345), '1.23'],
    [figures(12.345), '12.3'],
    [figures(1234.5), '1,235'],
    [figures(7), '7'],
    [figures(Number.NaN), '–'],
    [percent(0), '0 %'],
    [percent(1), '100 %'],
    [percent(0.01234), '1.23 %'],
    [percent(0.98765), '98.8 %'],
    [percentOf(1, 0), '–'],
    [milliseconds(3.456), '3.46 ms'],
    [milliseconds(1500), '1.50 s'],
    [milliseconds(90_000), '1.5 min'],
  ])('%s', (shown, expected) => {
    expect(shown).toBe(expected);
  });
});
