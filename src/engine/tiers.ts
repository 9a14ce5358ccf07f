// Makes the tiers below the pool that the options ask for.

import type { Backend, KvLayout } from '../backends/backend.ts';
import { kvBlockBytes } from '../backends/backend.ts';
import { createNativePageCodec } from '../backends/cpu/index.ts';
import { InvalidRequestError } from '../errors/errors.ts';
import type { KvMemory, PagingFigures } from '../memory/index.ts';
import {
  type CompressedForm,
  createHostTier,
  createNodeFiles,
  createPageCodec,
  createTierStack,
  type EvictionHandler,
  guardTier,
  openFileTier,
  type PageCodec,
  type PageShape,
  type Tier,
  type TierEventHandler,
  type TierFiles,
  type TierStack,
  type TierState,
} from '../tiers/index.ts';
import { arithmeticOf } from './kv-fingerprint.ts';
import { choosePageChecksum, populateArenas } from './page-memory.ts';

/** Where pages go that are evicted from the pool. Without `hostBytes` and `path` they are forgotten. */
export interface TierSettings {
  /** Memory of the host tier. Defaults to none. */
  readonly hostBytes?: number;
  /**
   * The form of the host tier's colder pages. `raw` changes nothing; `int8` and `fp8` hold nearly twice as many f16 pages and change
   * what the model answers a little after such a page came back. Defaults to `raw`.
   */
  readonly hostForm?: 'raw' | CompressedForm;
  /** Folder of the file tier, made if it is missing, for this process alone. Defaults to none. */
  readonly path?: string;
  /** Bytes of all files in the folder, never exceeded. Defaults to 4 GiB. */
  readonly fileBytes?: number;
  /** The file system. Defaults to that of this machine. */
  readonly files?: TierFiles;
  /** Hears of faults and of tiers that are taken out and tried again. Defaults to nobody. */
  readonly onEvent?: TierEventHandler;
}

export interface TierContext {
  readonly backend: Backend;
  readonly kv: KvLayout;
  /** Of the model. */
  readonly fingerprint: () => Promise<string>;
  readonly now: () => number;
  /** Calls `action` after that many milliseconds. */
  readonly after: (ms: number, action: () => void) => void;
}

const defaultFileBytes = 4 * 2 ** 30;

/** Null if no tier is asked for. Throws InvalidRequestError for settings out of range, TierFolderError for a folder that cannot be had. */
export async function openTiers(settings: TierSettings, context: TierContext): Promise<TierStack | null> {
  const { hostBytes, path, fileBytes = defaultFileBytes, hostForm = 'raw' } = settings;
  checkSettings(settings);
  if (hostBytes === undefined && path === undefined) return null;
  const pageBytes = kvBlockBytes(context.kv);
  const clock = { now: context.now };
  const codec = hostBytes === undefined || hostForm === 'raw' ? null : codecOf(hostForm, context);
  const arenas: Uint8Array[] = [];
  const makers: ((onEvict: EvictionHandler | undefined) => Tier)[] = [];
  if (hostBytes !== undefined) {
    makers.push((onEvict) =>
      createHostTier({
        pageBytes,
        budgetBytes: hostBytes,
        clock,
        codec,
        prepareMemory: (arena) => arenas.push(arena),
        onEvict,
      }),
    );
  }
  if (path !== undefined) {
    const file = await openFileTier({
      folder: path,
      files: settings.files ?? createNodeFiles(),
      clock,
      pageBytes,
      budgetBytes: fileBytes,
      identity: JSON.stringify({
        version: 1,
        model: await context.fingerprint(),
        arithmetic: arithmeticOf(context.backend),
        kv: context.kv,
        hostForm,
      }),
      onOtherIdentity: 'discard',
      isLossy: codec !== null,
      checksum: choosePageChecksum(),
      onEvent: settings.onEvent,
    });
    makers.push(() => guardTier(file, { clock, after: context.after, onEvent: settings.onEvent }));
  }
  const stack = createTierStack({ clock, tiers: makers });
  await populateArenas(arenas, context, () => stack.state === 'closed');
  return stack;
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

function codecOf(form: CompressedForm, { kv, backend }: TierContext): PageCodec {
  const { layerCount, kvHeadCount, headSize, blockSize, keyDType, valueDType } = kv;
  if (keyDType !== valueDType || (keyDType !== 'f32' && keyDType !== 'f16' && keyDType !== 'bf16')) {
    throw new InvalidRequestError(
      `tiers.hostForm ${form} needs K and V of one type, f32, f16 or bf16, not ${keyDType} and ${valueDType}`,
      'tiers.hostForm',
      form,
    );
  }
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

export function tierStats(stack: TierStack, memory: KvMemory): TierStats {
  const { figures } = stack;
  return {
    ...memory.paging!,
    tiers: stack.tiers.map(({ name, state, usage, counters }, index) => ({
      name,
      state,
      pages: usage.pages,
      bytes: usage.bytes,
      budgetBytes: usage.budgetBytes,
      hits: figures.hitsByTier[index],
      evictions: counters.evictions,
      bytesIn: counters.bytesIn,
      bytesOut: counters.bytesOut,
      corruptPages: counters.corrupt,
      failedReads: counters.failedReads,
      failedWrites: counters.failedWrites,
      abandonedWrites: counters.abandonedWrites,
    })),
    lostEvictions: figures.lostEvictions,
    promotions: figures.promotions,
  };
}
