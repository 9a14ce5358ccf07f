// Saves a conversation's pages to a file and brings them back: which blocks, when they are copied, and what must be equal.

import type { Backend, Executable, KvLayout } from '../backends/backend.ts';
import { SessionFileError } from '../errors/errors.ts';
import {
  type BlockFill,
  createBlockHasher,
  fillsOf,
  HASH_WORDS,
  type KvMemory,
  type KvSequence,
} from '../memory/index.ts';
import type { LoadedModel } from '../models/model.ts';
import {
  openSession,
  pageKey,
  type SavedSession,
  type SessionIdentity,
  type SessionPages,
  saveSession,
  type TierFiles,
} from '../tiers/index.ts';
import type { LoadedSession, SavedSessionInfo } from './api.ts';
import { formatKvDTypes } from './kv-cache-dtype.ts';
import { arithmeticOf } from './kv-fingerprint.ts';
import type { MemoryPlan, PoolPlan } from './memory-plan.ts';
import { choosePageChecksum } from './page-memory.ts';
import { fillFromFile, type PagePlaces } from './session-fill.ts';
import { createStallWatch, type StallWatch } from './stall-watch.ts';

export interface SessionParts {
  readonly model: { readonly config: Pick<LoadedModel['config'], 'name'> };
  readonly backend: Pick<Backend, 'name' | 'description'>;
  readonly executable: Pick<Executable, 'readBlock' | 'writeBlock'>;
  readonly memory: KvMemory;
  readonly plan: Pick<MemoryPlan, 'blockCount'> & {
    /** Of each cache group. */
    readonly pools: readonly Pick<PoolPlan, 'kv' | 'blockBytes'>[];
  };
  /** Of the model. */
  readonly fingerprint: () => Promise<string>;
  /** `K/V` as users name it. */
  readonly kvType: string;
  readonly files: TierFiles;
  readonly runningCount: () => number;
  /** Runs an action while no step runs. Rejects when the engine is closed. */
  readonly betweenSteps: (action: () => void) => Promise<void>;
  /** Calls `action` after that many milliseconds. */
  readonly after: (ms: number, action: () => void) => void;
  /** Blocks were given back: something that waits may run now. */
  readonly wake: () => void;
}

export interface Sessions {
  save(path: string, tokenIds: readonly number[], salt: string, data: string | null): Promise<SavedSessionInfo>;
  load(path: string, salt: string): Promise<LoadedSession>;
  /** Resolves when no file is open any more, those that were given up included. */
  settled(): Promise<void>;
}

/** A file that does not move for so long (at most twice) is given up: meanwhile its pages hold memory that requests may wait for. */
const PATIENCE_MS = 5000;

/**
 * Keys in a file are those of the salt "": they bind pages to their tokens, and neither tell nor need the salt that the blocks were
 * cached under.
 */
const FILE_SALT = '';

/** The pages of each cache group. */
const groupsOf = (session: SavedSession): readonly SessionPages[] => [session, ...session.otherGroups];

export function createSessions(parts: SessionParts): Sessions {
  const { model, executable, memory, plan, files, betweenSteps } = parts;
  const { pools } = plan;
  const { blockSize } = memory;
  const hasher = createBlockHasher(blockSize);
  const checksum = choosePageChecksum();
  let identity: Promise<SessionIdentity> | null = null;
  /** Saves run one after the other: two of one path would write one draft. */
  let lastSave: Promise<unknown> = Promise.resolve();
  /** Loaded files that are being closed. */
  const closings = new Set<Promise<unknown>>();

  function identityOf(): Promise<SessionIdentity> {
    identity ??= parts.fingerprint().then((hash) => ({
      model: `${model.config.name} (${hash.slice(0, 16)})`,
      kvType: parts.kvType,
      layout: layoutOf(
        parts.backend,
        pools.map(({ kv }) => kv),
      ),
    }));
    return identity;
  }

  /** The hash chain that a file's keys are from; the root, then four words a block. */
  function fileChain(tokenIds: readonly number[], blockCount: number): Uint32Array {
    const chain = new Uint32Array((blockCount + 1) * HASH_WORDS);
    hasher.root(FILE_SALT, chain);
    for (let index = 1; index <= blockCount; index++) hasher.extend(chain, index, tokenIds);
    return chain;
  }

  function end(fill: BlockFill, filledCount: number): void {
    memory.endFill(fill, filledCount);
    parts.wake();
  }

  async function save(
    path: string,
    tokenIds: readonly number[],
    salt: string,
    data: string | null,
    onBegun: (ended: Promise<unknown>) => void,
  ): Promise<SavedSessionInfo> {
    const ours = await identityOf();
    const hold = memory.holdPrefix(memory.open(tokenIds, salt));
    const watch = createStallWatch(path, parts.after, PATIENCE_MS);
    let isHeld = true;
    const letGo = (): void => {
      if (isHeld) end(hold, 0);
      isHeld = false;
    };
    try {
      const { endBlock } = hold;
      const chain = fileChain(tokenIds, endBlock);
      let pagesLeft = fillsOf(hold).reduce((sum, { cachedBlocks }) => sum + cachedBlocks.length, 0);
      const groups = fillsOf(hold).map(
        ({ cachedBlocks, cachedIndices }, group): SessionPages => ({
          pageBytes: pools[group].blockBytes,
          keys: cachedIndices.map((index) => pageKey(chain, (index + 1) * HASH_WORDS)),
          async readPages(first, into) {
            watch.touch();
            await betweenSteps(() => {
              if (watch.isOver) throw new SessionFileError(path, 'io', 'it was given up');
              for (const [i, page] of into.entries()) executable.readBlock(cachedBlocks[first + i], page, group);
            });
            watch.touch();
            pagesLeft -= into.length;
            if (pagesLeft === 0) letGo();
          },
        }),
      );
      const content = { identity: ours, tokenIds, data, ...groups[0], otherGroups: groups.slice(1) };
      const saving = saveSession(files, path, content, checksum);
      // Two of one path would write one draft: the next one waits for this one's end, whoever has given it up.
      onBegun(saving.catch(() => undefined));
      await watch.guard(saving);
      return { tokenCount: tokenIds.length, cachedTokens: endBlock * blockSize };
    } finally {
      watch.end();
      letGo();
    }
  }

  /**
   * A fill for as many of the leading blocks that the file has as there is room for beside what runs, or null if there is none. Of a window's pages
   * a part is of no use, or it lacks some.
   */
  function beginLongestFill(sequence: KvSequence, places: readonly PagePlaces[]): BlockFill | null {
    const count = Math.max(...places.map((pageOf) => ([...pageOf.keys()].at(-1) ?? -1) + 1));
    const running = parts.runningCount();
    const spareBlocks = running === 0 ? 0 : Math.ceil(plan.blockCount / 100) + running;
    const begin = (blocks: number): BlockFill | null => {
      const fill = memory.beginFill(sequence, 0, blocks, spareBlocks);
      if (fill === null) return null;
      if (fillsOf(fill).every(({ indices }, group) => indices.every((index) => places[group].has(index)))) return fill;
      memory.endFill(fill, 0);
      return null;
    };
    if (count === 0) return null;
    const whole = begin(count);
    if (whole !== null) return whole;
    let fits = 0;
    for (let tooMany = count; tooMany - fits > 1; ) {
      const middle = (fits + tooMany) >> 1;
      const fill = begin(middle);
      if (fill === null) {
        tooMany = middle;
      } else {
        memory.endFill(fill, 0);
        fits = middle;
      }
    }
    return fits === 0 ? null : begin(fits);
  }

  async function fillGroups(
    session: SavedSession,
    places: readonly PagePlaces[],
    fill: BlockFill,
    watch: StallWatch,
  ): Promise<void> {
    for (const [group, part] of fillsOf(fill).entries()) {
      await fillFromFile(groupsOf(session)[group], {
        pageOf: places[group],
        fill: part,
        watch,
        write: (block, page) => executable.writeBlock(block, page, group),
        betweenSteps,
      });
    }
  }

  /** Where the pages of each cache group are. Refuses pages that are not those of the file's own tokens. */
  function placePages(path: string, session: SavedSession): readonly PagePlaces[] {
    const ids = Array.from(session.tokenIds);
    const fullBlocks = Math.floor(ids.length / blockSize);
    const chain = fileChain(ids, fullBlocks);
    const groups = groupsOf(session);
    const places = groups.map(({ keys, pageBytes }, group) => {
      const pageOf = new Map<number, number>();
      if (pageBytes !== pools[group]?.blockBytes) return pageOf;
      for (let index = 0; index < fullBlocks && pageOf.size < keys.length; index++) {
        if (keys[pageOf.size] === pageKey(chain, (index + 1) * HASH_WORDS)) pageOf.set(index, pageOf.size);
      }
      return pageOf;
    });
    if (groups.length !== pools.length || places.some(({ size }, group) => size < groups[group].keys.length)) {
      throw new SessionFileError(path, 'corrupt', 'its pages are not those of its tokens');
    }
    return places;
  }

  async function load(path: string, salt: string): Promise<LoadedSession> {
    const session = await openSession(files, path, await identityOf(), checksum);
    try {
      const places = placePages(path, session);
      const tokenIds = Array.from(session.tokenIds);
      const sequence = memory.open(tokenIds, salt);
      const fill = beginLongestFill(sequence, places);
      if (fill !== null) {
        let filledCount = 0;
        const watch = createStallWatch(path, parts.after, PATIENCE_MS);
        try {
          const filling = fillGroups(session, places, fill, watch);
          filling.catch(() => undefined);
          await watch.guard(filling);
          filledCount = fillsOf(fill).reduce((sum, { blocks }) => sum + blocks.length, 0);
        } finally {
          watch.end();
          // One damaged page refuses the file: nothing of it stays.
          end(fill, filledCount);
        }
      }
      const loadedTokens = memory.match(sequence, tokenIds.length, false).cachedTokens;
      return { tokenIds, cachedTokens: loadedTokens, data: session.data };
    } finally {
      // It ends when reads do that were given up.
      const closing = session.close().catch(() => undefined);
      closings.add(closing);
      void closing.then(() => closings.delete(closing));
    }
  }

  return {
    save(path, tokenIds, salt, data) {
      let ended: Promise<unknown> = Promise.resolve();
      const onBegun = (work: Promise<unknown>): void => {
        ended = work;
      };
      const saving = lastSave.then(() => save(path, tokenIds, salt, data, onBegun));
      lastSave = saving.catch(() => undefined).then(() => ended);
      return saving;
    },
    load,
    async settled() {
      await lastSave;
      await Promise.all(closings);
    },
  };
}

function layoutOf(backend: SessionParts['backend'], layouts: readonly KvLayout[]): string {
  const groups = layouts.map((kv) => {
    const shape = `${kv.layerCount} layers of ${kv.kvHeadCount} x ${kv.headSize}`;
    return layouts.length === 1 ? shape : `${shape} in ${formatKvDTypes(kv)}`;
  });
  return `${groups.join(' + ')}, blocks of ${layouts[0].blockSize} tokens, ${arithmeticOf(backend)}`;
}
