// The two sides of bench:serve: our server over HTTP, and node-llama-cpp's sequences in a worker process.

import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { drive } from '../../src/cli/load/drive.ts';
import { createHttpClient } from '../../src/cli/load/http-client.ts';
import { type Measures, measureRun, type Objectives } from './measures.ts';
import { parseMetrics, reportOf, type ServerReport } from './metrics.ts';
import type { PeerRun, PeerSettings } from './peer-worker.ts';
import { type ServerOptions, startServer } from './server.ts';
import { promptTokens, type Workload } from './workload.ts';

export interface SideRun extends Measures {
  readonly promptTokensSent: number;
  readonly promptTokensComputed: number | null;
  readonly peakResidentBytes: number | null;
  /** Ours only. */
  readonly server?: ServerReport;
  /** Processor time of the load generator, as a share of one core. Ours only; the peer's runs inside its process. */
  readonly generatorShare?: number;
}

export interface Side {
  readonly name: string;
  run(workload: Workload, objectives: Objectives | null): Promise<SideRun>;
  stop(): Promise<void>;
}

export async function startOctavo(options: ServerOptions): Promise<Side> {
  const server = await startServer(options);
  const client = createHttpClient(server.url);
  const scrape = async () => parseMetrics(await client.get('/metrics'));
  return {
    name: `octavo (${server.from})`,
    async run(workload, objectives) {
      const bodies = workload.requests.map((request) => client.prepare(request));
      const before = await scrape();
      const cpuBefore = process.cpuUsage();
      const driven = await drive(workload, (_, index, onToken) => client.send(bodies[index], onToken));
      const { user, system } = process.cpuUsage(cpuBefore);
      const report = reportOf(before, await scrape(), workload.requests.length);
      return {
        ...measureRun(driven, objectives),
        promptTokensSent: promptTokens(workload),
        promptTokensComputed: report.promptTokensComputed,
        peakResidentBytes: server.peakResidentBytes(),
        server: report,
        generatorShare: (user + system) / 1000 / driven.durationMs,
      };
    },
    async stop() {
      client.close();
      await server.stop();
    },
  };
}

export async function startPeer(settings: PeerSettings): Promise<Side> {
  const script = join(fileURLToPath(new URL('.', import.meta.url)), 'peer-worker.ts');
  const child = fork(script, [JSON.stringify(settings)], {
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  await answer(child);
  return {
    name: `node-llama-cpp, ${settings.threads} thread${settings.threads === 1 ? '' : 's'}`,
    async run(workload, objectives) {
      child.send(workload);
      const result = (await answer(child)) as PeerRun;
      return {
        ...measureRun(result, objectives),
        promptTokensSent: promptTokens(workload),
        promptTokensComputed: result.promptTokensComputed,
        peakResidentBytes: result.peakResidentBytes,
      };
    },
    stop: () =>
      new Promise((resolve) => {
        child.once('exit', () => resolve());
        child.disconnect();
      }),
  };
}

function answer(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null) => reject(new Error(`the peer ended with code ${code}`));
    child.once('exit', onExit);
    child.once('message', (message) => {
      child.off('exit', onExit);
      resolve(message);
    });
  });
}
