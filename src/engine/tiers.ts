// Makes the tiers below the pool that the options ask for: for each cache group its own.

import type { Backend, KvLayout } from '../backends/backend.ts';
import { kvBlockBytes } from '../backends/backend.ts';
import { createNativePageCodec } from '../backends/cpu/index.ts';
import { InvalidRequestError } from '../errors/errors.ts';
import type { KvMemory, PagingFigures } from '../memory/index.ts';
import {
  alignUp,
  type CompressedForm,
  createHostTier,
  createNodeFiles,
  createPageCodec,
  createTierStack,
  type EvictionHandler,
  guardTier,
  openFileTiers,
  type PageCodec,
  type PageShape,
  type Tier,
  type TierEventHandler,
  type TierFiles,
  type TierStack,
  type TierState,
} from '../tiers/index.ts';
import { arithmeticOf } from './kv-fingerprint.ts';
import type { PoolPlan } from './memory-plan.ts';
import { choosePageChecksum, populateArenas } from './page-memory.ts';

/** Where pages go that are evicted from the pool. Without `hostBytes` and `path` they are forgotten. */
export interface TierSettings {
  /** Memory of the host tier, of all cache groups together. Defaults to none. */
  readonly hostBytes?: number;
  /**
   * The form of the host tier's colder pages. `raw` changes nothing; `int8` and `fp8` hold nearly twice as many f16 pages and change
   * what the model answers a little after such a page came back. Defaults to `raw`.
   */
  readonly hostForm?: 'raw' | CompressedForm;
  /** Folder of the file tier, made if it is missing, for this process alone. Cache groups beside the first have folders in it. Defaults to none. */
  readonly path?: string;
  /** Bytes of all files in the folder, never exceeded. Defaults to 4 GiB. */
  readonly fileBytes?: number;
  /** The file system. Defaults to that of this machine. */
  readonly files?: TierFiles;
  /** Hears of faults and of tiers that are taken out and tried again. Defaults to nobody. */
  readonly onEvent?: TierEventHandler;
}

/** Whether the settings, if any, ask for a tier. */
export function asksForTiers(settings: TierSettings | undefined): boolean {
  return settings?.hostBytes !== undefined || settings?.path !== undefined;
}

export interface TierContext {
  readonly backend: Backend;
  /** Of each cache group. */
  readonly pools: readonly Pick<PoolPlan, 'kv' | 'group'>[];
  /** Of the model. */
  readonly fingerprint: () => Promise<string>;
  readonly now: () => number;
  /** Calls `action` after that many milliseconds. */
  readonly after: (ms: number, action: () => void) => void;
}

const defaultFileBytes = 4 * 2 ** 30;

/**
 * Tiers of each cache group: pages of a group have a size of their own. What the tiers may take is divided so that all groups have room for as many
 * pages. Null if no tier is asked for. Throws InvalidRequestError for settings out of range, TierFolderError for a folder that cannot be had.
 */
export async function openTiers(settings: TierSettings, context: TierContext): Promise<readonly TierStack[] | null> {
  const { hostBytes, path, hostForm = 'raw' } = settings;
  checkSettings(settings);
  if (!asksForTiers(settings)) return null;
  const { pools, now, after } = context;
  const { onEvent } = settings;
  const clock = { now };
  const codecs = hostBytes === undefined || hostForm === 'raw' ? pools.map(() => null) : codecsOf(hostForm, context);
  const fileTiers = path === undefined ? [] : await openFiles(path, settings, context, codecs);
  const arenas: Uint8Array[] = [];
  let stacks: readonly TierStack[];
  try {
    stacks = pools.map(({ kv }, group) => {
      const makers: ((onEvict: EvictionHandler | undefined) => Tier)[] = [];
      if (hostBytes !== undefined) {
        const budgetBytes = shareOf(hostBytes, pools, group);
        const sizes = { pageBytes: kvBlockBytes(kv), budgetBytes };
        const host = {
          ...sizes,
          clock,
          codec: codecs[group],
          prepareMemory: (arena: Uint8Array) => arenas.push(arena),
        };
        makers.push((onEvict) => createHostTier({ ...host, onEvict }));
      }
      if (path !== undefined) makers.push(() => guardTier(fileTiers[group], { clock, after, onEvent }));
      return createTierStack({ clock, tiers: makers });
    });
  } catch (error) {
    for (const tier of fileTiers) await tier.close();
    throw error;
  }
  await populateArenas(arenas, context, () => stacks.every(({ state }) => state === 'closed'));
  return stacks;
}

async function openFiles(
  folder: string,
  { fileBytes = defaultFileBytes, files = createNodeFiles(), hostForm = 'raw', onEvent }: TierSettings,
  { backend, pools, fingerprint, now }: TierContext,
  codecs: readonly (PageCodec | null)[],
): Promise<readonly Tier[]> {
  const model = await fingerprint();
  const checksum = choosePageChecksum();
  return openFileTiers(
    { folder, files, onEvent },
    pools.map(({ kv, group: { layers, windowTokens, sinkTokens } }, group) => ({
      clock: { now },
      pageBytes: kvBlockBytes(kv),
      budgetBytes: shareOf(fileBytes, pools, group),
      identity: JSON.stringify({
        version: 1,
        model,
        arithmetic: arithmeticOf(backend),
        kv,
        hostForm,
        // What lies in one group alone depends on nothing else.
        ...(pools.length > 1 && { group: { layers, windowTokens, sinkTokens } }),
      }),
      onOtherIdentity: 'discard',
      isLossy: codecs[group] !== null,
      checksum,
    })),
  );
}

/** In proportion to what a page takes where transfers are aligned. */
function shareOf(budgetBytes: number, pools: TierContext['pools'], group: number): number {
  const sizes = pools.map(({ kv }) => alignUp(kvBlockBytes(kv)));
  return Math.floor((budgetBytes * sizes[group]) / sizes.reduce((sum, size) => sum + size, 0));
}

function checkSettings({ hostBytes, hostForm = 'raw', path, fileBytes }: TierSettings): void {
  for (const [name, value] of [
    ['tiers.hostBytes', hostBytes],
    ['tiers.fileBytes', fileBytes],
  ] as const) {
    if (value !== undefined && (!Number.isSafeInteger(value) || value < 1)) {
      throw new InvalidRequestError(`${name} must be a positive integer, got ${value}`, name, value);
    }
  }
  if (!['raw', 'int8', 'fp8'].includes(hostForm)) {
    throw new InvalidRequestError(
      `tiers.hostForm must be raw, int8 or fp8, got ${hostForm}`,
      'tiers.hostForm',
      hostForm,
    );
  }
  if (path === '') throw new InvalidRequestError('tiers.path must name a folder', 'tiers.path', path);
}

/** Codecs of the groups whose types have a smaller form; the pages of the others stay as they are. */
function codecsOf(form: CompressedForm, { pools, backend }: TierContext): readonly (PageCodec | null)[] {
  const codecs = pools.map(({ kv }) => codecOf(form, kv, backend));
  if (codecs.every((codec) => codec === null)) {
    const { keyDType, valueDType } = pools[0].kv;
    throw new InvalidRequestError(
      `tiers.hostForm ${form} needs K and V of one type, f32, f16 or bf16, not ${keyDType} and ${valueDType}`,
      'tiers.hostForm',
      form,
    );
  }
  return codecs;
}

function codecOf(form: CompressedForm, kv: KvLayout, backend: Backend): PageCodec | null {
  const { layerCount, kvHeadCount, headSize, blockSize, keyDType, valueDType } = kv;
  if (keyDType !== valueDType || (keyDType !== 'f32' && keyDType !== 'f16' && keyDType !== 'bf16')) return null;
  const areKeysTransposed = backend.name === 'cpu';
  const shape: PageShape = { layerCount, kvHeadCount, headSize, blockSize, dtype: keyDType, areKeysTransposed };
  return areKeysTransposed ? createNativePageCodec(shape, form) : createPageCodec(shape, form);
}

/** What the tiers hold and what moved, since start. Pages are blocks. */
export interface TierStats extends PagingFigures {
  readonly tiers: readonly {
    readonly name: string;
    readonly state: TierState;
    readonly pages: number;
    readonly bytes: number;
    readonly budgetBytes: number;
    readonly hits: number;
    readonly evictions: number;
    readonly bytesIn: number;
    readonly bytesOut: number;
    readonly corruptPages: number;
    readonly failedReads: number;
    readonly failedWrites: number;
    /** Pages whose write took too long to be waited for; the tier is suspended until it ends. */
    readonly abandonedWrites: number;
  }[];
  /** Evicted pages of the host tier that no tier took. */
  readonly lostEvictions: number;
  readonly promotions: number;
}

/** Of all cache groups together; a tier is as well as its worst part. */
export function tierStats(stacks: readonly TierStack[], memory: KvMemory): TierStats {
  const sum = (figure: (stack: TierStack) => number): number =>
    stacks.reduce((total, stack) => total + figure(stack), 0);
  return {
    ...memory.paging!,
    tiers: stacks[0].tiers.map(({ name }, index) => {
      const of = (figure: (tier: Tier) => number): number => sum(({ tiers }) => figure(tiers[index]));
      const states = stacks.map(({ tiers }) => tiers[index].state);
      return {
        name,
        state: states.find((state) => state !== 'ready') ?? 'ready',
        pages: of(({ usage }) => usage.pages),
        bytes: of(({ usage }) => usage.bytes),
        budgetBytes: of(({ usage }) => usage.budgetBytes),
        hits: sum(({ figures }) => figures.hitsByTier[index]),
        evictions: of(({ counters }) => counters.evictions),
        bytesIn: of(({ counters }) => counters.bytesIn),
        bytesOut: of(({ counters }) => counters.bytesOut),
        corruptPages: of(({ counters }) => counters.corrupt),
        failedReads: of(({ counters }) => counters.failedReads),
        failedWrites: of(({ counters }) => counters.failedWrites),
        abandonedWrites: of(({ counters }) => counters.abandonedWrites),
      };
    }),
    lostEvictions: sum(({ figures }) => figures.lostEvictions),
    promotions: sum(({ figures }) => figures.promotions),
  };
}
