// Runs a scenario to its end and checks all that must hold: after every step, for every request, and of what is left.

import { TierFolderError } from '../../errors/index.ts';
import type { PageKey, TierStack } from '../../tiers/index.ts';
import type { FileOperation } from '../../tiers/testing/memory-files.ts';
import { testPages } from '../../tiers/testing/pages.ts';
import { createConversations, sessionBytes } from './conversations.ts';
import { createRequests } from './requests.ts';
import { createDraw, drawFault, fits, type Incident, type Scenario } from './scenario.ts';
import { fileBudgetBytes, type ServerProcess, startServer } from './server-process.ts';
import { createSimulatedDisk, type DiskFault } from './simulated-disk.ts';
import { plainRun } from './stub-model.ts';
import { createVirtualTime } from './virtual-time.ts';

export interface RunOptions {
  /** Faults of single operations by number, beside those of the scenario. */
  readonly faultAt?: { readonly index: number; readonly fault: DiskFault };
  /** Keep every line of the log instead of the last ones. */
  readonly keepsLog?: boolean;
}

export interface RunReport {
  /** Of every line of the log in order. */
  readonly digest: number;
  readonly log: readonly string[];
  readonly diskOperations: number;
  readonly events: number;
  readonly simulatedMs: number;
  /** The longest that a request was with a server. */
  readonly longestMs: number;
  readonly totals: RunTotals;
}

export interface RunTotals {
  finished: number;
  cancelled: number;
  forks: number;
  repeated: number;
  lives: number;
  failedStarts: number;
  preemptions: number;
  evictions: number;
  hitTokens: number;
  copyOnWrites: number;
  pagesOut: number;
  pagesIn: number;
  joinedLoads: number;
  failedPages: number;
  lostPages: number;
  abandonedLoads: number;
  abandonedWrites: number;
  compressions: number;
  relocatedBlocks: number;
  migratedBlocks: number;
  savedTokens: number;
  loadedTokens: number;
  refusedSessions: number;
  pinnedTokens: number;
  refusedPins: number;
  recomputed: number;
  readaheadBlocks: number;
  reclaimedBlocks: number;
  faults: number;
  corrupt: number;
  suspensions: number;
}

const LOG_TAIL = 60;
const RESTART_MS = 20;
/** Longer than any tier stays out after its last fault, or an operation hangs. */
const CALM_MS = 300_000;

function addTo(totals: RunTotals, { memory, scheduler, stacks }: ServerProcess): void {
  totals.preemptions += scheduler.counters.preemptions;
  totals.evictions += memory.counters.evictions;
  totals.hitTokens += memory.counters.prefixHitTokens;
  totals.copyOnWrites += memory.counters.copyOnWrites;
  totals.relocatedBlocks += memory.counters.relocatedBlocks;
  totals.migratedBlocks += memory.counters.migratedBlocks;
  const { paging } = memory;
  if (paging === null) return;
  for (const name of [
    'pagesOut',
    'pagesIn',
    'joinedLoads',
    'failedPages',
    'lostPages',
    'abandonedLoads',
    'recomputed',
    'readaheadBlocks',
    'reclaimedBlocks',
  ] as const) {
    totals[name] += paging[name];
  }
  for (const { counters } of stacks!.flatMap(({ tiers }) => tiers)) {
    totals.corrupt += counters.corrupt;
    totals.abandonedWrites += counters.abandonedWrites;
    totals.compressions += counters.compressions;
  }
}

/** Throws, with the seed and the end of the log, if anything is not as it must be. */
export async function runScenario(scenario: Scenario, options: RunOptions = {}): Promise<RunReport> {
  const { seed, server: settings } = scenario;
  const time = createVirtualTime();
  const faults = createDraw(seed, 1);
  const latencies = createDraw(seed, 2);
  const steps = createDraw(seed, 3);
  const log: string[] = [];
  let digest = 0;
  const totals: RunTotals = {
    finished: 0,
    cancelled: 0,
    forks: 0,
    repeated: 0,
    lives: 0,
    failedStarts: 0,
    preemptions: 0,
    evictions: 0,
    hitTokens: 0,
    copyOnWrites: 0,
    pagesOut: 0,
    pagesIn: 0,
    joinedLoads: 0,
    failedPages: 0,
    lostPages: 0,
    abandonedLoads: 0,
    abandonedWrites: 0,
    compressions: 0,
    relocatedBlocks: 0,
    migratedBlocks: 0,
    savedTokens: 0,
    loadedTokens: 0,
    refusedSessions: 0,
    pinnedTokens: 0,
    refusedPins: 0,
    recomputed: 0,
    readaheadBlocks: 0,
    reclaimedBlocks: 0,
    faults: 0,
    corrupt: 0,
    suspensions: 0,
  };

  function note(line: string): void {
    const full = `${time.nowMs.toFixed(3)} ${line}`;
    for (let i = 0; i < full.length; i++) digest = (Math.imul(digest, 31) + full.charCodeAt(i)) | 0;
    if (line.includes(' suspended: ')) totals.suspensions++;
    log.push(full);
    if (!options.keepsLog && log.length > 2 * LOG_TAIL) log.splice(0, LOG_TAIL);
  }

  let outage: { readonly untilMs: number; readonly fault: DiskFault } | null = null;
  let isCalm = false;
  let hasVanished = false;
  /** Of all pages that any life offered to its tiers. */
  const keys = new Set<PageKey>();

  /** What goes wrong with an operation of the disk. */
  function decide(operation: FileOperation): DiskFault | null {
    if (isCalm) return null;
    const { faultAt } = options;
    if (faultAt !== undefined && faultAt.index === operation.index)
      return fits(operation, faultAt.fault) ? faultAt.fault : null;
    if (outage !== null && time.nowMs < outage.untilMs) return fits(operation, outage.fault) ? outage.fault : null;
    const share = operation.name === 'read' ? 10 * scenario.faultShare : scenario.faultShare;
    if (share === 0 || faults.random() >= share) return null;
    const drawn = drawFault(faults);
    const fault = typeof drawn === 'object' ? { hangMs: Math.min(drawn.hangMs, scenario.hangLimitMs) } : drawn;
    return fits(operation, fault) ? fault : null;
  }

  const disk = createSimulatedDisk({
    time,
    latencyMs: () => latencies.ms(scenario.meanLatencyMs),
    diskBytes: scenario.diskBytes,
    log: note,
  });
  disk.plan = decide;

  let broken: { readonly error: unknown } | null = null;
  const breakWith = (error: unknown) => {
    broken ??= { error };
  };

  /** Null while no server is up. */
  let server: ServerProcess | null = null;
  let kill: () => void = () => {};

  const conversations = createConversations({
    scenario,
    time,
    note,
    totals,
    server: () => server,
    goOn: (tokenIds, salt) => requests.goOn(tokenIds, salt),
    onBreak: breakWith,
  });
  const requests = createRequests({
    scenario,
    time,
    note,
    totals,
    server: () => server,
    plainRun,
    onFinished: conversations.keep,
  });

  async function start(): Promise<void> {
    totals.lives++;
    let isDead = false;
    let self: ServerProcess | null = null;
    const process = disk.startProcess(() => killed('at an operation'));
    function killed(why: string): void {
      if (isDead) return;
      isDead = true;
      process.die();
      self?.die();
      if (self !== null) addTo(totals, self);
      note(`the server dies ${why}`);
      server = null;
      const loses = faults.random() < 0.5;
      disk.files.restart(loses ? () => faults.random() < 0.3 : undefined);
      requests.lost();
      time.after(RESTART_MS, boot);
    }
    kill = () => killed('suddenly');
    try {
      self = await startServer(settings, {
        time,
        files: process.files,
        random: steps.random,
        log: note,
        stepFails: () => !isCalm && steps.random() < scenario.stepFaultShare,
        keys,
        // While it closes, nobody listens any more.
        onToken(id, tokenId, isLast) {
          if (server === self) requests.token(id, tokenId, isLast);
        },
        onFailed(id) {
          if (server === self) requests.failed(id);
        },
        onBreak: breakWith,
      });
    } catch (error) {
      if (!(error instanceof TierFolderError)) throw error;
      note(`the server does not start: ${error.message}`);
      totals.failedStarts++;
      if (disk.files.openFileCount !== 0)
        throw new Error(`${disk.files.openFileCount} files open after a failed start`);
      kill = () => {};
      time.after(RESTART_MS, boot);
      return;
    }
    // It may have died in the turn in which it came up.
    if (isDead) return;
    note('the server is up');
    server = self;
    requests.send();
  }

  const boot = () => void start().catch(breakWith);

  async function stop(savesAll: boolean): Promise<void> {
    const closing = server!;
    server = null;
    note('the server closes');
    const closed = closing.close(savesAll);
    requests.lost();
    await closed;
    addTo(totals, closing);
    kill = () => {};
    if (disk.files.openFileCount !== 0) throw new Error(`${disk.files.openFileCount} files open after the end`);
    for (const { usage } of closing.stacks ?? []) {
      if (usage.pages + usage.pinnedPages > 0) throw new Error('a closed stack holds pages');
    }
  }

  function happen({ kind, fault = 'EIO', forMs = 0 }: Incident): void {
    note(kind);
    if (kind === 'crash') kill();
    else if (kind === 'vanish') {
      disk.files.vanish();
      hasVanished = true;
    } else if (kind === 'outage') outage = { untilMs: time.nowMs + forMs, fault };
    else if (kind === 'damage') {
      const paths = disk.files.paths().filter((path) => disk.files.sizeOf(path) > 0);
      if (paths.length === 0) return;
      const path = faults.of(paths);
      disk.files.flipBit(path, faults.between(0, disk.files.sizeOf(path) - 1));
    } else if (server !== null) {
      void stop(faults.random() < 0.5).then(boot, breakWith);
    }
  }

  const check = () => {
    if (broken !== null) throw broken.error;
    const budgetBytes = fileBudgetBytes(settings) + sessionBytes(settings);
    if (disk.files.peakBytes > budgetBytes) {
      throw new Error(`${disk.files.peakBytes} bytes on disk, the budget is ${budgetBytes}`);
    }
  };

  const limitMs = 2 * CALM_MS + scenario.requestCount * 1000;

  async function turnUntil(isDone: () => boolean, what: string): Promise<void> {
    while (!isDone()) {
      check();
      if (time.nowMs > limitMs) throw new Error(`${what}: no end in sight`);
      if (!(await time.runNext())) throw new Error(`${what}: nothing will ever happen any more`);
    }
    check();
  }

  /** With all requests done: pool, tiers and files are as they were at the start. */
  async function checkBaseline(): Promise<void> {
    isCalm = true;
    outage = null;
    // Whatever hangs comes back, whoever was suspended is tried again, whoever restarts is up.
    let hasWaited = false;
    time.after(CALM_MS, () => {
      hasWaited = true;
    });
    await turnUntil(() => hasWaited && server !== null, 'the calm');
    const { memory, stacks } = server!;
    await time.runUntil(memory.settled(), 'memory.settled');
    memory.checkIntegrity();
    const { freeBlocks, referencedBlocks, blockCount } = memory.usage();
    if (freeBlocks !== blockCount || referencedBlocks !== 0) {
      throw new Error(`${referencedBlocks} of ${blockCount} blocks are held at the end, ${freeBlocks} are free`);
    }
    for (const stack of stacks ?? []) {
      await time.runUntil(stack.flush(), 'flush');
      await checkTiers(stack);
    }
    await time.runUntil(stop(false), 'the end');
    if (!isFileTierThere()) return;
    // The folder can be had again: its lock and its files were given back.
    await time.runUntil(start(), 'the last start');
    check();
    if (server === null) throw new Error('the folder cannot be opened again');
    await time.runUntil(stop(true), 'the last end');
  }

  const isFileTierThere = () => settings.filePages > 0;

  async function checkTiers(stack: TierStack): Promise<void> {
    if (stack.usage.pinnedPages !== 0) throw new Error(`${stack.usage.pinnedPages} pages are held at the end`);
    stack.delete([...keys]);
    for (const tier of stack.tiers) {
      if (tier.usage.pages !== 0) throw new Error(`${tier.name} holds ${tier.usage.pages} pages of no key`);
      if (tier.name === 'host' && tier.usage.bytes !== 0)
        throw new Error(`host holds ${tier.usage.bytes} bytes of no page`);
      const { evictions } = tier.counters;
      const count = tier.capacityPages - tier.usage.pages;
      const pages = testPages(1_000_000, count, tier.pageBytes);
      const results = await time.runUntil(tier.put(pages), `${tier.name} put`);
      const stored = results.filter((result) => result === 'ok').length;
      const mayBeShort = tier.name === 'file' && (scenario.diskBytes !== undefined || hasVanished);
      if (!mayBeShort && (stored !== count || (tier.counters.evictions !== evictions && tier.name === 'file'))) {
        throw new Error(
          `${tier.name} takes ${stored} of ${count} pages when empty, evicting ${tier.counters.evictions - evictions}`,
        );
      }
      tier.delete(pages.map(({ key }) => key));
    }
  }

  try {
    for (const incident of scenario.incidents) time.after(incident.atMs, () => happen(incident));
    boot();
    requests.begin();
    await turnUntil(() => requests.isDone, 'requests');
    const simulatedMs = time.nowMs;
    await checkBaseline();
    totals.faults = disk.faults;
    return {
      digest,
      log,
      diskOperations: disk.files.operationCount,
      events: time.eventCount,
      simulatedMs,
      longestMs: requests.longestMs,
      totals,
    };
  } catch (error) {
    const tail = log.slice(-LOG_TAIL).join('\n  ');
    const at = options.faultAt === undefined ? '' : `, ${JSON.stringify(options.faultAt)}`;
    throw new Error(`seed ${seed}${at}: ${String((error as Error)?.message ?? error)}\n  ${tail}`, { cause: error });
  }
}
