// Runs a scene on the real memory manager, scheduler and host tier, with the toy executor, and keeps a frame of every step.

import { ContextLengthError } from '../../../../src/errors/errors.ts';
import { createMemory } from '../../../../src/memory/create-memory.ts';
import type { KvMemory } from '../../../../src/memory/types.ts';
import { createScheduler } from '../../../../src/scheduler/scheduler.ts';
import type { Scheduler, StepPlan } from '../../../../src/scheduler/types.ts';
import { createHostTier, type HostTier } from '../../../../src/tiers/host/host-tier.ts';
import { createToyExecutor, type ToyExecutor } from './executor.ts';
import type { BlockState, Frame, Happening, SequenceState, SequenceStatus } from './frame.ts';
import type { Scene, Visit } from './scene.ts';
import { blockCountOf, type Settings } from './settings.ts';

/** Steps after which a run is cut off. */
export const MAX_STEPS = 120;
const MAX_SEQUENCES = 12;
/** The host tier gives every page whole units of so many bytes. */
const TIER_PAGE_BYTES = 4096;

interface Guest {
  readonly id: number;
  readonly name: string;
  readonly tokenIds: number[];
  readonly promptTokens: number;
  readonly outputTokens: number;
  status: SequenceStatus;
  answer: number[];
  cachedTokens: number;
  blocks: readonly number[];
  computedTokens: number;
}

interface Machine {
  readonly memory: KvMemory;
  readonly scheduler: Scheduler;
  readonly executor: ToyExecutor;
  readonly tier: HostTier | null;
}

function build(settings: Settings, longest: number, now: () => number): Machine {
  const { blockSize, memory: mode, policy, hostPages, tokenBudget } = settings;
  const blockCount = blockCountOf(settings);
  const executor = createToyExecutor(blockCount, blockSize);
  const { bytes } = executor;
  const tier =
    hostPages === 0 || mode !== 'paged'
      ? null
      : createHostTier({
          pageBytes: bytes.pageBytes,
          budgetBytes: hostPages * Math.ceil(bytes.pageBytes / TIER_PAGE_BYTES) * TIER_PAGE_BYTES,
          clock: { now },
        });
  const memory = createMemory(mode, {
    blockCount,
    blockSize,
    maxNumSeqs: MAX_SEQUENCES,
    maxBlocksPerSequence: Math.ceil(longest / blockSize),
    evictionPolicy: policy,
    tiers: tier === null ? null : { tier, bytes, now },
  });
  const scheduler = createScheduler({
    memory,
    maxNumSeqs: MAX_SEQUENCES,
    maxNumBatchedTokens: tokenBudget,
    maxOutputs: MAX_SEQUENCES,
    maxModelLen: longest,
    maxQueuedRequests: 64,
  });
  return { memory, scheduler, executor, tier };
}

/** The same scene and settings give the same frames. Throws IntegrityError if an invariant of the memory breaks, which is a bug. */
export async function runWorld(scene: Scene, settings: Settings): Promise<Frame[]> {
  const visits = scene.visits(settings);
  let step = 0;
  const longest = longestOf(visits);
  const machine = build(settings, longest, () => step);
  const { memory, scheduler, executor } = machine;
  const guests: Guest[] = [];
  const frames: Frame[] = [];
  let seen = countersOf(machine);

  const byId = (id: number): Guest => guests[id];
  const byName = (name: string): Guest | undefined => guests.find((guest) => guest.name === name);

  function arrive(visit: Visit, happenings: Happening[]): void {
    const { name, outputTokens, forkOf } = visit;
    const parent = forkOf === undefined ? undefined : byName(forkOf);
    const tokenIds = parent ? [...parent.tokenIds] : [...visit.promptTokenIds];
    const guest: Guest = {
      id: guests.length,
      name,
      tokenIds,
      promptTokens: tokenIds.length,
      outputTokens,
      status: 'waiting',
      answer: [],
      cachedTokens: 0,
      blocks: [],
      computedTokens: 0,
    };
    guests.push(guest);
    try {
      if (parent?.status === 'running') {
        // A fork says something else from its first token on.
        const last = (tokenIds[tokenIds.length - 1] + 1 + guest.id) % 1000;
        tokenIds[tokenIds.length - 1] = last;
        scheduler.fork(parent.id, guest.id, { maxNewTokens: outputTokens, replaceLastTokenId: last });
        const state = describe(scheduler, guest.id);
        if (state) Object.assign(guest, { blocks: state.blocks, computedTokens: state.computedTokens });
        if (state?.state === 'running') guest.status = 'running';
        happenings.push({ kind: 'forked', name, parent: parent.name, blocks: guest.blocks });
        return;
      }
      scheduler.add({
        id: guest.id,
        promptTokenIds: tokenIds,
        maxNewTokens: outputTokens,
        salt: '',
        wantsPromptLogits: false,
      });
      happenings.push({ kind: 'arrived', name, tokens: tokenIds.length });
    } catch (error) {
      if (!(error instanceof ContextLengthError)) throw error;
      guest.status = 'refused';
      happenings.push({ kind: 'refused', name, tokens: tokenIds.length + outputTokens });
    }
  }

  function run(plan: StepPlan, happenings: Happening[]): Map<number, number> {
    for (const id of plan.preempted) {
      byId(id).status = 'preempted';
      byId(id).blocks = [];
      happenings.push({ kind: 'preempted', name: byId(id).name });
    }
    for (const { id, cachedTokens, resumed } of plan.admitted) {
      const guest = byId(id);
      guest.status = 'running';
      guest.cachedTokens = cachedTokens;
      happenings.push({ kind: 'admitted', name: guest.name, hitTokens: cachedTokens, resumed });
    }
    const references = memory.blockMap().references;
    const copies = new Map<number, number>();
    for (let i = 0; i < plan.bindings.copyCount; i++) {
      copies.set(plan.bindings.blockCopies[2 * i + 1], plan.bindings.blockCopies[2 * i]);
    }
    for (const { id } of plan.sequences) {
      const guest = byId(id);
      const { blocks } = describe(scheduler, id)!;
      const added = blocks.filter((block, index) => block !== -1 && guest.blocks[index] !== block);
      const copied = added.filter((block) => copies.has(block));
      for (const block of copied) {
        happenings.push({ kind: 'copied', source: copies.get(block)!, destination: block, name: guest.name });
      }
      const hits = Math.floor(guest.cachedTokens / settings.blockSize);
      const isNew = plan.admitted.some((it) => it.id === id);
      const shared = added.filter(
        (block) => !copied.includes(block) && isNew && (blocks.indexOf(block) < hits || references[block] > 1),
      );
      const fresh = added.filter((block) => !copied.includes(block) && !shared.includes(block));
      if (shared.length > 0) happenings.push({ kind: 'shared', name: guest.name, blocks: shared });
      if (fresh.length > 0) happenings.push({ kind: 'allocated', name: guest.name, blocks: fresh });
    }
    const sampled = executor.execute(plan, (id) => byId(id).tokenIds);
    memory.reclaim();
    return sampled;
  }

  function settle(plan: StepPlan, sampled: Map<number, number>, happenings: Happening[]): void {
    scheduler.complete(
      plan,
      [...sampled].map(([id, tokenId]) => ({ id, tokenId, finished: false })),
    );
    for (const [id, tokenId] of sampled) {
      const guest = byId(id);
      guest.tokenIds.push(tokenId);
      guest.answer.push(tokenId);
      if (guest.answer.length < guest.outputTokens) continue;
      guest.status = 'finished';
      happenings.push({ kind: 'finished', name: guest.name, tokens: guest.tokenIds.length });
    }
  }

  function keepFrame(plan: StepPlan | null, happenings: Happening[]): void {
    const after = countersOf(machine);
    const changes = (['evicted', 'paged-out', 'paged-in'] as const).map(
      (kind, i) => [kind, after[i] - seen[i]] as const,
    );
    for (const [kind, count] of changes) {
      if (count <= 0) continue;
      happenings.push(kind === 'evicted' ? { kind, blocks: count } : { kind, pages: count });
    }
    seen = after;
    frames.push(frameOf(machine, settings, step, guests, plan, happenings));
  }

  keepFrame(null, []);
  while (step < MAX_STEPS) {
    step++;
    const happenings: Happening[] = [];
    for (const visit of visits) if (visit.step === step) arrive(visit, happenings);
    const plan = scheduler.schedule();
    if (plan !== null) settle(plan, run(plan, happenings), happenings);
    await memory.settled();
    memory.checkIntegrity();
    keepFrame(plan, happenings);
    const isOver =
      visits.every((visit) => visit.step <= step) &&
      guests.every(({ status }) => status === 'finished' || status === 'refused');
    if (isOver) break;
  }
  return frames;
}

function describe(scheduler: Scheduler, id: number) {
  return scheduler.describe().find((it) => it.id === id);
}

/** Evictions, pages out, pages in. */
function countersOf({ memory }: Machine): readonly [number, number, number] {
  return [memory.counters.evictions, memory.paging?.pagesOut ?? 0, memory.paging?.pagesIn ?? 0];
}

/** The longest that any sequence becomes; a fork has all that its parent may have said. */
function longestOf(visits: readonly Visit[]): number {
  const lengths = new Map<string, number>();
  for (const { name, promptTokenIds, outputTokens, forkOf } of visits) {
    const start = forkOf === undefined ? promptTokenIds.length : (lengths.get(forkOf) ?? 0);
    lengths.set(name, start + outputTokens);
  }
  return Math.max(1, ...lengths.values());
}

function frameOf(
  { memory, scheduler, tier }: Machine,
  settings: Settings,
  step: number,
  guests: readonly Guest[],
  plan: StepPlan | null,
  happenings: readonly Happening[],
): Frame {
  const { blockSize } = settings;
  const { references, cached } = memory.blockMap();
  const owners: string[][] = references.map(() => []);
  const filled = cached.map((isCached) => (isCached ? blockSize : 0));
  const states = new Map(scheduler.describe().map((state) => [state.id, state]));
  const sequences = guests.map((guest): SequenceState => {
    const state = states.get(guest.id);
    guest.blocks = state?.blocks.slice() ?? [];
    guest.computedTokens = state?.computedTokens ?? (guest.status === 'finished' ? guest.tokenIds.length : 0);
    for (const [index, block] of guest.blocks.entries()) {
      if (block === -1) continue;
      owners[block].push(guest.name);
      filled[block] = Math.max(filled[block], Math.min(blockSize, guest.computedTokens - index * blockSize));
    }
    return {
      name: guest.name,
      status: guest.status,
      blocks: guest.blocks,
      computedTokens: guest.computedTokens,
      totalTokens: guest.promptTokens + guest.outputTokens,
      scheduledTokens: plan?.sequences.find(({ id }) => id === guest.id)?.tokenCount ?? 0,
      cachedTokens: guest.cachedTokens,
      answer: [...guest.answer],
    };
  });
  const blocks = references.map(
    (_, block): BlockState => ({
      owners: owners[block],
      isCached: cached[block],
      filled: Math.max(0, filled[block]),
    }),
  );
  const { usedSlots, heldSlots } = memory.slotUse();
  const { evictions, copyOnWrites, prefixHitTokens } = memory.counters;
  const { computedTokens, preemptions } = scheduler.counters;
  return {
    step,
    blocks,
    sequences,
    happenings,
    figures: {
      usedSlots,
      heldSlots,
      poolSlots: references.length * blockSize,
      hitTokens: prefixHitTokens,
      computedTokens,
      evictions,
      copyOnWrites,
      preemptions,
      pagesOut: memory.paging?.pagesOut ?? 0,
      pagesIn: memory.paging?.pagesIn ?? 0,
    },
    hostPages: tier?.usage.pages ?? 0,
  };
}
