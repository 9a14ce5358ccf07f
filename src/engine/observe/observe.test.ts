// Events, explanations and recordings of an engine that runs the bundled model in too little memory.

import { afterEach, describe, expect, it } from 'vitest';
import {
  createMemoryView,
  type EventKind,
  type MemoryView,
  type OctavoEvent,
  type RecordingLine,
  readRecording,
  type Snapshot,
} from '../../events/index.ts';
import { bundledModelPath } from '../../models/testing/bundled-model.ts';
import type { Engine, EngineOptions } from '../api.ts';
import { createEngine } from '../create-engine.ts';

const model = bundledModelPath();
const engines: Engine[] = [];
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.close();
});

async function engineOf(options: Partial<EngineOptions> = {}): Promise<Engine> {
  const engine = await createEngine({
    model,
    threads: 2,
    maxModelLen: 256,
    maxNumSeqs: 8,
    maxNumBatchedTokens: 64,
    // 24 blocks of 16: one sequence and a half.
    kvCacheMemoryBytes: 24 * 16 * bytesPerToken,
    ...options,
  });
  engines.push(engine);
  return engine;
}
/** Of the bundled model in f16: asked once. */
const bytesPerToken = await (async () => {
  const engine = await createEngine({ model, threads: 1, maxModelLen: 64, maxNumSeqs: 1, kvCacheMemoryBytes: 1 << 20 });
  const { totalBlocks } = engine.stats();
  const bytes = engine.memory.kvBytes / totalBlocks / 16;
  await engine.close();
  return bytes;
})();

const story = 'Once upon a time there was a little girl called Lily. She loved to play in the garden with her dog. ';
const greedy = { temperature: 0, ignoreEos: true };

/** Requests that share prefixes, fork, are cancelled, and do not fit together. */
async function work(engine: Engine): Promise<void> {
  const jobs: Promise<unknown>[] = [];
  for (let i = 0; i < 10; i++) {
    const prompt = story.repeat(1 + (i % 3)) + (i % 2 === 0 ? '' : `Her number was ${i}.`);
    const n = i % 4 === 3 ? 3 : 1;
    const generation = engine.generate({
      prompt,
      n,
      requestId: `job-${i}`,
      cacheSalt: i % 5 === 4 ? 'secret-tenant' : '',
      sampling: { ...greedy, temperature: n > 1 ? 1 : 0, seed: i, maxTokens: 40 + 8 * i },
    });
    jobs.push(generation.result());
    if (i === 5) setTimeout(() => generation.cancel(), 20);
  }
  await Promise.all(jobs);
}

/** Without what only one of the two knows: when blocks were last used. */
function comparable({ groups, sequences, counts }: Omit<Snapshot, 'nextEventId'>) {
  return {
    groups: groups.map(({ usedMs: _, ...group }) => group),
    sequences: [...sequences].sort((a, b) => a.id - b.id),
    counts,
  };
}

function watch(engine: Engine): { view: MemoryView; kinds: Map<EventKind, number>; events: OctavoEvent[] } {
  const view = createMemoryView(JSON.parse(JSON.stringify(engine.events.snapshot())));
  const kinds = new Map<EventKind, number>();
  const events: OctavoEvent[] = [];
  engine.events.listen(
    (event) => {
      view.apply(JSON.parse(JSON.stringify(event)));
      kinds.set(event.type, (kinds.get(event.type) ?? 0) + 1);
      events.push(event);
      if (event.type !== 'completed') return;
      setImmediate(() => {
        // The engine's first: it tells what was gathered.
        const state = engine.events.snapshot();
        expect(comparable(view.snapshot())).toEqual(comparable(state));
      });
    },
    { blocks: true },
  );
  return { view, kinds, events };
}

describe('events of an engine', () => {
  it.each([
    ['without tiers', {}],
    ['with a host tier', { tiers: { hostBytes: 8 << 20 } }],
    ['with compaction', { allocator: 'best-fit', compactionBlocksPerStep: 4 } as const],
    ['without a cache', { enablePrefixCaching: false }],
    ['in contiguous memory', { memory: 'contiguous-pow2' } as const],
  ])('add up to its state after every step and at the end, %s', async (name, options) => {
    const engine = await engineOf(options);
    const { view, kinds } = watch(engine);
    const seen = { pagedOut: 0, evictedTo: new Set<string>(), cameFrom: new Set<string>() };
    engine.events.listen(
      (event) => {
        if (event.type === 'paged_out') seen.pagedOut += event.tiers.host ?? 0;
        if (event.type === 'evicted' && event.tier !== undefined) seen.evictedTo.add(event.tier);
        if (event.type === 'cached' && event.source === 'page_in') seen.cameFrom.add(event.tier ?? '');
      },
      { blocks: true },
    );
    await work(engine);
    await work(engine);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const state = engine.events.snapshot();
    expect(comparable(view.snapshot())).toEqual(comparable(state));
    const map = engine.blockMap();
    expect([...view.groups[0].references]).toEqual(map.references);
    expect([...view.groups[0].cached].map(Boolean)).toEqual(map.cached);
    const stats = engine.stats();
    for (const key of ['steps', 'computedTokens', 'generatedTokens', 'preemptions', 'evictions', 'merges'] as const) {
      expect(view.counts[key], key).toBe(stats[key]);
    }
    expect(kinds.get('scheduled')).toBe(stats.steps);
    if (name === 'without tiers' || name === 'with a host tier') {
      for (const kind of ['preempted', 'forked', 'evicted', 'shared', 'copied', 'waiting', 'cancelled'] as const) {
        expect(kinds.get(kind), kind).toBeGreaterThan(0);
      }
    }
    if (name === 'with a host tier') {
      expect(view.counts.pagesOut).toBe(stats.tiers?.pagesOut);
      expect(view.counts.pagesIn).toBe(stats.tiers?.pagesIn);
      expect(kinds.get('paged_out')).toBeGreaterThan(0);
      expect(seen.pagedOut).toBe(stats.tiers?.pagesOut);
      expect(seen.evictedTo).toEqual(new Set(['host']));
      expect(seen.cameFrom).toEqual(new Set(['host']));
      expect(view.groups[0].tierNames).toEqual(['device', 'host']);
    }
  });

  it('makes nothing while nobody listens', async () => {
    const engine = await engineOf();
    await work(engine);
    expect(engine.events.nextEventId).toBe(0);
    expect(engine.explain('job-0')).toBeNull();
  });

  it('reach a viewer that reads at its own pace, and cost nothing for one that does not', async () => {
    const engine = await engineOf();
    const stuck = engine.events.view();
    const viewer = engine.events.view();
    let view: MemoryView | null = null;
    const reading = (async () => {
      for await (const batch of viewer) {
        if (batch.type === 'resync') view = createMemoryView(batch.snapshot!);
        else for (const event of batch.events) view?.apply(event);
      }
    })();
    await work(engine);
    await new Promise((resolve) => setTimeout(resolve, 20));
    viewer.close();
    await reading;
    expect(comparable(view!.snapshot())).toEqual(comparable(engine.events.snapshot()));
    stuck.close();
  });
});

describe('recording', () => {
  function record() {
    let text = '';
    const file = {
      append: async (more: string) => {
        text += more;
      },
      close: async () => {},
    };
    const lines = async (): Promise<RecordingLine[]> => {
      const found: RecordingLine[] = [];
      for await (const line of readRecording(text.split('\n'))) found.push(line);
      return found;
    };
    return { file, lines, text: () => text };
  }

  it('with events, replays to the state that the run ended in', async () => {
    const { file, lines } = record();
    const engine = await engineOf({ recording: { path: '', events: true, file } });
    await work(engine);
    const stats = engine.stats();
    await engine.close();
    const found = await lines();
    let view: MemoryView | null = null;
    for (const line of found) {
      if (line.kind === 'snapshot') view = createMemoryView(line.snapshot);
      else if (line.kind === 'event') view!.apply(line.event);
    }
    const end = found.at(-1)!;
    if (end.kind !== 'end' || end.state === null) throw new Error('no end');
    expect(comparable(view!.snapshot())).toEqual(comparable(end.state));
    expect(end.state.counts).toMatchObject({ preemptions: stats.preemptions, evictions: stats.evictions });
    expect(stats.preemptions).toBeGreaterThan(0);
    expect(stats.evictions).toBeGreaterThan(0);
    expect(stats.copyOnWrites).toBeGreaterThan(0);
  });

  it('has a line for each request, and no text', async () => {
    const { file, lines, text } = record();
    const engine = await engineOf({ recording: { path: '', file } });
    await work(engine);
    await engine.close();
    const [header, ...rest] = await lines();
    expect(header).toMatchObject({ kind: 'header', events: false, blockSize: 16, blockCount: 24 });
    expect(header.kind === 'header' && header.fingerprint).toMatch(/^[0-9a-f]{64}$/);
    const requests = rest.flatMap((line) => (line.kind === 'request' ? [line] : []));
    expect(requests).toHaveLength(10);
    expect(rest.at(-1)).toMatchObject({ kind: 'end', requests: 10, state: null });
    const byId = new Map(requests.map((each) => [each.requestId, each]));
    const [first, third, fifth] = ['job-0', 'job-2', 'job-4'].map((id) => byId.get(id)!);
    // The same story, once and three times; and under another salt.
    expect(third.blockHashes.length).toBeGreaterThan(first.blockHashes.length);
    expect(third.blockHashes.slice(0, first.blockHashes.length - 1)).toEqual(first.blockHashes.slice(0, -1));
    expect(fifth.blockHashes[0]).not.toBe(third.blockHashes[0]);
    expect(fifth.tenant).not.toBe(third.tenant);
    expect(byId.get('job-3')).toMatchObject({ n: 3, outcome: 'length', outputTokens: 3 * 64 });
    expect(byId.get('job-5')).toMatchObject({ outcome: 'cancelled' });
    expect(requests.some(({ preemptions }) => preemptions > 0)).toBe(true);
    for (const each of requests) {
      const waited = Object.values(each.waitedMs).reduce((sum, ms) => sum + ms, 0);
      expect(each.firstScheduledMs === null || waited <= each.n * (each.finishedMs - each.arrivedMs) + 1e-6).toBe(true);
    }
    for (const word of ['Lily', 'garden', 'secret-tenant', 'Once']) expect(text()).not.toContain(word);
  });

  it('refuses a file that exists', async () => {
    await expect(engineOf({ recording: { path: model } })).rejects.toThrow('exists already');
  });
});

describe('explain', () => {
  it('says what a request waited for, what it found, and who preempted it', async () => {
    const engine = await engineOf({ explainedRequests: 100 });
    await work(engine);
    await engine.generate({ prompt: story, requestId: 'again', sampling: { ...greedy, maxTokens: 4 } }).result();
    const all = Array.from({ length: 10 }, (_, i) => engine.explain(`job-${i}`)!);
    for (const each of all) expect(each).not.toBeNull();
    const { preemptions } = engine.stats();
    expect(all.reduce((sum, { preemptionCount }) => sum + preemptionCount, 0)).toBe(preemptions);
    const victim = all.find(({ preemptionCount, state }) => preemptionCount > 0 && state === 'length')!;
    expect(victim.preemptions[0]).toMatchObject({ mode: 'recompute', reason: 'blocks' });
    expect(victim.preemptions[0].by).toMatch(/^job-\d$/);
    expect(victim.preemptions[0].recomputedTokens).toBeLessThanOrEqual(victim.preemptions[0].lostTokens);
    expect(victim.waitedMs.blocks).toBeGreaterThan(0);
    expect(victim.steps.computedTokens).toBeGreaterThan(0);
    expect(all.some(({ waitedMs }) => waitedMs.queue + waitedMs.headroom + waitedMs.blocks > 1)).toBe(true);

    const again = engine.explain('again')!;
    expect(again).toMatchObject({ state: 'length', completionTokens: 4, text: null, preemptionCount: 0 });
    expect(again.cache.cachedTokens).toBeGreaterThan(0);
    expect(again.cache.tokensByTier).toEqual({ device: again.cache.cachedTokens });
    expect(again.steps.count).toBe(4);
    expect(again.itl?.maxMs).toBeGreaterThan(0);
    expect(again.ttftMs).toBeGreaterThan(0);
    expect(JSON.stringify(all)).not.toContain('Lily');
  });

  it('tells where prompts part, with text only if it may, and who shares blocks', async () => {
    const engine = await engineOf({ explainedRequests: 2, explainText: true, kvCacheMemoryBytes: 8 << 20 });
    const prompt = story.repeat(2);
    const long = engine.generate({ prompt, requestId: 'long', sampling: { ...greedy, maxTokens: 150 } });
    for await (const event of long) {
      if (event.type !== 'token') continue;
      const other = prompt.replace('dog', 'cat');
      const tail = engine.generate({ prompt: other, requestId: 'tail', sampling: { ...greedy, maxTokens: 1 } });
      await tail.result();
      expect(engine.explain('long')).toMatchObject({ state: 'running', finishedMs: null });
      break;
    }
    const tail = engine.explain('tail')!;
    expect(tail.cache.reason).toBe('differs');
    expect(tail.cache.firstMissing).toBe(tail.cache.cachedTokens);
    expect(tail.cache.textFromMissing).toContain('cat');
    expect(tail.cache.sharedWith).toEqual([{ requestId: 'long', blocks: Math.floor(tail.cache.cachedTokens / 16) }]);
    expect(tail.text?.prompt).toContain('Lily');
    expect(engine.explain('long')?.state).toBe('cancelled');
    expect(engine.explain('nobody')).toBeNull();
    for (const requestId of ['c', 'd']) {
      await engine.generate({ prompt: 'A', requestId, sampling: { ...greedy, maxTokens: 1 } }).result();
    }
    expect(engine.explain('tail')).toBeNull();
    expect(engine.explain('d')).not.toBeNull();
  });

  it('tells which tier had the pages', async () => {
    const engine = await engineOf({ explainedRequests: 100, tiers: { hostBytes: 8 << 20 } });
    const prompt = story.repeat(4);
    await engine.generate({ prompt, requestId: 'first', sampling: { ...greedy, maxTokens: 2 } }).result();
    await work(engine);
    const before = engine.stats().tiers!.pagesIn;
    await engine.generate({ prompt, requestId: 'back', sampling: { ...greedy, maxTokens: 2 } }).result();
    const { cache, waitedMs } = engine.explain('back')!;
    const pages = engine.stats().tiers!.pagesIn - before;
    expect(cache.tokensByTier.host ?? 0).toBe(pages * 16);
    expect(Object.values(cache.tokensByTier).reduce((sum, tokens) => sum + tokens, 0)).toBe(cache.cachedTokens);
    if (pages > 0) expect(waitedMs.pages).toBeGreaterThan(0);
  });
});
