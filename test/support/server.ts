// A real server on a free port over the bundled model, for end-to-end tests.

import type { Engine, EngineOptions } from '../../src/engine/api.ts';
import { createEngine } from '../../src/engine/index.ts';
import { bundledModelPath } from '../../src/models/testing/bundled-model.ts';
import { type StartOptions, startServer } from '../../src/server/index.ts';

export const servedModelName = 'stories';

export { bundledModelPath };

export interface TestServer {
  readonly url: string;
  readonly engine: Engine;
  close(): Promise<void>;
}

/** Starts engine and server; both end with `close`. */
export async function startTestServer(
  engineOptions: Partial<EngineOptions> = {},
  serverOptions: Partial<StartOptions> = {},
): Promise<TestServer> {
  const engine = await createEngine({ model: bundledModelPath(), threads: 1, ...engineOptions });
  const server = await startServer({ engine, servedModelName, port: 0, closeGraceMs: 1000, ...serverOptions });
  return {
    url: server.url,
    engine,
    async close() {
      await engine.close();
      await server.close();
    },
  };
}

/** Waits until `check` holds; fails with `what` after `limitMs`. */
export async function waitUntil(check: () => boolean, what: string, limitMs = 5000): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!check()) {
    if (performance.now() > endMs) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
