// Clients who save their conversations to files and resume them later, perhaps with another life of the server.

import { EngineClosedError, SessionFileError } from '../../errors/index.ts';
import type { Request } from './requests.ts';
import type { RunTotals } from './run-scenario.ts';
import { createDraw, type Scenario } from './scenario.ts';
import { groupsOf, type ServerProcess, type ServerSettings } from './server-process.ts';
import type { VirtualTime } from './virtual-time.ts';

export interface ConversationsContext {
  readonly scenario: Scenario;
  readonly time: VirtualTime;
  readonly note: (line: string) => void;
  readonly totals: RunTotals;
  readonly server: () => ServerProcess | null;
  readonly goOn: (tokenIds: readonly number[], salt: string) => void;
  readonly onBreak: (error: unknown) => void;
}

export interface Conversations {
  /** Saves what a request has come to, and resumes it some time later. */
  keep(request: Request): void;
}

/** Files of each salt, which are written again and again. */
const PATHS = 2;
const SALTS = 2;

/** What all of them take at most, drafts included. */
export const sessionBytes = (settings: ServerSettings): number => {
  const tokenBytes = groupsOf(settings).length * (settings.isHostCompressed ? 256 : 64);
  return PATHS * SALTS * 2 * (settings.maxModelLen * tokenBytes + 4096);
};

export function createConversations(context: ConversationsContext): Conversations {
  const { scenario, time, note, totals, server, goOn } = context;
  const draw = createDraw(scenario.seed, 6);
  /** By path every text that was given to be saved there: a save that failed or died leaves one of those before it. */
  const given = new Map<string, string[]>();

  /** A file may be damaged, or the disk fail; the server may close meanwhile. What else goes wrong is a bug. */
  async function attempt(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof SessionFileError) && !(error instanceof EngineClosedError)) throw error;
      note(`${what}: ${error instanceof SessionFileError ? error.fault : 'the server closes'}`);
      totals.refusedSessions++;
    }
  }

  async function save(path: string, { promptTokenIds, generated, salt }: Request): Promise<void> {
    const to = server();
    if (to === null) return;
    const tokenIds = [...promptTokenIds, ...generated];
    given.set(path, [...(given.get(path) ?? []), JSON.stringify(tokenIds)]);
    await attempt(`save of ${path}`, async () => {
      const { cachedTokens } = await to.sessions.save(path, tokenIds, salt, salt);
      note(`${path} has ${cachedTokens} of ${tokenIds.length} tokens`);
      totals.savedTokens += cachedTokens;
    });
  }

  async function resume(path: string, salt: string): Promise<void> {
    const from = server();
    if (from === null || !given.has(path)) return;
    await attempt(`load of ${path}`, async () => {
      const { tokenIds, cachedTokens, data } = await from.sessions.load(path, salt);
      note(`${path} brings ${cachedTokens} of ${tokenIds.length} tokens`);
      if (data !== salt || !given.get(path)!.includes(JSON.stringify(tokenIds))) {
        throw new Error(`${path} holds a conversation that nobody saved there`);
      }
      totals.loadedTokens += cachedTokens;
      goOn(tokenIds, salt);
    });
  }

  return {
    keep(request) {
      // What stands for K and V in a simulation depends on the salt, so a conversation comes back under its own.
      const pathOf = () => `/sessions/${request.salt}${draw.between(1, PATHS)}`;
      void save(pathOf(), request).catch(context.onBreak);
      const again = pathOf();
      time.after(draw.ms(60), () => void resume(again, request.salt).catch(context.onBreak));
    },
  };
}
