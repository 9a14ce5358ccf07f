// Saves a conversation's pages to a file and brings them back: which blocks, when they are copied, and what must be equal.

import type { Backend, Executable, KvLayout } from '../backends/backend.ts';
import { SessionFileError } from '../errors/errors.ts';
import { type BlockFill, createBlockHasher, HASH_WORDS, type KvMemory, type KvSequence } from '../memory/index.ts';
import type { LoadedModel } from '../models/model.ts';
import {
  openSession,
  pageKey,
  type SavedSession,
  type SessionIdentity,
  saveSession,
  type TierFiles,
} from '../tiers/index.ts';
import type { LoadedSession, SavedSessionInfo } from './api.ts';
import { arithmeticOf } from './kv-fingerprint.ts';
import type { MemoryPlan } from './memory-plan.ts';
import { choosePageChecksum } from './page-checksum.ts';

export interface SessionParts {
  readonly model: LoadedModel;
  readonly backend: Pick<Backend, 'name' | 'description'>;
  readonly executable: Executable;
  readonly memory: KvMemory;
  readonly plan: MemoryPlan;
  /** Of the model. */
  readonly fingerprint: () => Promise<string>;
  /** `K/V` as users name it. */
  readonly kvType: string;
  readonly files: TierFiles;
  readonly runningCount: () => number;
  /** Runs an action while no step runs. Rejects when the engine is closed. */
  readonly betweenSteps: (action: () => void) => Promise<void>;
  /** Blocks were given back: something that waits may run now. */
  readonly wake: () => void;
}

export interface Sessions {
  save(path: string, tokenIds: readonly number[], salt: string, data: string | null): Promise<SavedSessionInfo>;
  load(path: string, salt: string): Promise<LoadedSession>;
}

/** Pages copied between two steps, at most: a few milliseconds of the steps' time. */
const BATCH_PAGES = 16;

/**
 * Keys in a file are those of the salt "": they bind pages to their tokens, and neither tell nor need the salt that the blocks were
 * cached under.
 */
const FILE_SALT = '';

export function createSessions(parts: SessionParts): Sessions {
  const { model, executable, memory, plan, files, betweenSteps } = parts;
  const { blockSize } = plan.kv;
  const hasher = createBlockHasher(blockSize);
  const checksum = choosePageChecksum();
  let identity: Promise<SessionIdentity> | null = null;
  /** Saves run one after the other: two of one path would write one draft. */
  let lastSave: Promise<unknown> = Promise.resolve();

  function identityOf(): Promise<SessionIdentity> {
    identity ??= parts.fingerprint().then((hash) => ({
      model: `${model.config.name} (${hash.slice(0, 16)})`,
      kvType: parts.kvType,
      layout: layoutOf(parts.backend, plan.kv),
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
  ): Promise<SavedSessionInfo> {
    const ours = await identityOf();
    const hold = memory.holdPrefix(memory.open(tokenIds, salt));
    try {
      const { cachedBlocks } = hold;
      const chain = fileChain(tokenIds, cachedBlocks.length);
      const keys = cachedBlocks.map((_, i) => pageKey(chain, (i + 1) * HASH_WORDS));
      const readPages = (first: number, into: readonly Uint8Array[]) =>
        betweenSteps(() => {
          for (const [i, page] of into.entries()) executable.readBlock(cachedBlocks[first + i], page);
        });
      const content = { identity: ours, tokenIds, pageBytes: plan.blockBytes, keys, data, readPages };
      await saveSession(files, path, content, checksum);
      return { tokenCount: tokenIds.length, cachedTokens: cachedBlocks.length * blockSize };
    } finally {
      end(hold, 0);
    }
  }

  /** A fill for as many of the leading `count` blocks as there is room for beside what runs, or null if there is none. */
  function beginLongestFill(sequence: KvSequence, count: number): BlockFill | null {
    const running = parts.runningCount();
    const spareBlocks = running === 0 ? 0 : Math.ceil(plan.blockCount / 100) + running;
    const begin = (blocks: number) => memory.beginFill(sequence, 0, blocks, spareBlocks);
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

  /** Reads the pages of a fill into its blocks. */
  async function fillBlocks(session: SavedSession, fill: BlockFill): Promise<void> {
    const { blocks, indices } = fill;
    const batchBytes = Math.min(BATCH_PAGES, blocks.length) * plan.blockBytes;
    const buffers = [new Uint8Array(batchBytes), new Uint8Array(batchBytes)];
    const runs = runsOf(indices);

    async function read(run: number): Promise<readonly Uint8Array[]> {
      const { first, count } = runs[run];
      const bytes = buffers[run % 2];
      const pages = Array.from({ length: count }, (_, i) =>
        bytes.subarray(i * plan.blockBytes, (i + 1) * plan.blockBytes),
      );
      await session.readPages(indices[first], pages);
      return pages;
    }

    // One run is read while the one before it is copied.
    let reading: Promise<readonly Uint8Array[]> | null = runs.length > 0 ? read(0) : null;
    for (let run = 0; reading !== null; run++) {
      const pages = await reading;
      reading = run + 1 < runs.length ? read(run + 1) : null;
      const copying = betweenSteps(() => {
        for (const [i, page] of pages.entries()) executable.writeBlock(blocks[runs[run].first + i], page);
      });
      // Both have to end before the blocks may be given back and the file closed.
      const [copied] = await Promise.allSettled([copying, reading]);
      if (copied.status === 'rejected') throw copied.reason;
    }
  }

  /** Refuses pages that are not those of the file's own tokens. */
  function checkPages(path: string, { keys, tokenIds, pageBytes }: SavedSession): void {
    const ids = Array.from(tokenIds);
    const fits = pageBytes === plan.blockBytes && keys.length * blockSize <= ids.length;
    const chain = fits ? fileChain(ids, keys.length) : null;
    if (chain === null || keys.some((key, i) => key !== pageKey(chain, (i + 1) * HASH_WORDS))) {
      throw new SessionFileError(path, 'corrupt', 'its pages are not those of its tokens');
    }
  }

  async function load(path: string, salt: string): Promise<LoadedSession> {
    const session = await openSession(files, path, await identityOf(), checksum);
    try {
      checkPages(path, session);
      const tokenIds = Array.from(session.tokenIds);
      const sequence = memory.open(tokenIds, salt);
      const fill = session.keys.length === 0 ? null : beginLongestFill(sequence, session.keys.length);
      if (fill !== null) {
        let filledCount = 0;
        try {
          await fillBlocks(session, fill);
          filledCount = fill.blocks.length;
        } finally {
          // One damaged page refuses the file: nothing of it stays.
          end(fill, filledCount);
        }
      }
      const loadedTokens = memory.match(sequence, tokenIds.length, false).cachedTokens;
      return { tokenIds, cachedTokens: loadedTokens, data: session.data };
    } finally {
      await session.close();
    }
  }

  return {
    save(path, tokenIds, salt, data) {
      const saving = lastSave.then(() => save(path, tokenIds, salt, data));
      lastSave = saving.catch(() => undefined);
      return saving;
    },
    load,
  };
}

/** Stretches of neighbouring logical blocks, as positions in `indices`, none longer than a batch. */
function runsOf(indices: readonly number[]): { readonly first: number; readonly count: number }[] {
  const runs: { first: number; count: number }[] = [];
  for (const [i, index] of indices.entries()) {
    const last = runs.at(-1);
    if (last !== undefined && last.count < BATCH_PAGES && index === indices[i - 1] + 1) last.count++;
    else runs.push({ first: i, count: 1 });
  }
  return runs;
}

function layoutOf(backend: SessionParts['backend'], kv: KvLayout): string {
  const { layerCount, kvHeadCount, headSize, blockSize } = kv;
  return `${layerCount} layers of ${kvHeadCount} x ${headSize}, blocks of ${blockSize} tokens, ${arithmeticOf(backend)}`;
}
